"""What the files of a model's folder say of each other."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import pytest

from hauberk.controls.model.unfit_folder import UnfitFolder
from hauberk.core.artifact import ModelFolder
from hauberk.formats.hub_folders import model_folders
from hauberk.methods import model_writing as write
from hauberk.scanner import scan

SHARD = "model-00001-of-00001.safetensors"


def folder(root: Path, **more: str) -> Path:
    """A whole folder, with some files more or other than they should be."""
    tensor = {"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    (root / SHARD).write_bytes(write.safetensors(tensor, b"1"))
    index = {"metadata": {}, "weight_map": {"w": SHARD}}
    (root / "model.safetensors.index.json").write_text(json.dumps(index))
    (root / "config.json").write_text('{"model_type": "bert"}')
    for name, text in more.items():
        (root / name.replace("__", ".")).write_text(text)
    return root


def messages(root: Path) -> list[str]:
    found = UnfitFolder().check(ModelFolder(name="m", path=root))
    return [f"{item.severity} {item.message}" for item in found]


def test_a_whole_folder_passes(tmp_path: Path) -> None:
    assert messages(folder(tmp_path)) == []


def test_a_missing_shard_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / SHARD).unlink()
    assert "which is missing" in messages(root)[0]


def test_a_shard_that_no_index_names_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "model-00002-of-00002.safetensors").write_bytes((root / SHARD).read_bytes())
    assert "does not know the shard" in messages(root)[0]


def test_tensors_that_lie_elsewhere_are_told(tmp_path: Path) -> None:
    root = folder(tmp_path)
    index = {"weight_map": {"w": SHARD, "v": SHARD}}
    (root / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "disagree about 1 tensors: 'v'" in messages(root)[0]


def test_python_that_starts_programs_is_critical(tmp_path: Path) -> None:
    root = folder(tmp_path, modeling__py="import os\nos.system('id')\n")
    assert messages(root) == [
        "critical m/modeling.py: is Python beside the model that calls os.system (line 2)"
    ]


def test_python_that_only_computes_passes(tmp_path: Path) -> None:
    code = "import os, torch\nclass M(torch.nn.Module):\n    path = os.path.join('a', 'b')\n"
    assert messages(folder(tmp_path, modeling__py=code)) == []


def test_a_checksum_that_does_not_match_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path, SHA256SUMS=f"{'0' * 64}  config.json\n")
    assert "has another sha256" in messages(root)[0]


def test_a_checksum_that_matches_passes(tmp_path: Path) -> None:
    digest = hashlib.sha256(b'{"model_type": "bert"}').hexdigest()
    assert messages(folder(tmp_path, SHA256SUMS=f"{digest}  config.json\n")) == []


def test_a_link_out_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    root = folder(tmp_path / "m")
    (root / "tokenizer.json").symlink_to("/etc/hostname")
    assert "leads out of the folder" in messages(root)[0]


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("--index-url http://mirror.example/simple\n", "high"),
        ("git+https://h.example/x\n", "high"),
        ("git+https://github.com/x/y\n", "medium"),
    ],
)
def test_requirements_from_elsewhere_are_told(tmp_path: Path, line: str, severity: str) -> None:
    assert messages(folder(tmp_path, requirements__txt=line))[0].startswith(severity)


def test_a_folder_of_code_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import subprocess\nsubprocess.run(['ls'])\n")
    assert model_folders(tmp_path) == []


def test_a_scan_of_the_folder_judges_it_as_one(tmp_path: Path) -> None:
    root = folder(tmp_path, modeling__py="import os\nos.system('id')\n")
    result = scan([root], today=date(2026, 1, 1))
    assert "model/unfit-folder" in {item.control for item in result.findings}
    assert result.summary["exit_code"] == 1
