"""Deploy what nobody in force has signed: see `SignWithoutRight`."""

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
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.keys import KeyPair, generate
from hauberk.trust.registry.metadata import parse, sign, spell

Answers = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignWithoutRight(Transform[RegistryEntry]):
    """Serve a deployment whose signatures are missing, or by keys that do not count.

    The attacker writes to the store and may hold a key: a stranger's, a revoked one, or one of
    another role. The metadata of the channel, of the versions, or the release itself is exchanged.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.
        key: The key that the attacker holds; a new one where none is given.

    References:
        MITRE ATLAS AML.T0010.003. CWE-347, "Improper verification of cryptographic signature".
    """

    title: ClassVar[str] = "Deploy without a signature that counts"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-13"), ThreatId("EX-3"))
    subject: ClassVar[type] = RegistryEntry

    way: str | None = None
    key: KeyPair | None = None

    def apply(self, subject: RegistryEntry, rng: Random) -> Attacked[RegistryEntry]:
        """The registry with the deployment exchanged.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        answers = WAYS[way](subject, self.key or generate(), rng)

        def read(path: str) -> bytes:
            return answers[path] if path in answers else subject.read(path)

        return Attacked(subject=replace(subject, read=read), truth={"way": way})


def _metadata(subject: RegistryEntry, role: str) -> tuple[str, Any]:
    timestamp = json.loads(subject.read("metadata/timestamp.json"))["signed"]
    version = timestamp["meta"]["snapshot.json"]["version"]
    snapshot = json.loads(subject.read(f"metadata/{version}.snapshot.json"))["signed"]
    name = f"metadata/{snapshot['meta'][f'{role}.json']['version']}.{role}.json"
    return name, parse(subject.read(name), role)


def _forged_target(subject: RegistryEntry, metadata: Any, path: str, data: bytes) -> Answers:
    """Let metadata name another document for a path, and serve that too."""
    from tuf.api.metadata import TargetFile

    target = TargetFile.from_data(path, data, ["sha256"])
    metadata.signed.targets[path] = target
    folder, _, name = path.rpartition("/")
    del subject
    return {f"targets/{folder}/{target.hashes['sha256']}.{name}": data}


def _document(subject: RegistryEntry, metadata: Any, path: str) -> Any:
    folder, _, name = path.rpartition("/")
    digest = metadata.signed.targets[path].hashes["sha256"]
    return json.loads(subject.read(f"targets/{folder}/{digest}.{name}"))


def _pointed(subject: RegistryEntry) -> tuple[str, Any, Any]:
    """The channel's metadata, and its statement moved to the newest version."""
    channel = str(subject.channel)
    name, metadata = _metadata(subject, channel)
    said = _document(subject, metadata, f"channels/{subject.name}/{channel}.json")
    _, models = _metadata(subject, "models")
    prefix = f"models/{subject.name}/"
    versions = sorted(path for path in models.signed.targets if path.startswith(prefix))
    newest = versions[-1]
    sequence = _document(subject, models, newest)["sequence"]
    said |= {
        "version": newest.removeprefix(prefix).removesuffix(".json"),
        "manifest": f"sha256:{models.signed.targets[newest].hashes['sha256']}",
        "sequence": sequence,
        "highest": sequence,
        "number": said["number"] + 1,
    }
    return name, metadata, said


def _moved(signers: Callable[[KeyPair], list[KeyPair]]) -> Any:
    def forge(subject: RegistryEntry, key: KeyPair, rng: Random) -> Answers:
        del rng
        name, metadata, said = _pointed(subject)
        path = f"channels/{subject.name}/{subject.channel}.json"
        answers = _forged_target(subject, metadata, path, canonical_json(said))
        metadata.signatures.clear()
        sign(metadata, signers(key))
        return {**answers, name: spell(metadata)}

    return forge


def _bare_metadata(subject: RegistryEntry, key: KeyPair, rng: Random) -> Answers:
    """Genuine metadata with its signatures stripped."""
    del key
    name, metadata = _metadata(subject, rng.choice(("models", "production", "targets")))
    metadata.signatures.clear()
    return {name: spell(metadata)}


def _reversioned(subject: RegistryEntry, metadata: Any, change: Callable[[Any], None]) -> Answers:
    """A changed manifest of the channel's version, in the models' metadata."""
    _, channel = _metadata(subject, str(subject.channel))
    said = _document(subject, channel, f"channels/{subject.name}/{subject.channel}.json")
    path = f"models/{subject.name}/{said['version']}.json"
    manifest = _document(subject, metadata, path)
    change(manifest)
    return _forged_target(subject, metadata, path, canonical_json(manifest))


def _upload(subject: RegistryEntry, key: KeyPair, rng: Random) -> Answers:
    """A manifest with other weights, signed by a key that has no such role."""
    body = rng.randbytes(64)
    name, metadata = _metadata(subject, "models")

    def change(manifest: Any) -> None:
        held = manifest["files"][manifest["entry"]]
        held |= {"digest": digest_bytes(body), "bytes": len(body)}

    answers = _reversioned(subject, metadata, change)
    metadata.signatures.clear()
    sign(metadata, [key])
    return {**answers, name: spell(metadata), f"blobs/{digest_bytes(body)}": body}


def _release(change: Callable[[Any, KeyPair], Any]) -> Any:
    """The release's envelope exchanged where it lies."""

    def forge(subject: RegistryEntry, key: KeyPair, rng: Random) -> Answers:
        del rng
        _, models = _metadata(subject, "models")
        _, channel = _metadata(subject, str(subject.channel))
        said = _document(subject, channel, f"channels/{subject.name}/{subject.channel}.json")
        manifest = _document(subject, models, f"models/{subject.name}/{said['version']}.json")
        blob = f"blobs/{manifest['release']}"
        return {blob: change(json.loads(subject.read(blob)), key)}

    return forge


def _unsigned_envelope(outer: Any, key: KeyPair) -> bytes:
    del key
    return json.dumps({**outer, "signatures": []}).encode()


def _resigned_envelope(outer: Any, key: KeyPair) -> bytes:
    payload = base64.b64decode(outer["payload"])
    return dsse.sign(payload, outer["payloadType"], [key]).to_bytes()


WAYS: Mapping[str, Callable[[RegistryEntry, KeyPair, Random], Answers]] = {
    "unsigned-channel": _moved(lambda _: []),
    "unsigned-metadata": _bare_metadata,
    "unsigned-release": _release(_unsigned_envelope),
    "channel-by-key": _moved(lambda key: [key]),
    "upload-by-key": _upload,
    "release-by-key": _release(_resigned_envelope),
}
"""Ways to deploy without a signature that counts; see the class."""
