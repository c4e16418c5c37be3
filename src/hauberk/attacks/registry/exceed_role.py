"""Do to a registry what a role may not: see `ExceedRole`."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UnavailableError, UsageError
from hauberk.trust.canonical import canonical_json
from hauberk.trust.keys import KeyPair, generate
from hauberk.trust.registry.metadata import parse, sign, spell, tuf_key


class Registry(Protocol):
    """A registry whose store is open, seen by somebody with the keys of one role."""

    model: str

    @property
    def hands(self) -> tuple[KeyPair, ...]:
        """The keys at hand."""
        ...

    def read(self, name: str) -> bytes:
        """A file."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """A file, whatever was there."""

    def changed(self, action: str) -> bool:
        """Whether a client now sees what the action is after."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceedRole(Play[Registry]):
    """Change the registry by hand, with whatever keys one role has, past every courtesy.

    The metadata that the action needs is written and signed with all keys at hand, and a
    snapshot and a timestamp are made for it in the same way.

    Args:
        action: Which of `ACTIONS`; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0012, "Valid accounts". CWE-285, "Improper authorization".
    """

    title: ClassVar[str] = "Exceed a role"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RG-2"), ThreatId("XC-1"))
    subject: ClassVar[type] = Registry

    action: str | None = None

    def play(self, target: Registry, rng: Random) -> Transcript:
        """Try one action; it succeeds when a client sees its effect.

        Raises:
            UsageError: There is no such action.
        """
        action = self.action or rng.choice(tuple(ACTIONS))
        if action not in ACTIONS:
            raise UsageError(f"there is no action {action!r}", expected=" ".join(ACTIONS))
        edits = ACTIONS[action](target)
        _publish(target, edits, action)
        return Transcript(succeeded=target.changed(action), queries=1, facts={"action": action})


Edits = dict[str, Any]


def _state(target: Registry) -> tuple[Any, Any]:
    timestamp = parse(target.read("metadata/timestamp.json"), "timestamp")
    version = timestamp.signed.snapshot_meta.version
    return timestamp, parse(target.read(f"metadata/{version}.snapshot.json"), "snapshot")


def _role(target: Registry, role: str) -> Any:
    from tuf.api.metadata import Metadata, Targets

    _, snapshot = _state(target)
    meta = snapshot.signed.meta.get(f"{role}.json")
    if meta is None:
        named = dict(snapshot.signed.unrecognized_fields)
        return Metadata(Targets(expires=snapshot.signed.expires, unrecognized_fields=named))
    found = parse(target.read(f"metadata/{meta.version}.{role}.json"), role)
    found.signed.version += 1
    found.signatures.clear()
    return found


def _publish(target: Registry, edits: Edits, action: str) -> None:
    from tuf.api.metadata import MetaFile

    timestamp, snapshot = _state(target)
    for role, metadata in edits.items():
        metadata.signatures.clear()
        sign(metadata, target.hands)
        target.write(f"metadata/{metadata.signed.version}.{role}.json", spell(metadata))
        if role != "root":
            snapshot.signed.meta[f"{role}.json"] = MetaFile(version=metadata.signed.version)
    if action != "timestamp":
        snapshot.signed.version += 1
        snapshot.signatures.clear()
        sign(snapshot, target.hands)
        data = spell(snapshot)
        target.write(f"metadata/{snapshot.signed.version}.snapshot.json", data)
        meta = MetaFile.from_data(snapshot.signed.version, data, ["sha256"])
        timestamp.signed.snapshot_meta = meta
    timestamp.signed.version += 1
    timestamp.signatures.clear()
    sign(timestamp, target.hands)
    target.write("metadata/timestamp.json", spell(timestamp))


def _name(target: Registry, metadata: Any, path: str, data: bytes) -> None:
    from tuf.api.metadata import TargetFile

    named = TargetFile.from_data(path, data, ["sha256"])
    metadata.signed.targets[path] = named
    folder, _, name = path.rpartition("/")
    target.write(f"targets/{folder}/{named.hashes['sha256']}.{name}", data)


def _document(target: Registry, role: str, path: str) -> Any:
    found = _role(target, role).signed.targets[path]
    folder, _, name = path.rpartition("/")
    return json.loads(target.read(f"targets/{folder}/{found.hashes['sha256']}.{name}"))


def _manifest(target: Registry, version: str) -> tuple[str, Any]:
    path = f"models/{target.model}/{version}.json"
    return path, _document(target, "models", path)


def _published(target: Registry, version: str) -> Edits:
    models = _role(target, "models")
    _, manifest = _manifest(target, "2")
    manifest |= {"version": version, "sequence": 9}
    _name(target, models, f"models/{target.model}/{version}.json", canonical_json(manifest))
    return {"models": models}


def _publish_version(target: Registry) -> Edits:
    return _published(target, "9")


def _overwrite_version(target: Registry) -> Edits:
    models = _role(target, "models")
    path, manifest = _manifest(target, "1")
    _name(target, models, path, canonical_json({**manifest, "created": "2001-01-01T00:00:00.000Z"}))
    return {"models": models}


def _delete_version(target: Registry) -> Edits:
    models = _role(target, "models")
    del models.signed.targets[f"models/{target.model}/1.json"]
    return {"models": models}


def _pointed(target: Registry, channel: str, **said: Any) -> Edits:
    metadata = _role(target, channel)
    path = f"channels/{target.model}/{channel}.json"
    before = _document(target, channel, path)
    version = str(said.get("version", "2"))
    _, manifest = _manifest(target, version)
    named = _role(target, "models").signed.targets[f"models/{target.model}/{version}.json"]
    document = {
        **before,
        "version": version,
        "sequence": manifest["sequence"],
        "highest": manifest["sequence"],
        "manifest": f"sha256:{named.hashes['sha256']}",
        "number": before["number"] + 1,
        **said,
    }
    _name(target, metadata, path, canonical_json(document))
    return {channel: metadata}


def _stage(target: Registry) -> Edits:
    return _pointed(target, "staging", version="1", highest=1)


def _promote(target: Registry) -> Edits:
    return _pointed(target, "production")


def _roll_back(target: Registry) -> Edits:
    return _pointed(
        target,
        "production",
        version="1",
        move="rollback",
        highest=8,
        expires="2030-01-01T00:00:00.000Z",
        reason="none",
    )


def _retire(target: Registry) -> Edits:
    retired = _role(target, "retired")
    _, manifest = _manifest(target, "2")
    document = {
        "format": "urn:hauberk:registry:retired:v1",
        "model": target.model,
        "versions": [
            {
                "digest": manifest["files"][manifest["entry"]]["digest"],
                "made": "2026-01-01T00:00:00.000Z",
                "reason": "denial",
                "version": "2",
            }
        ],
    }
    _name(target, retired, f"retired/{target.model}.json", canonical_json(document))
    return {"retired": retired}


def _revive(target: Registry) -> Edits:
    retired = _role(target, "retired")
    retired.signed.targets.clear()
    return {"retired": retired}


def _grant(target: Registry) -> Edits:
    targets = _role(target, "targets")
    new = generate().public
    targets.signed.add_key(tuf_key(new), "production")
    targets.signed.unrecognized_fields["hauberk"]["persons"][new.key_id] = {
        "custodian": "mallory",
        "machine": "m-mallory",
    }
    return {"targets": targets}


def _revoke(target: Registry) -> Edits:
    targets = _role(target, "targets")
    key = targets.signed.delegations.roles["retired"].keyids[-1]
    targets.signed.revoke_key(key, "retired")
    return {"targets": targets}


def _lower_threshold(target: Registry) -> Edits:
    targets = _role(target, "targets")
    targets.signed.delegations.roles["production"].threshold = 1
    return {"targets": targets}


def _rotate_root(target: Registry) -> Edits:
    version = 1
    while True:
        try:
            data = target.read(f"metadata/{version}.root.json")
        except UnavailableError:
            break
        root, version = parse(data, "root"), version + 1
    changed = copy.deepcopy(root)
    changed.signed.version += 1
    changed.signed.unrecognized_fields["hauberk"]["persons_for_production"] = 1
    return {"root": changed}


def _snapshot(target: Registry) -> Edits:
    del target
    return {}


ACTIONS: Mapping[str, Callable[[Registry], Edits]] = {
    "publish": _publish_version,
    "overwrite": _overwrite_version,
    "delete": _delete_version,
    "stage": _stage,
    "promote": _promote,
    "roll-back": _roll_back,
    "retire": _retire,
    "revive": _revive,
    "grant": _grant,
    "revoke": _revoke,
    "lower-threshold": _lower_threshold,
    "rotate-root": _rotate_root,
    "snapshot": _snapshot,
    "timestamp": _snapshot,
}
"""What can be done to a registry."""
