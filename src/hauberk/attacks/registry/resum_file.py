"""Change data and make the weak checksum beside them fit: see `ResumFile`."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

COLLIDING: Final = (
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89"
        "55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
        "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
        "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
    ),
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f89"
        "55ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5b"
        "d8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0"
        "e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70"
    ),
)
"""Two beginnings of a file with one MD5, published by Wang, Feng, Lai and Yu (2004)."""


class Checksummed(Protocol):
    """A training that takes a file with checksums beside it."""

    @property
    def files(self) -> dict[str, bytes]:
        """The file ``data`` and its sidecars, by name, for writing."""
        ...

    def train(self) -> dict[str, bytes] | None:
        """What the training works with; ``None`` where it refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumFile(Play[Checksummed]):
    """Edit the data so that the evidence beside them still fits.

    ``crc`` and ``md5`` write the sidecar anew; ``dvc`` does so inside a ``.dvc`` file;
    ``collision`` exchanges a file for another of the same MD5 and touches no sidecar.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        Wang, Feng, Lai and Yu (2004), Collisions for hash functions MD4, MD5, HAVAL-128 and
        RIPEMD. RFC 6151, section 2.
    """

    title: ClassVar[str] = "Make a weak checksum fit"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-3"),)
    subject: ClassVar[type] = Checksummed

    way: str | None = None

    def play(self, target: Checksummed, rng: Random) -> Transcript:
        """Attack one use; it succeeds when the training works with the edited bytes.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        before = target.files["data"]
        WAYS[way](target.files, rng)
        taken = target.train()
        succeeded = taken is not None and taken["data"] != before
        return Transcript(succeeded=succeeded, queries=1, facts={"refused": taken is None})


def _edit(files: dict[str, bytes], rng: Random) -> bytes:
    data = bytearray(files["data"])
    data[rng.randrange(len(data))] ^= 1
    files["data"] = bytes(data)
    return files["data"]


def _crc(files: dict[str, bytes], rng: Random) -> None:
    data = _edit(files, rng)
    files["data.crc32"] = b"%08x\n" % zlib.crc32(data)


def _md5(files: dict[str, bytes], rng: Random) -> None:
    data = _edit(files, rng)
    files["data.md5"] = f"{_md5_of(data)}  data\n".encode()


def _dvc(files: dict[str, bytes], rng: Random) -> None:
    data = _edit(files, rng)
    text = f"outs:\n- md5: {_md5_of(data)}\n  size: {len(data)}\n  hash: md5\n  path: data\n"
    files["data.dvc"] = text.encode()


def _collision(files: dict[str, bytes], rng: Random) -> None:
    del rng
    one, other = COLLIDING
    if not files["data"].startswith(one):
        raise UsageError("only a file that begins with one half of the pair can be exchanged")
    files["data"] = other + files["data"][len(one) :]


def _md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


WAYS: Mapping[str, Callable[[dict[str, bytes], Random], None]] = {
    "crc": _crc,
    "md5": _md5,
    "dvc": _dvc,
    "collision": _collision,
}
"""Ways to make evidence fit; see the class."""
