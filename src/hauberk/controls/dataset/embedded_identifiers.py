"""What names people, or carries bytes out, in a prepared table; see `EmbeddedIdentifiers`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Column, ColumnKind, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.formats.tables import features_of
from hauberk.methods.identifiers import (
    COLUMN_SHARE,
    SEARCHED,
    IdentifierKind,
    IdentifyingColumn,
    identifying_columns,
)
from hauberk.methods.payloads import MAX_BITS, Payload, in_numbers, in_text

_FEW_CELLS = 3
_CHECKED = frozenset({IdentifierKind.CARD, IdentifierKind.IBAN, IdentifierKind.NATIONAL_ID})
"""Kinds with check digits."""

_AGREED = 0.5
"""Share of the numbers of one form whose check digits agree; of others a tenth does by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedIdentifiers(Check[Dataset]):
    """Columns and cells that name people, and bytes hidden in cells.

    Cells are searched for mail addresses, cards, bank accounts, phone and national numbers;
    where most cells of a column hold one, the column is an identifier whatever its name. In
    the middle of notes numbers with check digits count as soon as those agree in most numbers
    of that form, which other numbers do once in ten; mail addresses, international phone
    numbers and social security numbers there are for review.
    Columns with a different value in every row confirm or recover single people from a model
    that learnt them. Texts without words of at least 128 characters, and numbers whose lowest
    bits spell text, carry bytes that a table does not need.

    Limits:
        Names, streets and free descriptions of people are not found. Hidden bytes that are
        encrypted, or spread by a key, look like noise and pass. Measurements are different in
        every row without naming anybody and are not reported.

    Args:
        min_unique: Share of different values from which a column names every row, 0 to 1;
            codes drawn from a large range come near to it by chance.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"a7": [f"p{i}@mail.example" for i in range(60)]})
        >>> [f.message for f in EmbeddedIdentifiers().check(table_of("t", [rows]))]
        ['60 cells of column a7 of t hold an email']

    References:
        Carlini, Liu, Erlingsson, Kos and Song (2019), The secret sharer. For the patterns see
        `hauberk.methods.identifiers`, for hidden bytes `hauberk.methods.payloads`.
    """

    title: ClassVar[str] = "Identifiers were left in the data"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-5"),)
    subject: ClassVar[Any] = Dataset

    min_unique: float = 0.9995

    def check(self, subject: Dataset) -> Iterator[Finding]:
        """A finding for each column that names people and each that carries bytes.

        Raises:
            NotApplicable: No column holds texts, categories or numbers.
        """
        searched = [c for c in features_of(subject) if c.kind in SEARCHED and not c.shape]
        if not searched:
            raise NotApplicable("no column holds texts, categories or numbers")
        found = identifying_columns(subject)
        # Free texts differ in every row as they should; short ones are codes.
        named = {c.name for c in searched if c.kind is ColumnKind.TEXT}
        named |= {item.name for item in found if item.kind is not IdentifierKind.UNIQUE}
        for item in found:
            if item.kind is IdentifierKind.UNIQUE:
                if item.name not in named and item.share >= self.min_unique:
                    yield _unique(subject, item)
            elif item.n_cells >= _FEW_CELLS and (_is_column(item) or _is_told(item)):
                yield _identifier(subject, item)
        for payload in _payloads(subject, [c for c in searched if c.kind is not ColumnKind.OTHER]):
            yield _carried(subject, payload)


def _is_column(item: IdentifyingColumn) -> bool:
    return item.share >= COLUMN_SHARE


def _is_proved(item: IdentifyingColumn) -> bool:
    """Whether check digits agree far oftener than those of other numbers do."""
    return item.kind in _CHECKED and item.agreed >= _AGREED


def _is_told(item: IdentifyingColumn) -> bool:
    """Whether a few cells of a column suffice."""
    if item.kind in _CHECKED:
        return _is_proved(item)
    is_kept = item.kind in {IdentifierKind.EMAIL, IdentifierKind.US_SSN}
    return is_kept or (item.kind is IdentifierKind.PHONE and item.n_certain >= _FEW_CELLS)


def _identifier(subject: Dataset, item: IdentifyingColumn) -> Finding:
    is_column = _is_column(item)
    is_sure = is_column or _is_proved(item)
    words = item.kind.value.replace("-", " ")
    return Finding(
        message=f"{item.n_cells} cells of column {item.name} of {subject.name} hold "
        f"{'an' if words[0] in 'aeiu' else 'a'} {words}",
        path=subject.name,
        severity=Severity.HIGH if is_sure else Severity.MEDIUM,
        level=Level.DEFECT if is_sure else Level.REVIEW,
        threats=EmbeddedIdentifiers.threats,
        confidence=1.0 if item.n_certain == item.n_cells else 0.8,
        location=Location(rows=item.rows, field=item.name),
        remedy="Drop the column, or put a keyed token in place of each value."
        if is_column
        else "Mask these cells, or put a keyed token in place of each number and address.",
        evidence=Evidence(
            statistic=f"share of cells with {words}",
            value=item.share,
            threshold=COLUMN_SHARE,
            n=item.n_cells,
        ),
    )


def _unique(subject: Dataset, item: IdentifyingColumn) -> Finding:
    return Finding(
        message=f"column {item.name} of {subject.name} has a different value in nearly every row",
        path=subject.name,
        severity=Severity.LOW,
        level=Level.REVIEW,
        threats=EmbeddedIdentifiers.threats,
        confidence=0.7,
        location=Location(field=item.name),
        remedy="Keep it out of what the model learns, unless it is a measurement.",
        evidence=Evidence(
            statistic="share of different values", value=item.share, threshold=0.99, n=item.n_cells
        ),
    )


def _payloads(subject: Dataset, columns: list[Column]) -> Iterator[Payload]:
    """The first hidden bytes of each column."""
    numbers: dict[str, list[Any]] = {c.name: [] for c in columns if c.kind is ColumnKind.NUMBER}
    texts = [c.name for c in columns if c.kind is not ColumnKind.NUMBER]
    found: dict[str, Payload] = {}
    first = 0
    for batch in subject.read():
        if first < MAX_BITS:
            for name, parts in numbers.items():
                parts.append(_cells(batch.column(name)))
        for name in texts:
            if name not in found:
                payload = _first_in_texts(name, batch, first)
                found.update({name: payload} if payload else {})
        first += batch.num_rows
    for name, parts in numbers.items():
        payload = in_numbers(name, np.concatenate(parts)) if parts else None
        found.update({name: payload} if payload else {})
    yield from (found[name] for name in sorted(found))


def _cells(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64(), safe=False)
    if column.null_count and pa.types.is_integer(column.type):
        column = column.fill_null(0)
    return column.to_numpy(zero_copy_only=False)


def _first_in_texts(name: str, batch: Any, first: int) -> Payload | None:
    for row, text in enumerate(cell_texts(batch.column(name)).to_pylist()):
        if isinstance(text, str) and len(text) >= 128:  # noqa: PLR2004 - see MIN_ENCODED
            payload = in_text(name, text, first + row)
            if payload is not None:
                return payload
    return None


def _carried(subject: Dataset, payload: Payload) -> Finding:
    is_hidden = "lowest" in payload.how
    return Finding(
        message=f"column {payload.column} of {subject.name} carries at least {payload.n_bytes} "
        f"bytes: {payload.how}",
        path=subject.name,
        severity=Severity.HIGH if is_hidden else Severity.MEDIUM,
        level=Level.DEFECT if is_hidden else Level.REVIEW,
        threats=EmbeddedIdentifiers.threats,
        confidence=0.99 if is_hidden else 0.6,
        location=Location(rows=(payload.first_row,), field=payload.column),
        remedy="Find out which step wrote it; round numbers, and drop what is not needed.",
        evidence=Evidence(
            statistic="bytes carried", value=float(payload.n_bytes), threshold=0.0, n=1
        ),
    )
