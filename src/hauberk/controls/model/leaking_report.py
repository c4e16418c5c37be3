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
_FIELDS = 2
_CALLED = re.compile(
    r"(?i)(?<![a-z])(?:tele)?(?:phone|tel|mobile|cell|fax)(?:[ _.-]?(?:no|number))?[^\w]*$"
)
_CALLED_WITHIN = 30
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
    sure = {text for _, text, is_sure in found.values() if is_sure}
    unsure = {text for _, text, is_sure in found.values() if not is_sure} - sure
    held = _standing(sure, subject.train) | _standing(unsure, subject.train)
    groups: Counter[tuple[IdentifierKind, bool]] = Counter()
    starts: dict[tuple[IdentifierKind, bool], int] = {}
    for start, (kind, text, is_sure) in sorted(found.items()):
        if not is_sure and text not in held:
            continue
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
            if _is_meant(item.kind, piece, item.start, item.end):
                is_sure = item.is_certain or _is_called_phone(piece, item.start)
                yield first + item.start, (item.kind, found, is_sure)


def _is_called_phone(text: str, start: int) -> bool:
    return _CALLED.search(text[max(0, start - _CALLED_WITHIN) : start]) is not None


def _is_meant(kind: IdentifierKind, text: str, start: int, end: int) -> bool:
    """Whether digits are one number: reports are full of others, some of which pass a check."""
    if kind is IdentifierKind.IP_ADDRESS:
        return False
    form = {IdentifierKind.CARD: _CARD, IdentifierKind.NATIONAL_ID: _NATIONAL}.get(kind)
    if form is None:
        return True
    found = text[start:end]
    return form.fullmatch(found) is not None and not _is_part(text, start, end)


def _is_part(text: str, start: int, end: int) -> bool:
    """Whether the number is a piece of a longer one, its decimals or its negative.

    A comma or a full stop behind it ends a clause, unless more digits follow at once. A comma
    between digits is a decimal one, but for lines that separate their fields with commas.
    """
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:] in {".", "-"} and not before[:-1].isalpha():
        return True
    if after[:1] in {".", "-"} and after[1:].isalnum():
        return True
    follows = before[-1:] == "," and before[:-1].isdigit()
    is_followed = after[:1] == "," and after[1:].isdigit()
    return (follows or is_followed) and not _has_commas_between_fields(text, start, end)


def _has_commas_between_fields(text: str, start: int, end: int) -> bool:
    first = max(text.rfind("\n", 0, start) + 1, start - _OVERLAP)
    last = text.find("\n", end, end + _OVERLAP)
    line = text[first : last if last >= 0 else end + _OVERLAP]
    return line.count(",") >= _FIELDS and ";" not in line and "\t" not in line


def _standing(texts: set[str], train: Dataset) -> set[str]:
    """Those that cells of the training rows hold."""
    import pyarrow.compute as pc

    wanted = sorted(texts)[:_LOOKED_UP]
    kinds = (ColumnKind.CATEGORY, ColumnKind.TEXT, ColumnKind.NUMBER)
    names = [c.name for c in train.columns if c.kind in kinds and not c.shape]
    held: set[str] = set()
    for batch in train.read() if wanted and names else ():
        for cells in (cell_texts(batch.column(name)) for name in names):
            for text in wanted:
                if text not in held and pc.any(pc.match_substring(cells, text)).as_py():
                    held.add(text)
    return held
