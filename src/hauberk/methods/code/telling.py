"""From hits in files to findings of a control: places, allowances, tests, bounds."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath

from hauberk.core.artifact import SourceFile
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.errors import ArtifactError
from hauberk.formats.notebooks import read_notebook
from hauberk.methods.allowances import allowed_lines
from hauberk.methods.code.rules import Hit

MAX_PER_FILE = 100
"""Findings of one control in one file; more say nothing new."""

MAX_ALIKE = 5
"""Up to so many lines of a file that break one rule of no high severity have findings each."""

_SHOWN = frozenset(
    {"doc", "docs", "example", "examples", "tutorial", "tutorials", "demo", "demos", "samples"}
    | {"cookbook", "recipes", "gallery", "documentation"}
)
_TESTS = frozenset({"test", "tests", "testing", "fixtures", "testdata"})


def of_hits(file: SourceFile, control: str, hits: list[Hit]) -> Iterator[Finding]:
    """Findings of one control in one file, each place once, without what comments allow."""
    if not hits:
        return
    places = Places(file)
    allowed = places.allowed(control)
    kept: dict[tuple[str, int], Hit] = {}
    for hit in sorted(hits, key=lambda hit: (hit.line, hit.rule.name)):
        if hit.line not in allowed:
            kept.setdefault((hit.rule.name, hit.line), hit)
    habits = _habits(kept.values())
    for count, hit in enumerate(kept.values()):
        if count >= MAX_PER_FILE:
            yield _more(file.name)
            return
        same = habits.get(hit.rule.name, [])
        if not same:
            yield finding_of(hit, file, places)
        elif same[0] is hit:
            yield _habit(finding_of(hit, file, places), [places.of(one.line)[0] for one in same])


def _habits(hits: Iterable[Hit]) -> dict[str, list[Hit]]:
    """Rules of no high severity that a file breaks again and again."""
    by_rule: dict[str, list[Hit]] = {}
    for hit in hits:
        if hit.rule.severity in {Severity.MEDIUM, Severity.LOW}:
            by_rule.setdefault(hit.rule.name, []).append(hit)
    return {name: found for name, found in by_rule.items() if len(found) > MAX_ALIKE}


def _habit(finding: Finding, lines: list[int]) -> Finding:
    """One finding for all the lines of a file that break the same rule."""
    listed = ", ".join(map(str, lines))
    return replace(
        finding,
        message=f"{finding.message}; and {len(lines) - 1} more lines of this file",
        evidence=replace(
            finding.evidence, n=len(lines), facts={**finding.evidence.facts, "lines": listed}
        ),
    )


def finding_of(hit: Hit, file: SourceFile, places: Places) -> Finding:
    """One hit as a finding: in tests low and for review, in examples at most medium."""
    line, inner = places.of(hit.line)
    rule = hit.rule
    shown = f" ({clipped(hit.found)})" if hit.found else ""
    where = f"line {line}" + (f" ({inner[0]})" if inner else "")
    facts = {"rule": rule.name} | ({"cwe": rule.cwe} if rule.cwe else {})
    told = Finding(
        message=f"{file.name}, {where}: {rule.says}{shown}",
        path=file.name,
        severity=rule.severity,
        remedy=rule.remedy,
        level=rule.level,
        confidence=0.8 if rule.level is Level.DEFECT else 0.6,
        location=Location(line=line, inner=inner),
        evidence=Evidence(statistic="rule over code", facts=facts),
    )
    if is_test(file.path):
        return softened(told)
    return eased(told) if is_shown(file.path) else told


def softened(finding: Finding) -> Finding:
    """A finding in tests: nothing that is shipped or trained with."""
    return replace(finding, severity=Severity.LOW, level=Level.REVIEW)


def eased(finding: Finding) -> Finding:
    """A finding in code that shows how something is done: people copy it, nothing runs it."""
    severity = min(finding.severity, Severity.MEDIUM, key=lambda item: item.rank)
    return replace(finding, severity=severity)


def is_shown(path: PurePath) -> bool:
    """Whether a path says that it holds examples or documentation."""
    return any(part.lower() in _SHOWN for part in path.parts[:-1])


def is_test(path: PurePath) -> bool:
    """Whether a path says that it holds tests."""
    name = path.name
    named = (
        name == "conftest.py"
        or name.startswith("test_")
        or name.endswith(("_test.py", "_tests.py"))
    )
    return named or any(part in _TESTS for part in path.parts[:-1])


def clipped(text: str, length: int = 80) -> str:
    """One short printable line."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    plain = " ".join(plain.split())
    return plain if len(plain) <= length else plain[: length - 3] + "..."


def not_checked(path: str, reason: str) -> Finding:
    """Says that a file was not judged; silence is never a pass."""
    return Finding(
        message=f"{path} was not checked: {clipped(reason, 160)}",
        path=path,
        severity=Severity.LOW,
        level=Level.REVIEW,
        remedy="Mend the file, or look through it by hand.",
        evidence=Evidence(statistic="not checked", facts={"reason": clipped(reason, 160)}),
    )


def _more(path: str) -> Finding:
    return Finding(
        message=f"{path}: more than {MAX_PER_FILE} findings of this kind; the rest is not listed",
        path=path,
        severity=Severity.HIGH,
        remedy="Find out what this file is.",
    )


# Places --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Start:
    """Where one cell begins in the joined text, and its lines in the file."""

    line: int
    cell: int
    raw: tuple[int, ...]


class Places:
    """Lines of what was read as lines of the file; of notebooks with their cell."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._starts = _cells(file) if file.path.suffix == ".ipynb" else []

    def of(self, line: int) -> tuple[int, tuple[str, ...]]:
        """Line in the file and, in a notebook, the cell."""
        if not self._starts:
            return line, ()
        place = bisect_right([start.line for start in self._starts], line) - 1
        start = self._starts[max(place, 0)]
        offset = min(max(line - start.line, 0), len(start.raw) - 1)
        return start.raw[offset], (f"cell {start.cell}",)

    def allowed(self, control: str) -> frozenset[int]:
        """Lines, of what was read, on which a comment allows the control's findings."""
        if self._file.path.suffix != ".ipynb":
            return allowed_lines(self._file.text, control)
        try:
            cells = read_notebook(self._file.text)
        except ArtifactError:
            return frozenset()
        return allowed_lines("\n".join(cell.source for cell in cells if cell.is_code), control)


def _cells(file: SourceFile) -> list[_Start]:
    try:
        cells = read_notebook(file.text)
    except ArtifactError:
        return []
    starts, line, at = [], 1, 0
    for cell in cells:
        if not cell.is_code:
            continue
        raw: list[int] = []
        for text in cell.source.split("\n"):
            found = file.text.find(json.dumps(text, ensure_ascii=False)[1:-1], at)
            at = found if found >= 0 else at
            raw.append(file.text.count("\n", 0, at) + 1)
        starts.append(_Start(line, cell.number, tuple(raw)))
        line += len(raw)
    return starts
