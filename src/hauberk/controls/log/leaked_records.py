"""Credentials and personal data in the records of a log: see `LeakedRecords`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods.redaction import sensitive

_REMEDY = (
    "turn the credential in and ask for a new one; have the writer log by schema and redact "
    "texts before they are written (hauberk.methods.redaction)"
)
_MAX_FINDINGS = 100
_DEPTH = 8
_SHORT = 200
_DIGEST = re.compile(r"[a-z_]{1,20}=sha256:[0-9a-f]{64}")
"""A field that names bytes by their digest says nothing of what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakedRecords(Check[LogSegment]):
    """Records of a log that hold credentials or personal data, plain, encoded or split.

    Every text of every record is searched for credentials in their issuers' forms, values
    beside names that say password or token, mail addresses, cards, accounts, phone and
    national numbers; as it stands, with the breaks of wrapped lines taken out, and with what is
    base64, hexadecimal or percent encoding decoded. A finding says what was found and in
    which record, never the item itself.

    Limits:
        Names and addresses of people in free text are not found, nor are credentials of no
        known form beside no telling name. What is encrypted is not looked into.

    Args:
        max_findings: Records that are named; more say nothing new.

    References:
        CWE-532; OWASP logging cheat sheet; MITRE ATLAS AML.T0055.
    """

    title: ClassVar[str] = "Log records with secrets or personal data"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-1"),)
    subject: ClassVar[type] = LogSegment

    max_findings: int = _MAX_FINDINGS

    def check(self, subject: LogSegment) -> Iterator[Finding]:
        """One finding for each record that holds something.

        Raises:
            NotApplicable: The log has no records.
        """
        n_found = n_records = 0
        for number, record in enumerate(subject.records()):
            n_records += 1
            kinds = sorted({kind for text in _texts(record) for kind in _kinds(text)})
            if kinds:
                n_found += 1
                yield _finding(subject, number, kinds)
            if n_found >= self.max_findings:
                return
        if not n_records:
            raise NotApplicable("the log has no records")


def _kinds(text: str) -> frozenset[str]:
    """What a text holds; most fields of most records say what others said before."""
    if _DIGEST.fullmatch(text):
        return frozenset()
    return _of_short(text) if len(text) <= _SHORT else _of(text)


def _of(text: str) -> frozenset[str]:
    return frozenset(found.what for found in sensitive(text))


_of_short = lru_cache(maxsize=4096)(_of)


def _texts(record: bytes) -> Iterator[str]:
    try:
        value = json.loads(record)
    except (ValueError, RecursionError):
        value = record.decode("utf-8", "replace")
    yield from _inner(value, _DEPTH)


def _inner(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict):
        for key, item in value.items():
            yield from _inner(f"{key}={item}" if isinstance(item, str) else item, depth - 1)
    elif depth and isinstance(value, list):
        for item in value:
            yield from _inner(item, depth - 1)


def _finding(subject: LogSegment, number: int, kinds: list[str]) -> Finding:
    named = ", ".join(kinds[:5])
    return Finding(
        message=(
            f"{subject.name}: record {number} holds {named}; expected nothing that opens a door "
            "or names a person"
        ),
        path=subject.name,
        severity=Severity.HIGH,
        remedy=_REMEDY,
        threats=LeakedRecords.threats,
        location=Location(rows=(number,)),
        evidence=Evidence(statistic="kinds of items", n=len(kinds), facts={"kinds": named}),
    )
