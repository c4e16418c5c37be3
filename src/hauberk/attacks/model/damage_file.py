"""A model file with a few bytes changed: see `DamageFile`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import ModelFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId

_BYTES = (0, 1, 2, 0x2E, 0x7F, 0x80, 0xFF)
_LENGTHS = (0, *(2**n - 1 for n in (7, 8, 15, 16, 31, 32, 63)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageFile(Transform[ModelFile]):
    """Change, cut, repeat and move bytes of a model file, as a fuzzer of loaders does.

    Bytes that parsers treat specially, lengths at the borders of their types, pieces of the same
    file and of ``donors`` in other places, cut ends.

    Args:
        donors: Bytes of other files, from which pieces are taken too.
        max_changes: Changes to one file, at least one.

    References:
        MITRE ATLAS AML.T0049; CWE-20. Miller, Fredriksen and So (1990), An empirical study of
        the reliability of UNIX utilities.
    """

    title: ClassVar[str] = "Damage a model file so that its reader stumbles"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-11"),)
    subject: ClassVar[type] = ModelFile

    donors: tuple[bytes, ...] = ()
    max_changes: int = 4

    def apply(self, subject: ModelFile, rng: Random) -> Attacked[ModelFile]:
        """The damaged twin, in a file of its own beside ``subject``."""
        path = subject.path.with_name(f"damaged-{subject.path.name}")
        path.write_bytes(self.damaged(subject.path.read_bytes(), rng))
        return Attacked(subject=ModelFile(name=path.name, path=path), truth={})

    def damaged(self, known: bytes, rng: Random) -> bytes:
        """The same on bytes."""
        data = bytearray(known)
        for _ in range(rng.randrange(1, self.max_changes + 1)):
            self._change(data, rng)
            data = data or bytearray(b"\x80")
        return bytes(data)

    def _change(self, data: bytearray, rng: Random) -> None:
        at, way = rng.randrange(len(data) + 1), rng.randrange(6)
        if way == 0:
            data[at : at + 1] = bytes([rng.choice(_BYTES)])
        elif way == 1:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif way == 2:  # noqa: PLR2004 - a length
            width = rng.choice((1, 2, 4, 8))
            value = rng.choice(_LENGTHS) % (1 << 8 * width)
            data[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))
        elif way == 3:  # noqa: PLR2004 - a loss
            del data[at : at + rng.randrange(1, 64)]
        elif way == 4:  # noqa: PLR2004 - a transplant
            other = rng.choice((*self.donors, bytes(data)))
            start = rng.randrange(len(other))
            data[at:at] = other[start : start + rng.randrange(1, 200)]
        else:
            del data[at:]
