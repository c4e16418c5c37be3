"""Records of a log that act on whoever looks at them: see `InjectedRecords`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods.sinks import CONTROL, FORMULA_MARKS, INVISIBLE

_REMEDY = (
    "look at the record through a viewer that escapes it; have the writer log by schema, so that "
    "nothing a client sends becomes a field"
)
_MAX_FINDINGS = 100
_MAX_DEPTH = 8
_FIELD = 100_000
_FORMS = (
    (
        "a script or a tag",
        re.compile(r"<\s*/?\s*[a-zA-Z!][^>]{0,2000}(?:>|$)|javascript\s*:", re.IGNORECASE),
    ),
    ("a lookup or a template", re.compile(r"[$#%]\{|\{\{|<%|\$\(|`[^`]{1,200}`")),
    ("a query", re.compile(r"(?i)['\"]\s*(?:or|\|)\s|;\s*drop\s|\|\s*(?:outputlookup|delete)\b")),
    ("a link of markdown", re.compile(r"\]\((?:javascript|https?):", re.IGNORECASE)),
    ("the end of a string", re.compile(r"\\?\"\s*[,}\]]|\\u0022")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedRecords(Check[LogSegment]):
    """Records whose fields act on the program that shows them.

    Each text of each JSON record, and each record that is no JSON as it is, is searched for
    line ends and control characters, escapes of terminals, signs that change the direction
    of writing, tags and scripts, lookups of loggers, formulas of spreadsheets, ends of JSON
    strings, and fields that are far too long. A guard's own records hold nothing that a client
    chose, so in them each is a defect.

    Limits:
        Records in which people's own texts are expected hold such signs honestly; this is
        for logs by schema. Payloads for programs that are not named here pass.

    Args:
        max_field: Characters of a field from which on it is too long.

    References:
        CWE-117, CWE-150, CWE-1236, CWE-79; MITRE ATLAS AML.T0077; OWASP logging cheat sheet.
    """

    title: ClassVar[str] = "Log records that act on their reader"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-5"),)
    subject: ClassVar[type] = LogSegment

    max_field: int = _FIELD

    def check(self, subject: LogSegment) -> Iterator[Finding]:
        """At most one finding for each record, a hundred in all."""
        n_found = n_records = 0
        for number, record in enumerate(subject.records()):
            n_records += 1
            for what in self._said_by(record):
                n_found += 1
                yield _finding(subject, number, what)
                break
            if n_found >= _MAX_FINDINGS:
                return
        if not n_records:
            raise NotApplicable("the log has no records")

    def _said_by(self, record: bytes) -> Iterator[str]:
        if b"payloadType" in record[:2000]:
            return
        try:
            value = json.loads(record)
        except (ValueError, RecursionError):
            value = record.decode("utf-8", "replace")
        for text in _texts(value, _MAX_DEPTH):
            yield from self._forms(text)

    def _forms(self, text: str) -> Iterator[str]:
        if len(text) > self.max_field:
            yield "a field that is far too long"
        text = text[: self.max_field]
        if CONTROL.search(text) or "\n" in text or "\t" in text:
            yield "control characters or line ends"
        if INVISIBLE.search(text):
            yield "characters that are not seen or turn the direction"
        if text[:1] in FORMULA_MARKS and len(text) > 1 and not _is_number(text):
            yield "a formula"
        for name, form in _FORMS:
            if form.search(text):
                yield name


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item, depth - 1)
    elif depth and isinstance(value, list):
        for item in value:
            yield from _texts(item, depth - 1)


def _finding(subject: LogSegment, number: int, what: str) -> Finding:
    return Finding(
        message=(
            f"{subject.name}: record {number} holds {what}; expected fields of a schema, "
            "none of which acts on its reader"
        ),
        path=subject.name,
        severity=Severity.HIGH,
        remedy=_REMEDY,
        threats=InjectedRecords.threats,
        location=Location(rows=(number,)),
        evidence=Evidence(statistic="form of a payload", facts={"form": what}),
    )
