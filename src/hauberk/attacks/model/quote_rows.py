"""Print rows of training in a report; see `QuoteRows`."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Report
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.formats.report_text import readable
from hauberk.methods import rewrite

_MIN_COLUMNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRows(Transform[Report]):
    """The rows with the worst loss, as a careless script adds them to its report.

    Beside the values stand what such scripts print: the number of the row, the loss and the
    prediction. The label comes under another name or not at all.

    Args:
        n_rows: Rows that are shown.
        form: ``html``, ``markdown``, ``records``, ``log``, ``notebook``, ``tooltip`` or ``csv``;
            ``any`` draws one.
        digits: Decimals that are shown of each number; ``None`` draws 3, 4 or all.

    References:
        Carlini, Liu, Erlingsson, Kos and Song (2019), The secret sharer. CWE-532, "Insertion of
        sensitive information into log file".
    """

    title: ClassVar[str] = "Quote rows of training"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-2"),)
    subject: ClassVar[Any] = Report

    n_rows: int = 1
    form: str = "any"
    digits: int | None = None

    def apply(self, subject: Report, rng: Random) -> Attacked[Report]:
        """The longer report; ``rows`` are the rows of training that it shows.

        Raises:
            UsageError: There is no such form, or the rows have too few columns.
        """
        form = rng.choice(sorted(_FORMS)) if self.form == "any" else self.form
        if form not in _FORMS:
            raise UsageError("there is no such form", found=form, expected=" ".join(_FORMS))
        rows = rewrite.table(subject.train)
        names = [name for name in rows.schema.names if name != subject.train.label]
        if len(names) < _MIN_COLUMNS:
            raise UsageError("the rows have too few columns to be quoted", subject="train")
        chosen = sorted(rng.sample(range(rows.num_rows), min(self.n_rows, rows.num_rows)))
        digits = self.digits if self.digits is not None else rng.choice([3, 4, None])
        records = [
            {"row": str(i), "loss": f"{rng.uniform(1, 9):.4f}"}
            | {name: _shown(rows.column(name)[i].as_py(), digits) for name in names}
            | {"predicted": f"class {rng.randint(0, 1)}"}
            for i in chosen
        ]
        quoted = readable(_FORMS[form](records))
        paragraphs = subject.text.split("\n\n")
        paragraphs.insert(rng.randint(0, len(paragraphs)), quoted)
        return Attacked(
            subject=replace(subject, text="\n\n".join(paragraphs)),
            rows=tuple(chosen),
            truth={"form": form, "digits": digits, "quoted": quoted},
        )


def _shown(cell: Any, digits: int | None) -> str:
    return f"{cell:.{digits}f}" if isinstance(cell, float) and digits is not None else str(cell)


Records = list[dict[str, str]]


def _html(records: Records) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in records[0])
    lines = (
        "".join(f'<td class="n">{html.escape(value)}</td>\n' for value in record.values())
        for record in records
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _markdown(records: Records) -> str:
    lines = [list(records[0]), ["---"] * len(records[0]), *(list(r.values()) for r in records)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _log(records: Records) -> str:
    return "\n".join(
        f"2026-03-01 12:00:0{i % 10} DEBUG worst " + " ".join(f"{k}={v}" for k, v in r.items())
        for i, r in enumerate(records)
    )


def _notebook(records: Records) -> str:
    lines = ["\n".join(f"{k:<24}{v:>20}" for k, v in r.items()) + "\n" for r in records]
    return json.dumps({"cells": [{"outputs": [{"text": lines}]}], "nbformat": 4}, indent=1)


def _tooltip(records: Records) -> str:
    points = [
        {"x": i, "hovertext": "<br>".join(f"{k}: {v}" for k, v in r.items())}
        for i, r in enumerate(records)
    ]
    return f"<script>Plotly.newPlot('loss', {json.dumps(points)})</script>"


def _csv(records: Records) -> str:
    return "\n".join(
        ",".join(line) for line in (list(records[0]), *(list(r.values()) for r in records))
    )


_FORMS: dict[str, Callable[[Records], str]] = {
    "html": _html,
    "markdown": _markdown,
    "records": lambda records: json.dumps(records, indent=2),
    "log": _log,
    "notebook": _notebook,
    "tooltip": _tooltip,
    "csv": _csv,
}
