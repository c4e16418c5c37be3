"""Weights and data sets that a repository carries: see `ExposedWeights`."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar

from hauberk.core.artifact import CodeTree
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import HauberkError, UnavailableError

MAX_FILES = 100_000

MAX_OF_FOLDER = 3
"""Up to so many files of a folder have a finding each; beyond, they share one."""

_REMEDY = (
    "Keep weights and data in a store with access rules, refer to them by digest, and rewrite "
    "the history that carried them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedWeights(Check[CodeTree]):
    """Weights of models and data sets in the files and the history of a git repository.

    Who clones a repository has them. Files are told by content, not by name: formats of models,
    tables in Parquet or Arrow, archives that hold such, pointers of Git LFS, and bytes without a
    format whose layout is that of floating point numbers, which is what parts of a split file
    look like. Blobs that only the history holds are looked at in the same way.

    Limits:
        Files below 16 KiB are taken for fixtures. Text tables are not told from other text.
        Encrypted and quantised bytes have no rhythm. A folder without a repository is not
        exposed by being one, and is not looked at.

    Args:
        max_listed: Findings told of one repository.

    References:
        MITRE ATLAS AML.T0035 and AML.T0048.004; OWASP ML05.
    """

    title: ClassVar[str] = "Weights or data sets in a repository"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-6"),)
    subject: ClassVar[type] = CodeTree

    max_listed: int = 200

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """A finding for a person for each file, by path; then those of the history.

        Raises:
            NotApplicable: The folder is no git repository.
            UnavailableError: Git cannot be asked.
        """
        if subject.history is None:
            raise NotApplicable("the folder is no git repository, so nothing is exposed by it")
        found = chain(_present(subject.root), _past(subject.root))
        folders: dict[str, list[tuple[str, str, int]]] = {}
        for place, what, size in islice(found, self.max_listed):
            folders.setdefault(place.rpartition("/")[0].rpartition(":")[2], []).append(
                (place, what, size)
            )
        for listed in folders.values():
            if len(listed) > MAX_OF_FOLDER:
                yield _all_of(listed)
            else:
                yield from (_one_of(*item) for item in listed)


def _one_of(place: str, what: str, size: int) -> Finding:
    return Finding(
        message=f"{place}: the repository carries {what}, {size} bytes",
        path=place,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        confidence=0.8,
        remedy=_REMEDY,
        evidence=Evidence(statistic="bytes", value=float(size), n=1, facts={"what": what}),
    )


def _all_of(listed: list[tuple[str, str, int]]) -> Finding:
    """One finding for a folder that is full of them, with all their names."""
    place, what, _ = listed[0]
    n_bytes = sum(size for _, _, size in listed)
    names = ", ".join(name for name, _, _ in listed)
    return Finding(
        message=f"{place}: the repository carries {what} and {len(listed) - 1} files more of the "
        f"kind in the same folder, {n_bytes} bytes",
        path=place,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        confidence=0.8,
        remedy=_REMEDY,
        evidence=Evidence(
            statistic="bytes",
            value=float(n_bytes),
            n=len(listed),
            facts={"what": what, "files": names},
        ),
    )


def _present(root: Path) -> Iterator[tuple[str, str, int]]:
    from hauberk.formats.source import walk_files
    from hauberk.formats.spans import open_span
    from hauberk.formats.weights import weights_in

    for _, path in zip(range(MAX_FILES), walk_files(root), strict=False):
        if not stat.S_ISREG(path.lstat().st_mode):
            continue
        try:
            with open_span(path) as span:
                what = weights_in(span, path.name)
                size = span.size
        except HauberkError:
            continue  # told by the controls that must read it
        if what:
            yield str(path.relative_to(root)), what, size


def _past(root: Path) -> Iterator[tuple[str, str, int]]:
    from hauberk.formats.source import past_blobs
    from hauberk.formats.spans import span_of
    from hauberk.formats.weights import weights_in

    for name, data, size in past_blobs(root):
        try:
            what = weights_in(span_of(data), name)
        except UnavailableError:
            continue
        if what:
            yield name, what, size
