"""Text for a terminal: wrapped at a width, coloured only if asked, inert whatever it says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hauberk.report.markup import visible

WIDTH = 80


class Ink(StrEnum):
    """SGR parameters of the few colours used; meaning never rests on colour alone."""

    GOOD = "32"
    BAD = "1;31"
    CAUTION = "33"
    QUIET = "2"
    STRONG = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """How text is laid out.

    Attributes:
        colour: Whether escape sequences may be written; the caller knows the terminal.
    """

    colour: bool = False
    width: int = WIDTH

    def ink(self, text: str, ink: Ink | None) -> str:
        """``text`` in a colour, where colours are wanted."""
        return f"\x1b[{ink}m{text}\x1b[0m" if self.colour and ink else text

    def wrap(self, text: str, *, indent: int = 0, first: str = "") -> list[str]:
        """Lines of ``text`` no wider than the width; ``first`` leads the first line."""
        lead = " " * indent
        start = first.ljust(indent) if first else lead
        shown = visible(text)
        if shown and shown == shown.strip() and len(start) + len(shown) <= self.width:
            return [start + shown]
        import textwrap

        return textwrap.wrap(
            shown,
            self.width,
            initial_indent=start,
            subsequent_indent=lead,
            break_on_hyphens=False,
        ) or [first]

    def fit(self, text: str, room: int) -> str:
        """``text`` in at most ``room`` columns, cut in the middle where it is longer."""
        text = visible(text)
        if len(text) <= room:
            return text
        half = (room - 1) // 2
        return f"{text[: room - 1 - half]}…{text[len(text) - half :]}"
