"""A data set over its versions, opened from the store for controls to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hauberk.core.artifact import Dataset, History
from hauberk.errors import UsageError
from hauberk.lifecycle.datasets import Opened, Place, open_version, split_name
from hauberk.trust.versions.recipes import read
from hauberk.trust.versions.versions import File

MAX_VERSIONS = 200
"""Newest versions that are compared; the first one always is."""


@contextmanager
def opened_history(
    place: Place, text: str, *, label: str | None = None, file: str | None = None
) -> Iterator[History]:
    """The table of a data set in every version up to ``text``, verified.

    Args:
        label: Column to predict; the one that the newest version records where not given.
        file: Path of the table inside the versions, where there are several.

    Raises:
        TrustError: A promise is broken.
        UsageError: There is no such data set, table or column.
    """
    newest = open_version(place, text)
    name, _ = split_name(text)
    chosen = label or newest.version.label
    lineage = [v for v in newest.found.lineage if v.number <= newest.version.number]
    kept = lineage[:1] + lineage[1:][-MAX_VERSIONS:]
    with newest.store.scratch("history-") as folder:
        tables = [
            _landed(open_version(place, f"{name}@{version.number}"), folder, file, chosen)
            for version in kept
        ]
        yield History(versions=tuple(tables))


def _landed(opened: Opened, folder: Path, file: str | None, label: str | None) -> Dataset:
    from hauberk.formats.tables import open_table

    table = _table(opened, file)
    path = folder / f"v{opened.version.number}{Path(table.path).suffix}"
    with path.open("wb") as target:
        target.writelines(read(table.recipe, opened.store.blobs, subject=table.path))
    return replace(open_table(path, label=label), name=opened.version.title)


def _table(opened: Opened, file: str | None) -> File:
    tables = [one for one in opened.files if one.kind == "table" and file in (None, one.path)]
    if len(tables) == 1:
        return tables[0]
    raise UsageError(
        "a history is about one table",
        subject=opened.version.title,
        expected="one table, or --file with its path" if file is None else f"a table {file}",
        found=", ".join(one.path for one in tables[:10]) or "none",
    )
