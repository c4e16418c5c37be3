"""What real loaders look up on load is what the scanner has told, file by file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hauberk.formats.pickle_values import Global
from hauberk.formats.safetensors import entries_of
from hauberk.formats.skops_files import skops_names
from hauberk.formats.spans import open_span, span_of

PROGRAM = Path(__file__).with_name("loaders.py")
TORCH_OWN = "Storage"
"""Names that torch answers before its unpickler is asked."""


def loaded(which: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), which], capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def files() -> list[dict[str, Any]]:
    return loaded("honest")


def test_honest_files_load_and_ask_for_exactly_the_names_that_are_told(
    files: list[dict[str, Any]],
) -> None:
    honest = [file for file in files if not file["case"].startswith("hostile")]
    assert len(honest) >= 80
    for file in honest:
        assert file["whole"], file["case"]
        assert file["asked"] == file["told"], file["case"]


def test_hostile_files_ask_for_no_name_that_is_not_told(files: list[dict[str, Any]]) -> None:
    hostile = [file for file in files if file["case"].startswith("hostile")]
    assert sum(bool(file["asked"]) for file in hostile) > 80
    for file in hostile:
        assert set(file["asked"]) <= set(file["told"]), file["case"]


def test_torch_files_ask_for_no_name_that_is_not_told() -> None:
    pytest.importorskip("torch", reason="torch is optional")
    for file in loaded("torch"):
        assert file["whole"], file["case"]
        assert set(file["asked"]) <= set(file["told"]), file["case"]
        rest = set(file["told"]) - set(file["asked"])
        assert all(name.endswith(TORCH_OWN) for name in rest), file["case"]


def test_skops_finds_no_type_that_is_not_told(tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io", reason="skops is optional")
    import zipfile

    from sklearn.preprocessing import FunctionTransformer

    path = tmp_path / "m.skops"
    skops.dump(FunctionTransformer(json.dumps), path)
    with zipfile.ZipFile(path) as archive:
        told = {name.path for name in skops_names(span_of(archive.read("schema.json")))}
    assert set(skops.get_untrusted_types(file=path)) <= told
    assert Global("json", "dumps", 0).path in told


def test_safetensors_finds_the_tensors_that_are_told(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors", reason="safetensors is optional")
    numpy_files = pytest.importorskip("safetensors.numpy")
    import numpy as np

    path = tmp_path / "m.safetensors"
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(0, np.int64)}
    numpy_files.save_file(arrays, path, metadata={"format": "np"})
    with open_span(path) as span:
        told = {
            name: (entry["shape"], part.read(0, part.size))
            for name, entry, part in entries_of(span)
        }
    with safetensors.safe_open(path, "np") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    assert told == {n: (list(item.shape), item.tobytes()) for n, item in found.items()}
