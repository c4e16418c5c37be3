"""HTML of strangers, read to its end within a bound.

The parser of the standard library goes on at every ``<`` that begins nothing whole, and looks
from there to the end of the text: sixty kilobytes of ``<a `` take it most of a minute. And it
raises `AssertionError` at ``<![`` with anything but the keywords of SGML behind it. Here what
begins and does not end is counted, and past a number of them the rest is text, unread; a section
of any name is a comment, as browsers have it.

References:
    WHATWG HTML, section 13.2.5.42, "markup declaration open state". CVE-2025-6069.
"""

from __future__ import annotations

import html
from html.parser import HTMLParser
from typing import Final

MAX_BROKEN: Final = 64
"""Tags and comments that begin and do not end; no writer's mistakes are so many."""


class _TooBrokenError(Exception):
    """Where reading stopped."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class HtmlReader(HTMLParser):
    """Gives tags, comments and text of a document, in order, to the methods of a subclass."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._broken = 0

    def read(self, text: str) -> None:
        """Read a whole document; what is too broken to be read is text."""
        try:
            self.feed(text)
            self.close()
        except _TooBrokenError as stop:
            self.handle_data(html.unescape(self.rawdata[stop.place :]))

    def parse_starttag(self, i: int) -> int:
        """As the library does."""
        return self._counted(i, super().parse_starttag(i))

    def parse_endtag(self, i: int) -> int:
        """As the library does."""
        return self._counted(i, super().parse_endtag(i))

    def parse_comment(self, i: int, report: bool = True) -> int:  # noqa: FBT001, FBT002 - as there
        """As the library does."""
        return self._counted(i, super().parse_comment(i, report))

    def parse_pi(self, i: int) -> int:
        """As the library does."""
        return self._counted(i, super().parse_pi(i))

    def parse_html_declaration(self, i: int) -> int:
        """As the library does."""
        return self._counted(i, super().parse_html_declaration(i))

    def parse_marked_section(self, i: int, report: bool = True) -> int:  # noqa: FBT001, FBT002 - as there
        """A comment up to the next ``>``."""
        return self.parse_bogus_comment(i, report)

    def _counted(self, place: int, end: int) -> int:
        if end < 0:
            self._broken += 1
            if self._broken > MAX_BROKEN:
                raise _TooBrokenError(place)
        return end
