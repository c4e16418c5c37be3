"""Rows of metadata as text, CSV, HTML or JSON: shown whatever they hold, never acted on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hauberk.methods.sinks import Sink, encode_for_sink
from hauberk.report.document import document
from hauberk.report.markup import element

FORMATS: Final = ("text", "json", "csv", "html")
MAX_CELL: Final = 60

Row = Mapping[str, Any]


def listing(rows: Sequence[Row], form: str, *, title: str, whole: bool = False) -> str:
    """``rows`` in one of `FORMATS`.

    Args:
        title: Heading of a page.
        whole: Show long cells of text whole instead of cut.
    """
    keys = tuple(dict.fromkeys(key for row in rows for key in row))
    if form == "json":
        return json.dumps({"schema": 1, title: list(rows)}, indent=1, ensure_ascii=True) + "\n"
    if form == "csv":
        lines = [keys, *(tuple(_plain(row.get(key)) for key in keys) for row in rows)]
        return "".join(
            ",".join(encode_for_sink(cell, Sink.CSV) for cell in line) + "\r\n" for line in lines
        )
    if form == "html":
        return _page(rows, keys, title)
    return _text(rows, keys, whole=whole)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {item}" for key, item in value.items())
    return str(value)


def _text(rows: Sequence[Row], keys: tuple[str, ...], *, whole: bool) -> str:
    limit = 1 << 20 if whole else MAX_CELL
    cells = [keys, *(tuple(_shown(row.get(key), limit) for key in keys) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(keys))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )
    return "".join(f"{line}\n" for line in lines) if rows else "nothing\n"


def _shown(value: Any, limit: int) -> str:
    text = encode_for_sink(_plain(value), Sink.TERMINAL).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _page(rows: Sequence[Row], keys: tuple[str, ...], title: str) -> str:
    head = element("tr", [element("th", key) for key in keys])
    body = [element("tr", [element("td", _plain(row.get(key))) for key in keys]) for row in rows]
    return document(title, element("h1", title), element("table", head, body))
