"""Tensors are taken out of torch archives by their offsets, never by unpickling."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

import numpy as np
import pytest

from hauberk.errors import ArtifactError
from hauberk.formats.safetensors import problems_of
from hauberk.formats.spans import span_of
from hauberk.formats.torch_tensors import read_tensors, write_safetensors
from hauberk.methods.pickle_writing import call, name, text, whole

VALUES = np.arange(12, dtype="<f4")


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def tensor(key: str, shape: tuple[int, ...], strides: tuple[int, ...], *, offset: int = 0) -> bytes:
    storage = text("storage") + name("torch.FloatStorage") + text(key) + text("cpu") + b"K\x0c"
    persistent = b"(" + storage + b"tQ"
    hooks = name("collections.OrderedDict") + b")R"
    place = b"J" + struct.pack("<i", offset)
    rebuild = name("torch._utils._rebuild_tensor_v2")
    return call(rebuild, persistent, place, numbers(*shape), numbers(*strides), b"\x89", hooks)


def archive(entries: dict[str, bytes], *, data: bytes | None = None) -> bytes:
    body = b"".join(text(key) + value for key, value in entries.items())
    root = name("collections.OrderedDict") + b")R(" + body + b"u"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("m/data.pkl", whole(root, protocol=2))
        made.writestr("m/data/0", VALUES.tobytes() if data is None else data)
    return file.getvalue()


def converted(data: bytes) -> dict[str, Any]:
    file = io.BytesIO()
    write_safetensors(span_of(data), read_tensors(span_of(data)), file)
    made = file.getvalue()
    assert not list(problems_of(span_of(made)))
    size = int.from_bytes(made[:8], "little")
    header = json.loads(made[8 : 8 + size])
    return {
        key: np.frombuffer(made[8 + size :][slice(*field["data_offsets"])], "<f4").reshape(
            field["shape"]
        )
        for key, field in header.items()
    }


def test_a_dense_tensor_is_copied() -> None:
    (found,) = converted(archive({"weight": tensor("0", (3, 4), (4, 1))})).values()
    assert (found == VALUES.reshape(3, 4)).all()


def test_a_transposed_and_a_shifted_view_are_written_out() -> None:
    found = converted(
        archive({"t": tensor("0", (4, 3), (1, 4)), "s": tensor("0", (2, 2), (4, 1), offset=5)})
    )
    assert (found["t"] == VALUES.reshape(3, 4).T).all()
    assert (found["s"] == VALUES.reshape(3, 4)[1:, 1:3]).all()


def test_nested_dictionaries_get_dotted_names_and_other_values_are_counted() -> None:
    nested = b"}(" + text("weight") + tensor("0", (12,), (1,)) + b"u"
    data = archive({"model": nested, "epoch": b"K\x03"})
    found = read_tensors(span_of(data))
    assert [one.name for one in found.tensors] == ["model.weight"]
    assert found.others == 1


@pytest.mark.parametrize(
    "entries",
    [
        {"far": tensor("0", (13,), (1,))},
        {"beyond": tensor("0", (2, 2), (100, 1))},
        {"shifted": tensor("0", (4,), (1,), offset=9)},
        {"missing": tensor("7", (3, 4), (4, 1))},
        {"none": b"K\x01"},
    ],
)
def test_tensors_outside_of_their_storage_are_refused(entries: dict[str, bytes]) -> None:
    with pytest.raises(ArtifactError, match="without unpickling"):
        read_tensors(span_of(archive(entries)))


def test_what_is_no_torch_archive_is_refused() -> None:
    with pytest.raises(ArtifactError):
        read_tensors(span_of(b"\x80\x02}."))
