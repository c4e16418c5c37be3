"""Metadata as it is printed, read by a page, a spreadsheet, a terminal and a parser."""

from __future__ import annotations

import csv
import html.parser
import io
import json
from collections.abc import Callable
from dataclasses import dataclass

from hauberk.range.worlds import readers
from hauberk.report.listing import listing

FORMS = {"html": "html", "csv": "csv", "terminal": "text", "json": "json"}
"""Sink of an attack to the output that is read there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A store's output with one entry, as `attacks.log.inject_metadata` knows it."""

    printed: Callable[[str, str], str]

    def acts(self, sink: str, text: str) -> bool:
        """Whether the reader of ``sink`` does more with the entry than show it."""
        return _READERS[sink](self.printed(sink, text), self.printed(sink, "plain"), text)


def real() -> Listing:
    """What `hauberk metadata` prints."""
    return Listing(printed=lambda sink, text: listing([{"text": text}], FORMS[sink], title="notes"))


def careless() -> Listing:
    """What a script prints that puts strings together."""
    return Listing(printed=lambda sink, text: _CARELESS[sink].replace("TEXT", text))


_CARELESS = {
    "html": "<html><title>TEXT</title><table><tr><th>text</th></tr><tr><td>TEXT</td></tr></table>",
    "csv": "text\r\nTEXT\r\n",
    "terminal": "text\nTEXT\n",
    "json": '{"notes": [{"text": "TEXT"}]}',
}


class _Elements(html.parser.HTMLParser):
    """Counts elements and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.seen += 1 + len(attrs)

    def handle_comment(self, data: str) -> None:
        del data
        self.seen += 1


def _page(printed: str, plain: str, text: str) -> bool:
    """Any element that the same page without the entry does not have, but marks of characters."""
    del text
    inert = printed.replace('<span class="ctl">', "")
    return _Elements(inert).seen != _Elements(plain).seen


def _spreadsheet(printed: str, plain: str, text: str) -> bool:
    del plain, text
    rows = list(csv.reader(io.StringIO(printed, newline="")))
    cells = [cell.strip(" \ufeff") for row in rows for cell in row]
    return len(rows) != 2 or any(len(row) != 1 for row in rows) or any(map(_formula, cells))  # noqa: PLR2004 - a heading and an entry


def _formula(cell: str) -> bool:
    return cell[:1] in tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def _terminal(printed: str, plain: str, text: str) -> bool:
    del text
    return readers.acts("terminal", printed) or printed.count("\n") != plain.count("\n")


def _parser(printed: str, plain: str, text: str) -> bool:
    """A document that is none, or that says another thing than was written."""
    del plain
    try:
        return bool(json.loads(printed)["notes"] != [{"text": text}])
    except (ValueError, KeyError):
        return True


_READERS: dict[str, Callable[[str, str, str], bool]] = {
    "html": _page,
    "csv": _spreadsheet,
    "terminal": _terminal,
    "json": _parser,
}
