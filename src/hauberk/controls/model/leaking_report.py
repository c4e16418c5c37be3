"""Reports that show rows of training or people's data; see `LeakingReport`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import ColumnKind, Dataset, Report
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.methods.identifiers import MAX_CELL_CHARACTERS, IdentifierKind, find_identifiers
from hauberk.methods.shown_rows import SURPLUS_BITS, ShownRow, shown_rows

_SHOWN = 1_000
_OVERLAP = 200
_LOOKED_UP = 50
_CARD = re.compile(r"\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5}")

_NATIONAL = re.compile(r"\d{8}-?[A-Z]|\d{6}[-A]\d{3}[0-9A-Z]|\d{11}|\d{3}\.\d{3}\.\d{3}-\d{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakingReport(Check[Report]):
    """A report that shows rows of training, passages of its texts, or data that names people.

    A row is shown where many of its values stand near each other, in any usual form and
    rounded to any number of digits, whatever stands before them: as a table, a record, a log
    line, a tooltip. A passage of twelve words that stands in one training row alone is shown
    too. Mail addresses, cards, accounts, and phone and national numbers are found by their
    form; those that stand in the training rows are defects, others ask for a review.

    Limits:
        Values that were scaled, binned, cut off or put into words are not recognised, nor are
        pictures of rows. Test rows equal to a training row in all that is shown are named as
        that row. Tables of few coarse columns hold no row that its values single out.
        Names and streets are not found, nor addresses of machines.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = range(1, 200)
        >>> cells = {c: [(k * i * i % 9973) / 7 for i in rows] for k, c in enumerate("abcde", 3)}
        >>> train = table_of("train", [pa.RecordBatch.from_pydict(cells)])
        >>> row = " | ".join(f"{cells[c][41]:.3f}" for c in "abcde")
        >>> report = Report(name="worst.md", text=f"| 1 | {row} |", train=train)
        >>> [f.location.rows for f in LeakingReport().check(report)]
        [(41,)]

    References:
        Carlini, Liu, Erlingsson, Kos and Song (2019), The secret sharer. Narayanan and
        Shmatikov (2008), Robust de-anonymization of large sparse datasets (how few values
        single out a row).
    """

    title: ClassVar[str] = "A report shows rows of training"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-2"),)
    subject: ClassVar[Any] = Report

    def check(self, subject: Report) -> Iterator[Finding]:
        """One finding for all rows, and one for each kind of personal data.

        Raises:
            NotApplicable: The training rows hold neither numbers nor words.
        """
        shown, is_comparable = shown_rows(subject.text, subject.train)
        if not is_comparable:
            raise NotApplicable("the training rows hold neither numbers nor words")
        if shown:
            yield _rows(subject, shown)
        yield from _people(subject)


def _rows(subject: Report, shown: tuple[ShownRow, ...]) -> Finding:
    first = min(shown, key=lambda item: item.start)
    number = f"{len(shown)} row{'s' if len(shown) > 1 else ''}"
    return Finding(
        message=f"{subject.name} shows {number} of {subject.train.name} with their values",
        path=subject.name,
        severity=Severity.HIGH,
        threats=LeakingReport.threats,
        location=Location(
            line=_line(subject.text, first.start),
            rows=tuple(item.row for item in shown[:_SHOWN]),
        ),
        remedy="Show aggregates of many rows, or made-up examples, in place of rows of training.",
        evidence=Evidence(
            statistic="training rows shown",
            value=float(len(shown)),
            threshold=0.0,
            n=len(shown),
            facts={
                "values of the first": str(first.n_values),
                "evidence for it": f"{first.bits:.0f} bits, of which {SURPLUS_BITS:.0f} are asked "
                "beyond the number of rows",
            },
        ),
    )


def _line(text: str, start: int) -> int:
    return text.count("\n", 0, start) + 1


def _people(subject: Report) -> Iterator[Finding]:
    found = dict(_identifiers(subject.text))
    held = _standing({text for _, text, _ in found.values()}, subject.train)
    groups: Counter[tuple[IdentifierKind, bool]] = Counter()
    starts: dict[tuple[IdentifierKind, bool], int] = {}
    for start, (kind, text, _) in sorted(found.items()):
        group = (kind, text in held)
        groups[group] += 1
        starts.setdefault(group, start)
    for (kind, is_held), count in groups.items():
        words = kind.value.replace("-", " ")
        whose = f", which stand in {subject.train.name}" if is_held else ""
        yield Finding(
            message=f"{subject.name} shows personal data: {count} of kind {words}{whose}",
            path=subject.name,
            severity=Severity.HIGH if is_held else Severity.MEDIUM,
            level=Level.DEFECT if is_held else Level.REVIEW,
            threats=LeakingReport.threats,
            confidence=1.0 if is_held else 0.7,
            location=Location(line=_line(subject.text, starts[kind, is_held])),
            remedy="Take it out, or show a token in its place.",
            evidence=Evidence(statistic=words, value=float(count), threshold=0.0, n=count),
        )


def _identifiers(text: str) -> Iterator[tuple[int, tuple[IdentifierKind, str, bool]]]:
    """Start to what was found there; pieces overlap so that none is cut in two."""
    for first in range(0, max(1, len(text)), MAX_CELL_CHARACTERS - _OVERLAP):
        piece = text[first : first + MAX_CELL_CHARACTERS]
        for item in find_identifiers(piece):
            found = piece[item.start : item.end]
            around = piece[max(0, item.start - 1) : item.start] + piece[item.end : item.end + 1]
            if item.is_certain and _is_meant(item.kind, found, around):
                yield first + item.start, (item.kind, found, True)


def _is_meant(kind: IdentifierKind, found: str, around: str) -> bool:
    """Whether digits are one number: reports are full of others, some of which pass a check."""
    if kind is IdentifierKind.IP_ADDRESS:
        return False
    if kind is IdentifierKind.CARD:
        return not set(around) & set(".,-") and _CARD.fullmatch(found) is not None
    if kind is IdentifierKind.NATIONAL_ID:
        return not set(around) & set(".,-") and _NATIONAL.fullmatch(found) is not None
    return True


def _standing(texts: set[str], train: Dataset) -> set[str]:
    """Those that cells of the training rows hold."""
    import pyarrow.compute as pc

    wanted = sorted(texts)[:_LOOKED_UP]
    names = [c.name for c in train.columns if c.kind in (ColumnKind.CATEGORY, ColumnKind.TEXT)]
    held: set[str] = set()
    for batch in train.read() if wanted and names else ():
        for cells in (cell_texts(batch.column(name)) for name in names):
            for text in wanted:
                if text not in held and pc.any(pc.match_substring(cells, text)).as_py():
                    held.add(text)
    return held
