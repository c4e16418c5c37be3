"""Documents that a product puts into a message of its user, between tags.

Retrieval often has no role of its own: what was found is written into the question, as
``<document>...</document>``. What stands between such tags was not written by the user. Names that
people paste under (mail, file) are not among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Final

MAX_ENCLOSED: Final = 64
_NAMES = (
    r"(?:documents?|docs?|contexts?|sources?|passages?|results?|search_results?|chunks?|snippets?|"
    r"articles?|pages?|web_?pages?|retrieved|knowledge|tool_(?:result|output|response)s?|observations?)"
)
_OPEN = re.compile(rf"<({_NAMES})\b[^<>]{{0,120}}>", re.IGNORECASE)


def enclosed(text: str) -> Iterator[str]:
    """What stands between tags of documents, whole; an open one ends with the message.

    >>> list(enclosed("<doc n='1'>Open at nine.</doc> When do you open?"))
    ['Open at nine.']
    """
    return (text[start:end] for start, end in islice(_spans(text), MAX_ENCLOSED))


def around(text: str) -> str:
    """What stands around them: the words of whoever asks.

    >>> around("<doc n='1'>Open at nine.</doc> When do you open?")
    "<doc n='1'></doc> When do you open?"
    """
    pieces, at = [], 0
    for start, end in islice(_spans(text), MAX_ENCLOSED):
        pieces.append(text[at:start])
        at = end
    return "".join([*pieces, text[at:]])


def _spans(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while found := _OPEN.search(text, at):
        close = _closing(found[1].lower()).search(text, found.end())
        yield found.end(), len(text) if close is None else close.start()
        if close is None:
            return
        at = close.start()


@cache
def _closing(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}", re.IGNORECASE)
