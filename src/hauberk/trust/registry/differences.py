"""What a draft changes, in lines for the person who is asked to sign it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hauberk.trust.fields import time_text
from hauberk.trust.keys import KeyId, Label
from hauberk.trust.registry.documents import Pointing, read_pointing
from hauberk.trust.registry.metadata import OURS, persons_of

if TYPE_CHECKING:
    from hauberk.trust.registry.registrar import Registrar


def differences(registrar: Registrar, old: Any, new: Any) -> Iterator[str]:
    """One line for each thing that ``new`` says differently from ``old``.

    Whatever has no line of its own is named as "something else", never left out.
    """
    said = [*_keys(old, new), *_targets(registrar, old, new), *_rules(old, new)]
    yield from said
    if not said and _plain(old) != _plain(new):
        yield "something else: look at the draft before you sign it"


def _plain(signed: Any) -> Any:
    value = signed.to_dict()
    return {key: value[key] for key in value if key not in ("version", "expires")}


def _keys(old: Any, new: Any) -> Iterator[str]:
    labels = {**persons_of(old), **persons_of(new)}
    before, after = _roles(old), _roles(new)
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        held, holds = set(was.keyids if was else ()), set(now.keyids if now else ())
        for key in sorted(holds - held):
            yield f"{name}: counts the key of {_who(key, labels)} from now on"
        for key in sorted(held - holds):
            yield f"{name}: no longer counts the key of {_who(key, labels)}"
        if was and now and was.threshold != now.threshold:
            yield f"{name}: needs {now.threshold} signatures, not {was.threshold}"
        if _paths(was) != _paths(now):
            yield f"{name}: answers for {_paths(now)}, not {_paths(was)}"


def _roles(signed: Any) -> dict[str, Any]:
    if hasattr(signed, "roles"):
        return dict(signed.roles)
    delegations = signed.delegations
    if delegations is None:
        return {}
    if delegations.succinct_roles is not None:
        return {"its files": delegations.succinct_roles}
    return dict(delegations.roles or {})


def _paths(role: Any) -> str:
    return ", ".join(getattr(role, "paths", None) or ()) or "nothing"


def _who(key: str, labels: dict[KeyId, Label]) -> str:
    label = labels.get(KeyId(key))
    if label is None:
        return f"nobody named ({key[:16]})"
    return f"{label.custodian} on machine {label.machine} ({key[:16]})"


def _targets(registrar: Registrar, old: Any, new: Any) -> Iterator[str]:
    before, after = getattr(old, "targets", {}), getattr(new, "targets", {})
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            yield f"{path}: removed"
        elif before.get(path) != after[path]:
            yield f"{path}: {_document(registrar, path, after[path])}"


def _document(registrar: Registrar, path: str, target: Any) -> str:
    if not path.startswith("channels/"):
        return f"new content {target.hashes.get('sha256', '')[:16]}"
    return pointing_text(read_pointing(registrar.drafted_document(target)))


def pointing_text(found: Pointing) -> str:
    """A channel's statement in one line."""
    until = f" until {time_text(found.expires)}: {found.reason}" if found.expires else ""
    return f"{found.move.value} of {found.model} {found.version} to {found.channel}{until}"


def _rules(old: Any, new: Any) -> Iterator[str]:
    before, after = old.unrecognized_fields.get(OURS), new.unrecognized_fields.get(OURS)
    if not isinstance(before, dict) or not isinstance(after, dict):
        if before != after:
            yield "hauberk: something else than before"
        return
    for key in sorted((before.keys() | after.keys()) - {"persons"}):
        if before.get(key) != after.get(key):
            yield f"{key}: {after.get(key)}, not {before.get(key)}"
