"""Small writers of model formats, for attacks and for ordinary twins.

Each writes what the format's own library reads, and no more: protobuf fields, a GGUF header, an
HDF5 root group with attributes and links, a flatbuffer of TensorFlow Lite. They exist so that
hostile files are built when they are needed and never stored.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

# Protobuf ---------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """A number in groups of seven bits; negative ones take ten bytes."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - the continuation bit
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, value: int | bytes | str) -> bytes:
    """One field: a number, or bytes, a string or a message with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def onnx_node(operator: str, domain: str = "", attributes: bytes = b"") -> bytes:
    """A node of one input and one output, as the body of a graph's field 1."""
    body = field(1, "x") + field(2, "y") + field(4, operator) + attributes
    return body + (field(7, domain) if domain else b"")


def onnx_tensor(
    dims: Iterable[int] = (1,), raw: bytes | None = b"\0\0\0\0", external: str = ""
) -> bytes:
    """A float tensor called ``w``; its bytes, or where they lie."""
    body = b"".join(field(1, size) for size in dims) + field(2, 1) + field(8, "w")
    if external:
        return body + field(13, field(1, "location") + field(2, external)) + field(14, 1)
    return body + (field(9, raw) if raw is not None else b"")


def onnx_model(
    nodes: Sequence[bytes] = (), tensors: Sequence[bytes] = (), *, more: bytes = b""
) -> bytes:
    """A model of some nodes and initial values."""
    graph = b"".join(field(1, node) for node in nodes or (onnx_node("Relu"),)) + field(2, "g")
    graph += b"".join(field(5, tensor) for tensor in tensors)
    value = field(2, field(1, field(1, 1) + field(2, field(1, field(1, 1)))))
    graph += field(11, field(1, "x") + value) + field(12, field(1, "y") + value)
    opset = field(8, field(1, "") + field(2, 17))
    return field(1, 8) + field(2, "writer") + field(7, graph) + opset + more


def tensorflow_graph(operators: Iterable[str], functions: Iterable[str] = ()) -> bytes:
    """A graph of TensorFlow with some operators, and some in a function of its library."""
    graph = b"".join(
        field(1, field(1, f"node_{number}") + field(2, name))
        for number, name in enumerate(operators)
    )
    nodes = b"".join(field(3, field(1, "inner") + field(2, name)) for name in functions)
    if nodes:
        graph += field(2, field(1, field(1, field(1, "f")) + nodes))
    return graph + field(4, field(1, 1882))


def saved_model(operators: Iterable[str], functions: Iterable[str] = ()) -> bytes:
    """The ``saved_model.pb`` of a SavedModel."""
    info = field(1, field(4, "serve"))
    return field(1, 1) + field(2, info + field(2, tensorflow_graph(operators, functions)))


# GGUF -------------------------------------------------------------------------------------


def gguf_text(text: str) -> bytes:
    """A string with its length."""
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf(
    texts: Mapping[str, str],
    *,
    n_tensors: int | None = None,
    n_keys: int | None = None,
    tensors: Sequence[tuple[str, tuple[int, ...], int]] = (("w", (32,), 0),),
    data: bytes = bytes(128),
    more: bytes = b"",
    version: int = 3,
) -> bytes:
    """A file with text metadata and float tensors, each by name, shape and offset.

    Args:
        more: Raw entries of metadata, which ``n_keys`` must count.
    """
    counts = (
        len(tensors) if n_tensors is None else n_tensors,
        len(texts) if n_keys is None else n_keys,
    )
    head = b"GGUF" + struct.pack("<I2Q", version, *counts)
    for key, text in texts.items():
        head += gguf_text(key) + struct.pack("<I", 8) + gguf_text(text)
    head += more
    for name, shape, offset in tensors:
        head += gguf_text(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, offset)
    return head + bytes(-len(head) % 32) + data


# HDF5 -------------------------------------------------------------------------------------

_UNDEFINED = b"\xff" * 8


def hdf5_attribute(name: str, value: bytes) -> bytes:
    """A message with a string attribute of fixed length."""
    label = name.encode() + b"\0"
    kind = struct.pack("<B3BI", 0x13, 1, 0, 0, len(value))
    space = struct.pack("<4BI", 1, 0, 0, 0, 0)
    head = struct.pack("<2B3H", 1, 0, len(label), len(kind), len(space))
    padded = label + bytes(-len(label) % 8)
    return _hdf5_message(0x0C, head + padded + kind + space + value)


def hdf5_external_link(name: str, file: str, path: str = "/") -> bytes:
    """A message with a link into another file."""
    target = b"\0" + file.encode() + b"\0" + path.encode() + b"\0"
    label = name.encode()
    body = struct.pack("<4B", 1, 8, 64, len(label)) + label
    return _hdf5_message(0x06, body + struct.pack("<H", len(target)) + target)


def _hdf5_message(kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 8)
    return struct.pack("<2HB3x", kind, len(padded), 0) + padded


def hdf5(messages: Sequence[bytes], *, block: bytes = b"") -> bytes:
    """A file whose root group has some messages; ``block`` stands in front of it."""
    links = _hdf5_message(0x02, struct.pack("<2B", 0, 0) + 2 * _UNDEFINED)
    body = links + b"".join(messages)
    root = struct.pack("<BxHII4x", 1, 1 + len(messages), 1, len(body)) + body
    end = len(block) + 96 + len(root)
    head = b"\x89HDF\r\n\x1a\n" + struct.pack("<8B2HI", 0, 0, 0, 0, 0, 8, 8, 0, 4, 16, 0)
    head += struct.pack("<Q", len(block)) + _UNDEFINED + struct.pack("<Q", end) + _UNDEFINED
    return block + head + struct.pack("<2QII16x", 0, 96, 0, 0) + root


# Keras ------------------------------------------------------------------------------------


def keras_model(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The configuration of a sequential model with some layers behind a dense one."""
    dense = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {"name": "dense", "units": 2, "activation": "relu"},
        "registered_name": None,
    }
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": [dense, *layers]},
        "registered_name": None,
    }


def keras_archive(config: Mapping[str, Any], members: Mapping[str, bytes] | None = None) -> bytes:
    """A ``.keras`` archive with its configuration."""
    metadata = {"keras_version": "3.5.0", "date_saved": "2024-01-01@00:00:00"}
    found = {
        "metadata.json": json.dumps(metadata).encode(),
        "config.json": json.dumps(config).encode(),
        "model.weights.h5": hdf5([hdf5_attribute("backend", b"numpy")]),
    }
    return zipped(found | dict(members or {}))


def zipped(members: Mapping[str, bytes], *, compressed: bool = True) -> bytes:
    """A zip archive with the same bytes on every run."""
    buffer = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for label, data in members.items():
            archive.writestr(zipfile.ZipInfo(label), data, compress_type=how)
    return buffer.getvalue()


# TensorFlow Lite --------------------------------------------------------------------------


class _Flat:
    """A flatbuffer written front to back, with offsets that are put in later."""

    def __init__(self) -> None:
        self.data = bytearray()

    def table(self, fields: Sequence[bytes | None]) -> tuple[int, list[int]]:
        """A table of inline fields; its place and the places of the fields."""
        places, body = [], bytearray(4)
        for value in fields:
            if value is None:
                places.append(0)
                continue
            body += bytes(-len(body) % max(len(value), 1))
            places.append(len(body))
            body += value
        vtable = struct.pack(f"<{2 + len(places)}H", 4 + 2 * len(places), len(body), *places)
        self.data += bytes(-len(self.data) % 8)
        start = len(self.data)
        self.data += vtable + bytes(-len(vtable) % 8)
        at = len(self.data)
        self.data += body
        struct.pack_into("<i", self.data, at, at - start)
        return at, [at + place for place in places]

    def vector(self, items: bytes, count: int) -> int:
        self.data += bytes(-len(self.data) % 8)
        at = len(self.data)
        self.data += struct.pack("<I", count) + items
        return at

    def point(self, place: int, target: int) -> None:
        struct.pack_into("<I", self.data, place, target - place)

    def tables(self, place: int, writers: Sequence[Callable[[], int]]) -> None:
        """A vector of tables; offsets lead forward only, so each is written behind it."""
        at = self.vector(bytes(4 * len(writers)), len(writers))
        self.point(place, at)
        for number, write in enumerate(writers):
            self.point(at + 4 + 4 * number, write())


def tflite(
    custom: Sequence[str] = (),
    *,
    buffer: bytes = bytes(8),
    shape: Sequence[int] = (2,),
    n_claimed: int | None = None,
) -> bytes:
    """A model of one addition and some custom operators, with one constant tensor.

    Args:
        n_claimed: Length that the constant's buffer claims.
    """
    flat = _Flat()
    flat.data += bytes(4) + b"TFL3"
    root, at = flat.table([struct.pack("<I", 3), *([bytes(4)] * 4)])
    flat.point(0, root)
    flat.tables(at[1], [partial(_operator_code, flat, name) for name in ("", *custom)])
    flat.tables(at[2], [partial(_subgraph, flat, shape)])
    flat.point(at[3], flat.vector(b"model\0", 5))
    claimed = len(buffer) if n_claimed is None else n_claimed
    empty = partial(_buffer, flat, b"", 0)
    flat.tables(at[4], [empty, partial(_buffer, flat, buffer, claimed)])
    return bytes(flat.data)


def _operator_code(flat: _Flat, name: str) -> int:
    code, places = flat.table([bytes(1), bytes(4) if name else None, struct.pack("<i", 1)])
    if name:
        flat.data[places[0]] = 32
        flat.point(places[1], flat.vector(name.encode() + b"\0", len(name)))
    return code


def _buffer(flat: _Flat, content: bytes, claimed: int) -> int:
    buffer, places = flat.table([bytes(4)] if content else [])
    if content:
        flat.point(places[0], flat.vector(content, claimed))
    return buffer


def _subgraph(flat: _Flat, shape: Sequence[int]) -> int:
    graph, places = flat.table([bytes(4)])
    flat.tables(places[0], [partial(_constant, flat, shape)])
    return graph


def _constant(flat: _Flat, shape: Sequence[int]) -> int:
    tensor, places = flat.table([bytes(4), None, struct.pack("<I", 1)])
    dims = struct.pack(f"<{len(shape)}i", *shape)
    flat.point(places[0], flat.vector(dims, len(shape)))
    return tensor


# safetensors ------------------------------------------------------------------------------


def safetensors(header: Mapping[str, Any] | bytes, data: bytes) -> bytes:
    """A file with a header, as an object or as the bytes that stand for one."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data
