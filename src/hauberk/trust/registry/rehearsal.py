"""A dry run: a deed is done as it would be, on a copy of which nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hauberk.core.ports import Pointer
from hauberk.trust.digest import digest_bytes
from hauberk.trust.registry.differences import differences
from hauberk.trust.registry.metadata import parse

if TYPE_CHECKING:
    from hauberk.core.ports import Pointers
    from hauberk.trust.registry.registrar import Registrar


class Overlay:
    """Names over others that are only read; what is written stays here.

    Args:
        base: What lies below.
    """

    def __init__(self, base: Pointers) -> None:
        self._base = base
        self.written: dict[str, bytes | None] = {}

    def get(self, name: str) -> Pointer | None:
        """The value, as this overlay has it."""
        if name not in self.written:
            return self._base.get(name)
        value = self.written[name]
        return None if value is None else Pointer(value=value, tag=digest_bytes(value))

    def swap(self, name: str, value: bytes | None, *, expect: str | None) -> str | None:
        """Write here; nobody else does, so that nothing can have changed."""
        del expect
        self.written[name] = value
        return None if value is None else digest_bytes(value)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Names of both."""
        gone = {name for name, value in self.written.items() if value is None}
        names = {*self._base.list(prefix), *(n for n in self.written if n.startswith(prefix))}
        yield from sorted(names - gone)


def rehearse(registrar: Registrar) -> Registrar:
    """The same writer on an overlay."""
    place = replace(registrar.place, files=Overlay(registrar.place.files))
    return replace(registrar, place=place)


def rehearsed(registrar: Registrar) -> Iterator[str]:
    """What a rehearsed deed would have changed, one line each."""
    overlay = registrar.place.files
    if not isinstance(overlay, Overlay):
        return
    for name, value in sorted(overlay.written.items()):
        folder, _, file = name.partition("/")
        role = file.removesuffix(".json").partition(".")[2] if folder == "metadata" else file[:-5]
        if value is None or folder not in ("metadata", "drafts") or role in ("", "snapshot"):
            continue
        yield from (f"{role}: {line}" for line in _changes(registrar, role, value))


def _changes(registrar: Registrar, role: str, value: bytes) -> Iterator[str]:
    new: Any = parse(value, role).signed
    view = registrar.view
    delegator = "root" if role == "targets" else "targets"
    old: Any = view.trusted.root if role == "root" else view.role(role, delegator)
    if old is None:
        yield "its first metadata"
    else:
        yield from differences(registrar, old, new)
