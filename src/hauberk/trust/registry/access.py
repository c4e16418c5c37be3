"""How somebody comes to believe a registry: which root of trust speaks of it.

1. A root that the caller names counts as pinned.
2. Else the pinned root of the model that is asked for, if it names a registry.
3. Else a pinned root that names a registry at this very location.
4. Else the registry's own first root, on first use: it is remembered, so that a later exchange
   is refused, and nothing reaches production on its strength.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import HauberkError, UnavailableError, UsageError
from hauberk.trust import root as roots
from hauberk.trust.registry.anchor import Anchor, FileMemory, Memory, anchor_document, read_anchor
from hauberk.trust.registry.client import MAX_ROOT_BYTES, Client, peek, root_digest
from hauberk.trust.registry.shelf import Place
from hauberk.trust.registry.view import Trust, View

if TYPE_CHECKING:
    from hauberk.trust.root import Root

_FIRST_USE = ".first-use.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A registry with what is believed of it.

    Attributes:
        root: The root of trust that names it; ``None`` on first use.
    """

    place: Place
    trust: Trust
    memory: Memory
    root: Root | None
    clock: Callable[[], float]

    def view(self) -> View:
        """The registry's verified state now."""
        return Client(
            place=self.place, trust=self.trust, memory=self.memory, clock=self.clock
        ).refresh()


def open_access(
    place: Place,
    config: Path,
    *,
    clock: Callable[[], float],
    root_file: Path | None = None,
    model: str | None = None,
) -> Access:
    """Find out what is believed of a registry, by the four rules above.

    Raises:
        UsageError: The root that the caller names says nothing of a registry.
        TrustError: Others may write a root.
        UnavailableError: There is no registry.
    """
    root = _speaking(place, config, root_file, model)
    if root is not None and root.registry is not None:
        trust = Trust(
            anchor=root.registry,
            is_pinned=root.state is roots.Pin.PINNED,
            release_floor=root.release_floor,
        )
    else:
        trust = Trust(anchor=_first_use(place, config), is_pinned=False)
    return Access(
        place=place,
        trust=trust,
        memory=FileMemory(config, trust.anchor.name),
        root=root,
        clock=clock,
    )


def location_of(config: Path, model: str | None, root_file: Path | None) -> str | None:
    """Where the root of trust says that the registry is, if it does."""
    if root_file is not None:
        registry = roots.load(root_file).registry
    elif model is not None and (path := config / "roots" / f"{model}.json").is_file():
        registry = roots.load(path).registry
    else:
        return None
    return registry.location or None if registry else None


def _speaking(place: Place, config: Path, root_file: Path | None, model: str | None) -> Root | None:
    if root_file is not None:
        named = replace(roots.load(root_file), state=roots.Pin.PINNED)
        if named.registry is None:
            raise UsageError(
                "this root of trust says nothing of a registry",
                subject=str(root_file),
                expected="a root with a registry",
                found="none",
                hint="make one where the registry was made: hauberk root show NAME --out FILE",
            )
        return named
    own = config / "roots" / f"{model}.json"
    if model is not None and own.is_file():
        found = roots.load(own)
        if found.registry is not None:
            return found
    return next(_at(place.location, config), None)


def _at(location: str, config: Path) -> Iterator[Root]:
    for path in sorted((config / "roots").glob("*.json")):
        try:
            root = roots.load(path)
        except HauberkError:
            continue  # it speaks of something else, and whoever asks for that is told
        if root.registry is not None and root.registry.location == location:
            yield root


def _first_use(place: Place, config: Path) -> Anchor:
    first = place.files.get("metadata/1.root.json")
    if first is None or len(first.value) > MAX_ROOT_BYTES:
        raise UnavailableError(
            "there is no registry",
            subject=place.location,
            expected="metadata/1.root.json",
            found="nothing" if first is None else f"{len(first.value)} bytes",
            hint="look at the address, or make one with hauberk registry init",
        )
    name = peek(first.value)
    path = config / "registries" / f"{name}{_FIRST_USE}"
    if path.is_file():
        from hauberk.trust.canonical import parse_json
        from hauberk.trust.fields import Fields

        return read_anchor(Fields.of(parse_json(path.read_bytes()), str(path)))
    anchor = Anchor(name=name, version=1, root=root_digest(first.value), location=place.location)
    _remember(path, anchor)
    return anchor


def _remember(path: Path, anchor: Anchor) -> None:
    from hauberk.trust.canonical import canonical_json
    from hauberk.trust.private_files import make_folder, write

    make_folder(path.parent)
    write(path, canonical_json(anchor_document(anchor)), 0o600)
