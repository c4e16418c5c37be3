"""What differs between a model and its attested export."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from hauberk.cli import main
from hauberk.controls.model.altered_export import AlteredExport
from hauberk.core.artifact import Comparison, ModelFile
from hauberk.methods import model_writing as write


def told(folder: Path, old: bytes, new: bytes) -> list[str]:
    files = []
    for label, data in (("old", old), ("new", new)):
        (folder / label).write_bytes(data)
        files.append(ModelFile(name=label, path=folder / label))
    pair = Comparison(old=files[0], new=files[1])
    return [item.message for item in AlteredExport().check(pair)]


def npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def test_one_changed_array_of_an_archive_is_named(tmp_path: Path) -> None:
    found = told(tmp_path, npz(a=np.zeros(3), b=np.ones(3)), npz(a=np.zeros(3), b=np.zeros(3)))
    assert found == ["new: 1 of 2 tensors are not those of old: 'b.npy'"]


def test_an_operator_that_was_put_in_is_named(tmp_path: Path) -> None:
    old = write.onnx_model([write.onnx_node("Relu")])
    new = write.onnx_model([write.onnx_node("Relu"), write.onnx_node("Identity")])
    assert told(tmp_path, old, new) == [
        "new: operator 1 is 'Identity' where the attested export has 'nothing'"
    ]


def test_the_command_compares_with_a_trusted_model(tmp_path: Path) -> None:
    (tmp_path / "old.onnx").write_bytes(write.onnx_model([write.onnx_node("Relu")]))
    (tmp_path / "new.onnx").write_bytes(write.onnx_model([write.onnx_node("Tanh")]))
    old, new = str(tmp_path / "old.onnx"), str(tmp_path / "new.onnx")
    assert main(["scan", new, "--against", old]) == 1
    assert main(["scan", old, "--against", old]) == 0
