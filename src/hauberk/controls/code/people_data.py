"""People's data in notebooks, fixtures and old commits: see `PeopleData`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats.notebooks import read_notebook
from hauberk.methods.code.leaks import MIN_ROWS, Leak, names_people, people

_TABLES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".sql", ".txt", ".xml", ".log"})


_PACKAGES = re.compile(
    r"(?i)cyclonedx|spdx|package|\block\b|\.lock|author|citation|codemeta|zenodo|licen[cs]e"
)
"""Descriptions of packages, where authors give their addresses on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleData(Check[CodeTree]):
    """People's data in notebooks, data files of the tree and old commits.

    Printed outputs of notebooks, small data files and what the history still holds are read for
    addresses, numbers with a checksum, and headers that name columns about people. A file counts
    from a few such rows on, an output of a notebook from two.

    Limits:
        Names alone, pictures, other languages' identifiers, and tables without any of these
        signs. Large data files are for the controls over data sets.

    Args:
        min_rows: Rows with people's data that make a file one about people.

    References:
        NIST SP 800-122, section 2.2; ISO 13616 and ISO/IEC 7812 for the checksums.
    """

    title: ClassVar[str] = "People's data in notebooks, fixtures and old commits"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-5"), ThreatId("RE-2"))
    subject: ClassVar[type] = CodeTree

    min_rows: int = MIN_ROWS

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield notebooks and data files of the tree, then those of the history."""
        for file in subject.files():
            if file.path.suffix == ".ipynb":
                yield from self._notebook(file)
            elif file.path.suffix.lower() in _TABLES:
                yield from self._table(file, former=False)
        for file in subject.history() if subject.history else ():
            if file.path.suffix.lower() in _TABLES:
                yield from self._table(file, former=True)
            elif file.path.suffix == ".ipynb":
                yield from self._notebook(file)

    def _table(self, file: SourceFile, *, former: bool) -> Iterator[Finding]:
        if _PACKAGES.search(file.path.name):
            return
        found = people(file.text)
        header = file.text.partition("\n")[0]
        many = len(found) >= self.min_rows or (len(found) > 1 and names_people(header))
        if many:
            held = "the history still holds " if former else "holds "
            yield _finding(file, found[0], f"{held}{len(found)} rows with people's data", found)

    def _notebook(self, file: SourceFile) -> Iterator[Finding]:
        try:
            cells = read_notebook(file.text, name=file.name)
        except ArtifactError:
            return  # Told by the control over identifiers.
        for cell in cells:
            for output in cell.outputs:
                found = people(output)
                if len(found) > 1 or (found and names_people(output[:400])):
                    line = next(text for text in output.split("\n") if text.strip())
                    place = max(file.text.find(json.dumps(line)[1:-1]), 0)
                    at = Leak(found[0].what, file.text.count("\n", 0, place) + 1, found[0].found)
                    says = f"an output of cell {cell.number} shows people's data"
                    yield _finding(file, at, says, found, (f"cell {cell.number}",))
                    break


def _finding(
    file: SourceFile, leak: Leak, says: str, found: list[Leak], inner: tuple[str, ...] = ()
) -> Finding:
    return Finding(
        message=f"{file.name}, line {leak.line}: {says} ({leak.what} first)",
        path=file.name,
        severity=Severity.MEDIUM,
        level=Level.DEFECT,
        remedy="Take it out, also of the history, and tell who is responsible for it.",
        confidence=0.7,
        location=Location(line=leak.line, inner=inner),
        evidence=Evidence(statistic="lines with people's data", value=float(len(found))),
    )
