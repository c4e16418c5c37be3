"""Text for terminals of eighty columns."""

from __future__ import annotations

import textwrap

WIDTH = 80


def wrapped(text: str, first: str = "", later: str = "", *, width: int = WIDTH) -> list[str]:
    """Lines of at most ``width``; names with hyphens stay whole.

    Args:
        first: Before the first line.
        later: Before the others.
    """
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
    )
