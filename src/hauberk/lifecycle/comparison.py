"""What changed between two versions of a data set, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hauberk.core.ports import Blobs
from hauberk.lifecycle.datasets import Opened, table_changes
from hauberk.trust.versions.changes import Changes
from hauberk.trust.versions.intake import predecessors
from hauberk.trust.versions.recipes import read
from hauberk.trust.versions.tensors import TensorIndex
from hauberk.trust.versions.versions import File

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChanges:
    """The difference of two versions.

    Attributes:
        tables: Path to what changed in its rows.
        others: Path to what is known of another file that changed.
    """

    old: str
    new: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    tables: Mapping[str, Changes]
    others: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.tables or self.others)

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON."""
        tables = {
            path: {
                **one.summary(),
                "edits": [
                    {"row": e.row, "at": e.at, "column": e.column, "old": e.old, "new": e.new}
                    for e in one.edits
                ],
                "rowsAdded": [moved.at for moved in one.added],
                "rowsRemoved": [moved.at for moved in one.removed],
            }
            for path, one in self.tables.items()
        }
        return {
            "old": self.old,
            "new": self.new,
            "added": list(self.added),
            "removed": list(self.removed),
            "tables": tables,
            "others": dict(self.others),
        }


def compare_versions(old: Opened, new: Opened, *, label: str | None = None) -> VersionChanges:
    """Compare two verified versions; tables by rows, tensor files by tensor.

    Raises:
        TrustError: Stored bytes are others.
    """
    after = {file.path: file for file in new.files}
    before = predecessors(list(after), old.files)
    changed = [
        (before[path], file)
        for path, file in after.items()
        if path in before and before[path].recipe.root != file.recipe.root
    ]
    chosen = label or new.version.label or old.version.label
    tables = {
        b.path: table_changes(a, b, new.store, chosen) for a, b in changed if _are(a, b, "table")
    }
    blobs = new.store.blobs
    others = {b.path: _words(a, b, blobs) for a, b in changed if not _are(a, b, "table")}
    return VersionChanges(
        old=old.version.title,
        new=new.version.title,
        added=tuple(path for path in after if path not in before),
        removed=tuple(path for path in before if path not in after),
        tables=tables,
        others=others,
    )


def _are(one: File, other: File, kind: str) -> bool:
    return one.kind == other.kind == kind


def _words(old: File, new: File, blobs: Blobs) -> str:
    if _are(old, new, "tensors") and old.index and new.index:
        first, second = (
            TensorIndex.from_bytes(b"".join(read(index, blobs))) for index in (old.index, new.index)
        )
        names = first.differences(second)
        rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return "tensors " + ", ".join(map(repr, names[:_SHOWN])) + rest
    return f"{old.size:,} -> {new.size:,} bytes"
