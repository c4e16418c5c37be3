"""Metadata that tells its next reader what to do: see `PlantedInstructions`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.methods.instructions import MAX_TEXT, THRESHOLD, instruction_in
from hauberk.trust.canonical import parse_json

_REMEDY = (
    "Read the text before a job, page or agent does; if it was planted, find out who wrote it, "
    "and let no agent act on metadata."
)
_DONE = r"(?:complete|valid|final|done|accepted|finished|approved|official|confirmed)"
_MOVED = (
    r"(?:forwarded|sent|posted|uploaded|mailed|e-mailed|delivered|transmitted|copied|shared|pushed)"
)
_LOOKER = (
    r"(?:checks?|checking|reviews?|reviewing|reads?|reading|grades?|audits?|evaluates?|"
    r"verif(?:y|ies))"
)
_LENIENT = (
    r"(?:(?:let|wave|pass|wav(?:es?|ed))\b[^.\n]{0,20}\bthrough|"
    r"(?:just|simply|please|kindly) (?:approves?|accepts?|passes|skips?|signs? (?:it )?off)|"
    r"overlooks?|looks? away|gives? (?:it )?(?:a|the) (?:pass|green light))"
)
_ASKED = (
    # a result that counts only once its data have gone to an address
    re.compile(
        rf"\b{_DONE}\b[^.\n]{{0,40}}\b(?:once|only (?:when|after|if)|as soon as|until)\b"
        rf"[^.\n]{{0,40}}\b{_MOVED}\b[^.\n]{{0,20}}\bto\b[^.\n]{{0,10}}(?:https?://|\S+@)",
        re.IGNORECASE,
    ),
    # a plea to whoever looks, to look less
    re.compile(
        rf"\b(?:whoever|anyone who|anybody who|everyone who|those who|the one who)\b[^.\n]{{0,20}}"
        rf"\b{_LOOKER}\b[^.\n]{{0,60}}\b{_LENIENT}\b",
        re.IGNORECASE,
    ),
)
"""What a note says of results in words of people, that no honest note needs to say."""

_MAX_RECORD_BYTES = 16 << 20
_MAX_FINDINGS = 100
_KINDS = frozenset({"run", "note", "metric", "step"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedInstructions(Check[LogSegment]):
    """Notes and names in the log of runs that speak to a machine instead of a person.

    Every text of an event is normalised and held against families of phrases: rules that are to
    be ignored, an assistant or agent that is addressed, secrecy, secrets to be sent, tools to be
    called, a verdict to be given, marks of chat templates, hidden characters. One strong family
    or two weak ones make a finding, for review: whether the words are an attack, a person says.
    Two families of pleas in ordinary words count too: results that are complete only once their
    data went to an address, and whoever checks being asked to let something through.

    Limits:
        The figure is over the wordings that the attack has, and the last two families were
        written after two of them had passed: wordings that nobody has seen pass more often.
        A plain request in ordinary words ("this run is the best one") passes, as does one in a
        language beyond English and a few phrases of German, French and Spanish, or one split
        over several notes. What acts on readers of pages, tables and terminals is not judged
        here: output is encoded for each of them.

    Args:
        threshold: Points that make a finding; two is one strong family. Chosen on planted
            and honest notes of seeds below 10,000.

    References:
        Greshake et al. 2023, "Not what you've signed up for"; OWASP LLM01:2025; MITRE ATLAS
        AML.T0051.001.
    """

    title: ClassVar[str] = "Instructions to machines in metadata"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MS-4"),)
    subject: ClassVar[type] = LogSegment

    threshold: int = THRESHOLD

    def check(self, subject: LogSegment) -> Iterator[Finding]:
        """One finding for each text that speaks to a machine."""
        found = 0
        for number, record in enumerate(subject.records()):
            for key, text in _texts(record):
                score = max(instruction_in(text).score, _asked(text))
                if score >= self.threshold and found < _MAX_FINDINGS:
                    found += 1
                    yield _finding(subject, number, key, score)


def _asked(text: str) -> int:
    """Points for what a note asks in the words of people."""
    return THRESHOLD if any(one.search(text[:MAX_TEXT]) for one in _ASKED) else 0


def _texts(record: bytes) -> Iterator[tuple[str, str]]:
    """Field and text of an event; nothing of what is none."""
    try:
        event: Any = parse_json(record, max_bytes=_MAX_RECORD_BYTES)
    except ArtifactError:
        return
    if not isinstance(event, dict) or event.get("kind") not in _KINDS:
        return
    for key, value in event.items():
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, dict):
            yield from ((key, path) for path in value if isinstance(path, str))


def _finding(subject: LogSegment, number: int, key: str, score: int) -> Finding:
    return Finding(
        message=f"{subject.name}: the {key} of record {number} speaks to a machine",
        path=subject.name,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        remedy=_REMEDY,
        location=Location(rows=(number,), field=key),
        evidence=Evidence(statistic="signs of an instruction", value=float(score)),
    )
