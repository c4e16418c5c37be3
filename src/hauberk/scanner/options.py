"""What the caller says about the data that a scan meets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hauberk.scanner.narrowing import Narrowing


ROLES = (
    *("label", "annotator", "source", "sensitive", "group", "time", "min_group"),
    *("reference", "control", "transforms"),
)
"""Options that speak of data alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """Roles that content alone does not tell.

    Attributes:
        label: Column to predict.
        annotator: Column that names who labelled a row.
        source: Column that names who contributed a row.
        sensitive: Columns that name a protected group.
        train: Training rows that the scanned table is the test part of, and that scanned texts
            must not show.
        against: An older version that the scanned table is compared with.
        reference: Rows of the same kind that somebody vouches for.
        outputs: Log of a guard, with marks of what its models said.
        control: Real rows that a generator never saw, for a scanned table that was generated.
        transforms: What a step says that it made of ``against``.
        group: Column whose values may stand on one side of a split only.
        time: Column by which all training rows come before the others.
        min_group: Rows that each combination of ``sensitive`` must have; 0 asks nothing.
        arrays: Names of the features and of the labels in npz files.
        history: Whether the history of repositories is read too.
        narrowing: Imports, base commit and baseline, where any is given.
        jobs: Worker processes that read files; 0 reads them in this process.
        digest: Whether the digests of model files are told.
        changes: File that takes every change of rows since ``against``, as JSON lines.
        cache: Whether what is read in code is kept for the next scan, in the user's cache.
    """

    label: str | None = None
    annotator: str | None = None
    source: str | None = None
    sensitive: tuple[str, ...] = ()
    train: Path | None = None
    against: Path | None = None
    reference: Path | None = None
    outputs: Path | None = None
    control: Path | None = None
    transforms: Path | None = None
    group: str | None = None
    time: str | None = None
    min_group: int = 0
    arrays: tuple[str, str] = ("X", "y")
    history: bool = True
    narrowing: Narrowing | None = None
    jobs: int = 0
    digest: bool = False
    cache: bool = False
    changes: Path | None = None

    def has_roles(self) -> bool:
        """Whether the caller speaks of data: a column by its role, or rows beside the scanned."""
        return any(getattr(self, name) for name in ROLES)
