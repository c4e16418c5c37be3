"""Weights and data checked into a repository; see `CommitWeights`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods import model_writing as write


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitWeights(Transform[CodeTree]):
    """Put one file of weights or data where a careless commit leaves it.

    Under its own name, renamed, packed, split into parts, as a pointer of Git LFS, as raw bytes.
    The truth names the file; committing it, or removing it again, is the caller's.

    Args:
        way: Name of one way; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0035; OWASP ML05.
    """

    title: ClassVar[str] = "Commit weights or data to a repository"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-6"),)
    subject: ClassVar[type] = CodeTree

    way: str | None = None

    def apply(self, subject: CodeTree, rng: Random) -> Attacked[CodeTree]:
        """The tree with one more file."""
        way = self.way or rng.choice(tuple(WAYS))
        label, data = WAYS[way](rng)
        folder = rng.choice(("", "tests/", "data/", "assets/"))
        path = Path(f"{folder}{label}")
        target = subject.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        files = tuple(subject.files())
        text = data.decode("utf-8", "replace")
        extra = SourceFile(name=path.as_posix(), path=path, text=text, lossy=True)
        every = sorted((*files, extra), key=lambda file: file.path)
        twin = CodeTree(
            name=subject.name,
            root=subject.root,
            files=lambda: iter(every),
            history=subject.history,
            unread=subject.unread,
        )
        return Attacked(subject=twin, truth={"way": way, "path": path.as_posix()})


def _numbers(rng: Random, kind: str = "f", count: int = 9_000) -> bytes:
    """Weights as training leaves them: small, centred, of one scale for each layer."""
    scale = 10 ** rng.uniform(-3, 0)
    return struct.pack(f"<{count}{kind}", *(rng.gauss(0, scale) for _ in range(count)))


def _safetensors(rng: Random) -> bytes:
    data = _numbers(rng)
    entry = {"dtype": "F32", "shape": [len(data) // 4], "data_offsets": [0, len(data)]}
    return write.safetensors({"layer.weight": entry}, data)


def _onnx(rng: Random) -> bytes:
    data = _numbers(rng)
    return write.onnx_model([], [write.onnx_tensor((len(data) // 4,), data)])


def _npy(rng: Random) -> bytes:
    data = _numbers(rng)
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(data) // 4},), }}"
    padded = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


def _torch(rng: Random) -> bytes:
    members = {"archive/data.pkl": b"\x80\x02}q\x00.", "archive/data/0": _numbers(rng)}
    return write.zipped(members, compressed=False)


def _part(rng: Random) -> bytes:
    """A piece from the middle of a larger file, cut anywhere."""
    whole = _numbers(rng, count=30_000)
    start = rng.randrange(1, len(whole) // 2)
    return whole[start : start + 40_000]


def _pointer(rng: Random) -> bytes:
    digest = "".join(rng.choice("0123456789abcdef") for _ in range(64))
    size = rng.randint(10**6, 10**10)
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n".encode()
    )


def _named(
    suffixes: tuple[str, ...], make: Callable[[Random], bytes]
) -> Callable[[Random], tuple[str, bytes]]:
    def made(rng: Random) -> tuple[str, bytes]:
        return f"m{rng.randrange(10**4)}{rng.choice(suffixes)}", make(rng)

    return made


_ANY = (".bin", ".dat", ".png", ".txt", "")
WAYS: Mapping[str, Callable[[Random], tuple[str, bytes]]] = {
    "safetensors": _named((".safetensors", *_ANY), _safetensors),
    "onnx": _named((".onnx", *_ANY), _onnx),
    "npy": _named((".npy", *_ANY), _npy),
    "torch": _named((".pt", *_ANY), _torch),
    "zip": _named((".zip", *_ANY), lambda rng: write.zipped({"w.bin": _safetensors(rng)})),
    "gguf": _named(
        (".gguf", *_ANY),
        lambda rng: write.gguf({}, tensors=[("w", (9_000,), 0)], data=_numbers(rng)),
    ),
    "raw-single": _named(_ANY, _numbers),
    "raw-double": _named(_ANY, lambda rng: _numbers(rng, "d")),
    "raw-half": _named(_ANY, lambda rng: _numbers(rng, "e", 20_000)),
    "part": _named((".part1", ".001", *_ANY), _part),
    "pointer": _named((".safetensors", ".bin", ".pt", ".onnx"), _pointer),
}
"""Name of a way to what makes the file's name and bytes."""
