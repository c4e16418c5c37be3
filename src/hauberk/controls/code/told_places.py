"""Comments and settings that tell where valuable systems are: see `ToldPlaces`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.kept_results import unless_known_empty
from hauberk.methods.allowances import allowed_lines
from hauberk.methods.code.leaks import places
from hauberk.methods.code.telling import is_test

_READ = frozenset(
    {".py", ".sh", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".env", ".md", ".tf", ".json"}
    | {".txt", ".properties", ".rst", ""}
)
MAX_PER_FILE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPlaces(Check[CodeTree]):
    """Comments and settings that tell where valuable systems are.

    Internal addresses and host names, buckets, registry paths, cloud resources, tickets, home
    folders, and people named as the ones to ask. None of them is a secret, so all are low and
    for review; together they are a map for somebody who got in elsewhere.

    Limits:
        Host names of a house that has no telling ending; names of people outside of comments;
        examples, placeholders and net masks are left out on purpose, and so are tests.

    Args:
        max_per_file: Findings told of one file.

    References:
        MITRE ATLAS, AML.T0003 and AML.T0095; the rule is our own.
    """

    title: ClassVar[str] = "Comments and settings that tell where valuable systems are"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-5"),)
    subject: ClassVar[type] = CodeTree

    max_per_file: int = MAX_PER_FILE

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield places file by file."""
        for file in subject.files():
            if file.path.suffix.lower() in _READ and not is_test(file.path):
                yield from self._in_file(file)

    def _in_file(self, file: SourceFile) -> Iterator[Finding]:
        allowed = allowed_lines(file.text, self.id)
        told = 0
        for leak in unless_known_empty(self.id, file, lambda: list(places(file.text, file.path))):
            if leak.line in allowed:
                continue
            told += 1
            if told > self.max_per_file:
                return
            yield Finding(
                message=f"{file.name}, line {leak.line}: tells of an inner place ({leak.what})",
                path=file.name,
                severity=Severity.LOW,
                level=Level.REVIEW,
                remedy="Move it to where only the team reads, or allow it with a reason.",
                confidence=0.6,
                location=Location(line=leak.line),
                evidence=Evidence(statistic="form of an inner place", facts={"what": leak.what}),
            )
