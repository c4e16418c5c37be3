"""Files into the store: every file below a path cut into parts, tables and tensors indexed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, UsageError
from hauberk.trust import manifest
from hauberk.trust.digest import open_regular
from hauberk.trust.manifest import Entry
from hauberk.trust.versions import tables, tensors
from hauberk.trust.versions.recipes import HashedBlobs, Keeper, Part, Recipe
from hauberk.trust.versions.versions import File
from hauberk.trust.walking import places

_NOTHING: Final = Digest("sha256:" + "0" * 64)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What was put into the store.

    Attributes:
        notes: Files whose rows or tensors could not be indexed, with the reason.
    """

    files: tuple[File, ...]
    notes: tuple[tuple[str, str], ...]


def take(
    path: Path,
    blobs: HashedBlobs,
    *,
    old: tuple[File, ...] = (),
    indexed: bool = True,
    by_rows: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> tuple[Taken, Keeper]:
    """Put every file at or below ``path`` into the store; nothing names them yet.

    Args:
        path: A file or a folder.
        old: Files of the version before: what they share is kept once.
        indexed: Whether to index rows and tensors, which reads those files once more.
        by_rows: Whether Parquet may be kept as what changed in its rows, which only the
            version of pyarrow that wrote it reads.
        told: Called with each path before it is read.

    Raises:
        ArtifactError: A link, a special file or an unusable name lies there.
        TrustError: A file changed while it was read.
        UnavailableError: Something cannot be read or written.
    """
    keeper = Keeper(blobs, _known(old))
    found: list[File] = []
    notes: list[tuple[str, str]] = []
    lying = _checked(path)
    before = predecessors([name for name, _ in lying], old)
    try:
        for name, place in lying:
            told(name)
            followed = before.get(name)
            base = None if followed is None else followed.recipe
            with open_regular(place) as descriptor:
                recipe = _kept(descriptor, keeper, base, by_rows=by_rows)
                file, note = _taken(name, place, keeper, followed, recipe, indexed=indexed)
            found.append(file)
            notes += [(name, note)] if note else []
    except BaseException:
        keeper.discard()
        raise
    return Taken(files=tuple(found), notes=tuple(notes)), keeper


def predecessors(names: Sequence[str], old: tuple[File, ...]) -> dict[str, File]:
    """Name to the file of the version before that it follows.

    A file follows the one of its name. Where both versions are one file, it follows that
    one whatever it is called: the next export is often called by another date.
    """
    if len(names) == len(old) == 1:
        return {names[0]: old[0]}
    return {file.path: file for file in old}


def _known(old: tuple[File, ...]) -> Mapping[Digest, Part]:
    recipes = [r for file in old for r in (file.recipe, file.index) if r is not None]
    return {part.digest: part for recipe in recipes for part in recipe.parts}


def _checked(path: Path) -> list[tuple[str, Path]]:
    found = places(path)
    manifest.of_entries(Entry(path=name, digest=_NOTHING, size=0) for name, _ in found)
    if not found:
        raise UsageError(
            "there is nothing to add",
            subject=str(path),
            expected="a file",
            found="no file",
            hint="name the file or folder that holds the data",
        )
    return found


def _kept(descriptor: int, keeper: Keeper, base: Recipe | None, *, by_rows: bool) -> Recipe:
    with io.FileIO(descriptor, closefd=False) as raw:
        if by_rows:
            return keeper.keep_rows(raw, base)
        return keeper.keep(raw, keeper.lasting(base))


def _taken(
    name: str, place: Path, keeper: Keeper, old: File | None, recipe: Recipe, *, indexed: bool
) -> tuple[File, str]:
    if not indexed:
        return File(path=name, recipe=recipe), ""
    if old is not None and old.recipe.root == recipe.root:
        return File(
            path=name, recipe=recipe, kind=old.kind, logical=old.logical, index=old.index
        ), ""
    try:
        return _with_index(name, place, keeper, recipe, old), ""
    except (ArtifactError, UsageError) as error:
        return File(path=name, recipe=recipe), error.message
    except ModuleNotFoundError as error:
        return File(path=name, recipe=recipe), f"{error.name} is not installed"


def _with_index(name: str, place: Path, keeper: Keeper, recipe: Recipe, old: File | None) -> File:
    base = None if old is None else old.index
    if recipe.size and tables.is_table(place):
        from hauberk.formats.tables import open_table

        table = tables.index_of(open_table(place))
        index = keeper.keep(io.BytesIO(table.to_bytes()), base)
        return File(path=name, recipe=recipe, kind="table", logical=table.root, index=index)
    found = tensors.index_of(place)
    if found is None:
        return File(path=name, recipe=recipe)
    index = keeper.keep(io.BytesIO(found.to_bytes()), base)
    return File(path=name, recipe=recipe, kind="tensors", index=index)
