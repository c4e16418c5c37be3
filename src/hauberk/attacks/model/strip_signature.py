"""Change a signed model's folder and get its signature out of the way: see `StripSignature`."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.trust.keys import generate
from hauberk.trust.oms.verification import sign_model


class SignedFolder(Protocol):
    """A model's folder with its signature, and a loader in front of it."""

    @property
    def folder(self) -> Path:
        """Where the model lies."""
        ...

    @property
    def signature(self) -> Path:
        """Where its signature lies."""
        ...

    def load(self) -> bool:
        """Whether the loader takes the folder as it is now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StripSignature(Play[SignedFolder]):
    """Tamper with a signed folder as whoever can write to it, without the signer's key.

    Every way changes what a loader would use: a file is edited, added, removed, exchanged or
    linked elsewhere. Some then remove the signature, empty it, sign anew with a key of their
    own, leave the changed file out of the list, or name MD5 in place of SHA-256.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        CWE-347, "Improper verification of cryptographic signature". CWE-328, "Use of weak
        hash". OpenSSF Model Signing specification 1.0.
    """

    title: ClassVar[str] = "Strip a model of its signature"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-3"),)
    subject: ClassVar[type] = SignedFolder

    way: str | None = None

    def play(self, target: SignedFolder, rng: Random) -> Transcript:
        """Try one way; it succeeds when the loader takes the folder.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        WAYS[way](target, rng)
        return Transcript(succeeded=target.load(), queries=1, facts={"way": way})


def _files(target: SignedFolder) -> list[Path]:
    found = (path for path in target.folder.rglob("*") if path.is_file())
    return sorted(path for path in found if path != target.signature)


def _edit(target: SignedFolder, rng: Random) -> Path:
    victim = rng.choice(_files(target))
    data = bytearray(victim.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    victim.write_bytes(bytes(data))
    return victim


def _no_signature(target: SignedFolder, rng: Random) -> None:
    _edit(target, rng)
    target.signature.unlink()


def _empty_signature(target: SignedFolder, rng: Random) -> None:
    _edit(target, rng)
    _change_bundle(target, lambda bundle: bundle["dsseEnvelope"].update(signatures=[]))


def _unknown_key(target: SignedFolder, rng: Random) -> None:
    _edit(target, rng)
    target.signature.write_bytes(sign_model(target.folder, target.signature, [generate()]))


def _partial(target: SignedFolder, rng: Random) -> None:
    """The list no longer names the edited file."""
    victim = _edit(target, rng)
    name = victim.relative_to(target.folder).as_posix()

    def leave_out(said: Any) -> None:
        kept = [one for one in said["predicate"]["resources"] if one["name"] != name]
        said["predicate"]["resources"] = kept

    _change_statement(target, leave_out)


def _extra(target: SignedFolder, rng: Random) -> None:
    name = rng.choice(("modeling_custom.py", "tokenizer.json", ".hidden", "sub/extra.bin"))
    path = target.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(rng.randbytes(50))


def _edited(target: SignedFolder, rng: Random) -> None:
    _edit(target, rng)


def _removed(target: SignedFolder, rng: Random) -> None:
    rng.choice(_files(target)).unlink()


def _exchanged(target: SignedFolder, rng: Random) -> None:
    one, other = rng.sample(_files(target), 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def _md5(target: SignedFolder, rng: Random) -> None:
    """A list by a weaker hash, which fits the edited files."""
    _edit(target, rng)

    def weaken(said: Any) -> None:
        said["predicate"]["serialization"]["hash_type"] = "md5"
        for one in said["predicate"]["resources"]:
            body = (target.folder / one["name"]).read_bytes()
            one |= {"algorithm": "md5", "digest": hashlib.md5(body).hexdigest()}  # noqa: S324

    _change_statement(target, weaken)


def _change_statement(target: SignedFolder, change: Callable[[Any], None]) -> None:
    def edit(bundle: Any) -> None:
        envelope = bundle["dsseEnvelope"]
        said = json.loads(base64.b64decode(envelope["payload"]))
        change(said)
        envelope["payload"] = base64.b64encode(json.dumps(said).encode()).decode()

    _change_bundle(target, edit)


def _change_bundle(target: SignedFolder, change: Callable[[Any], None]) -> None:
    bundle = json.loads(target.signature.read_bytes())
    change(bundle)
    target.signature.write_text(json.dumps(bundle), "utf-8")


WAYS: Mapping[str, Callable[[SignedFolder, Random], None]] = {
    "no-signature": _no_signature,
    "empty-signature": _empty_signature,
    "unknown-key": _unknown_key,
    "partial": _partial,
    "extra-file": _extra,
    "edited": _edited,
    "removed": _removed,
    "exchanged": _exchanged,
    "md5": _md5,
}
"""Nine ways to tamper; see the class."""
