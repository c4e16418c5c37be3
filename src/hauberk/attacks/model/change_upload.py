"""Other bytes under the name of a model that was looked at before: see `ChangeUpload`."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUpload(Transform[ModelFile]):
    """Put other bytes on a hub under the name and tag of a model that somebody reviewed.

    Weights that differ in one bit or in all, a tensor more, an earlier upload, another format
    with a payload, and the upload of whoever took over a deleted publisher's name.

    Args:
        way: Name of one way; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0010.003, AML.T0111; CWE-494.
    """

    title: ClassVar[str] = "Change an upload behind its name"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-6"),)
    subject: ClassVar[type] = ModelFile

    way: str | None = None

    def apply(self, subject: ModelFile, rng: Random) -> Attacked[ModelFile]:
        """The changed twin, in a file of its own beside ``subject``.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        path = subject.path.with_name(f"changed-{subject.path.name}")
        path.write_bytes(WAYS[way](subject.path.read_bytes(), rng))
        return Attacked(subject=ModelFile(name=subject.name, path=path), truth={"way": way})


def _bit(data: bytes, rng: Random) -> bytes:
    body = bytearray(data)
    body[-rng.randint(1, 64)] ^= 1 << rng.randrange(8)
    return bytes(body)


def _retrained(data: bytes, rng: Random) -> bytes:
    return data[:-64] + rng.randbytes(64)


def _another(data: bytes, rng: Random) -> bytes:
    del data
    size = 4 * rng.randint(17, 400)
    header = {"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}
    return write.safetensors(header, rng.randbytes(size))


def _payload(data: bytes, rng: Random) -> bytes:
    del data
    return whole(call(name("os.system"), text(f"true {rng.getrandbits(32)}")))


def _longer(data: bytes, rng: Random) -> bytes:
    return data + rng.randbytes(rng.randint(1, 4000))


WAYS: Mapping[str, Callable[[bytes, Random], bytes]] = {
    "one bit": _bit,
    "retrained": _retrained,
    "another model": _another,
    "payload": _payload,
    "longer": _longer,
}
"""Name of a way to what changes the bytes."""
