"""Attach a good origin to a model that has another one: see `SpoofProvenance`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import RegistryEntry
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.trust import dsse
from hauberk.trust.digest import digest_bytes
from hauberk.trust.keys import KeyPair, PublicKey

Answers = dict[str, bytes]
Forge = Callable[["_Store"], Answers]

EVIL = b"a model that came from elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoofProvenance(Transform[RegistryEntry]):
    """Serve a foreign artifact, or a genuine one of false origin, behind honest-looking papers.

    The attacker writes to the store and holds one key; with the key that signs steps, papers
    of every step can be made that verify one by one.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.
        key: The one signing key that the attacker holds; a key of the attacker's own where
            none is given.

    References:
        SLSA 1.0, "Threats and mitigations" (D to G); MITRE ATLAS AML.T0010.003; Torres-Arias
        et al. 2019, in-toto: providing farm-to-table guarantees for bits and bytes.
    """

    title: ClassVar[str] = "Spoof where a model comes from"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MS-2"),)
    subject: ClassVar[type] = RegistryEntry

    way: str | None = None
    key: KeyPair | None = None

    def apply(self, subject: RegistryEntry, rng: Random) -> Attacked[RegistryEntry]:
        """The registry with spoofed papers.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        answers = WAYS[way](_Store(subject, self.key or _key(rng), rng))

        def read(path: str) -> bytes:
            return answers[path] if path in answers else subject.read(path)

        return Attacked(subject=replace(subject, read=read), truth={"way": way})


class _Store:
    """What the attacker reads and makes."""

    def __init__(self, subject: RegistryEntry, key: KeyPair, rng: Random) -> None:
        self.subject = subject
        self.key = key
        self.own = _key(rng)
        self.release = _said(subject.read("release"))
        self.index: list[str] = json.loads(subject.read("statements"))
        self.papers = [_said(subject.read(f"blobs/{item}")) for item in self.index]

    def model(self) -> tuple[str, str]:
        """Name and digest of the released model."""
        name = self.release["predicate"]["model"]
        return name, f"sha256:{_subject_of(self.release, name)['digest']['sha256']}"

    def place_of(self, name: str) -> int:
        """Which paper makes the file of that name."""
        for place, said in enumerate(self.papers):
            if any(one["name"] == name for one in said["subject"]):
                return place
        return len(self.papers) - 1

    def signed(self, said: Any, key: KeyPair | None = None) -> bytes:
        """A statement in an envelope signed with the key at hand."""
        payload = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        return dsse.sign(payload, "application/vnd.in-toto+json", [key or self.key]).to_bytes()

    def with_paper(self, place: int, envelope: bytes) -> Answers:
        """The index with one paper exchanged."""
        digest = digest_bytes(envelope)
        index = [*self.index[:place], digest, *self.index[place + 1 :]]
        return {"statements": json.dumps(index).encode(), f"blobs/{digest}": envelope}


def _key(rng: Random) -> KeyPair:
    """A key of the attacker's own."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
    der = serialization.Encoding.DER
    return KeyPair(
        pkcs8=private.private_bytes(
            der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        public=PublicKey(
            spki=private.public_key().public_bytes(
                der, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ),
    )


def _said(envelope: bytes) -> Any:
    return json.loads(base64.b64decode(json.loads(envelope)["payload"]))


def _subject_of(said: Any, name: str) -> Any:
    return next((one for one in said["subject"] if one["name"] == name), said["subject"][0])


def _foreign_bytes(store: _Store) -> Answers:
    """All papers stay; the bytes under the model's digest are others."""
    return {f"blobs/{store.model()[1]}": EVIL}


def _relabelled(store: _Store) -> Answers:
    """The training step's paper, signed again, says that it made the foreign model."""
    name, _ = store.model()
    place = store.place_of(name)
    said = store.papers[place]
    digest = digest_bytes(EVIL)
    _subject_of(said, name)["digest"] = {"sha256": digest.removeprefix("sha256:")}
    return {**store.with_paper(place, store.signed(said)), f"blobs/{digest}": EVIL}


def _relabelled_throughout(store: _Store) -> Answers:
    """Paper and release name the foreign model, both signed with the one key."""
    answers = _relabelled(store)
    digest = digest_bytes(EVIL).removeprefix("sha256:")
    _subject_of(store.release, store.model()[0])["digest"] = {"sha256": digest}
    index = json.loads(answers["statements"])
    named = store.release["predicate"].get("steps", [])
    for item, spelt in zip(named, index, strict=False):
        payload = base64.b64decode(
            json.loads(answers.get(f"blobs/{spelt}") or store.subject.read(f"blobs/{spelt}"))[
                "payload"
            ]
        )
        if isinstance(item, dict):
            item["digest"] = digest_bytes(payload)
    return {**answers, "release": store.signed(store.release)}


def _other_data(store: _Store) -> Answers:
    """The first step's paper claims better data than were landed."""
    said = store.papers[0]
    said["subject"][0]["digest"] = {"sha256": digest_bytes(b"data v3")[7:]}
    return store.with_paper(0, store.signed(said))


def _other_commit(store: _Store) -> Answers:
    """A step's paper claims another run and code than those that made it."""
    said = json.loads(json.dumps(store.papers[-1]).replace("run-", "commit-"))
    return store.with_paper(len(store.papers) - 1, store.signed(said))


def _replayed(store: _Store) -> Answers:
    """A genuine paper of an older release stands in for this one's."""
    older = json.loads(store.subject.read("others/older/statements"))
    place = store.place_of(store.model()[0])
    index = [*store.index[:place], older[place], *store.index[place + 1 :]]
    return {"statements": json.dumps(index).encode()}


def _foreign_papers(store: _Store) -> Answers:
    """Genuine papers of another project, under this project's release."""
    return {"statements": store.subject.read("others/foreign/statements")}


def _own_builder(store: _Store) -> Answers:
    """Every paper is signed by a builder of the attacker's own making."""
    envelopes = [store.signed(said, store.own) for said in store.papers]
    digests = [digest_bytes(envelope) for envelope in envelopes]
    blobs = {f"blobs/{d}": e for d, e in zip(digests, envelopes, strict=True)}
    return {"statements": json.dumps(digests).encode(), **blobs}


def _unsigned(store: _Store) -> Answers:
    """The paper that is in the way loses its signatures."""
    place = store.place_of(store.model()[0])
    outer = json.loads(store.subject.read(f"blobs/{store.index[place]}"))
    return store.with_paper(place, json.dumps({**outer, "signatures": []}).encode())


def _inserted(store: _Store) -> Answers:
    """One more step, that nobody released, stands in the chain."""
    said = json.loads(json.dumps(store.papers[-1]).replace("validation", "retouch"))
    envelope = store.signed(said)
    digest = digest_bytes(envelope)
    return {"statements": json.dumps([*store.index, digest]).encode(), f"blobs/{digest}": envelope}


WAYS: Mapping[str, Forge] = {
    "foreign-bytes": _foreign_bytes,
    "relabelled-step": _relabelled,
    "relabelled-throughout": _relabelled_throughout,
    "other-data": _other_data,
    "other-commit": _other_commit,
    "replayed": _replayed,
    "foreign-papers": _foreign_papers,
    "own-builder": _own_builder,
    "unsigned": _unsigned,
    "inserted-step": _inserted,
}
"""Ways to spoof; each changes what a client that believes papers one by one gets."""
