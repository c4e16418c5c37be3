"""Documents that stand in a message of a user: between tags, or behind what is to be done to them.

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
MIN_PASTED: Final = 60
_LEAD: Final = 600
"""Letters within which a message says what is to be done to a text."""

_DO_TO_TEXT = re.compile(
    r"\b(?:summari[sz]e|translate|classif\w+|proofread|analy[sz]e|extract|review|read|rewrite|edit|"
    r"paraphrase|correct|answer|respond|evaluate|rate|check|convert|explain|us(?:e|ing)|from|"
    r"based on|according to)\b[^\n]{0,160}\b(?:text|article|document|e?-?mails?|message|letter|"
    r"paragraphs?|passages?|page|report|post|review|comment|transcript|context|content|following|below|this|"
    r"these|story|abstract|paper)\b[^\n:]{0,60}[:\n]",
    re.IGNORECASE,
)
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


def pasted(text: str) -> str:
    """What stands behind "summarise this:" and its like; empty where a message has no such text.

    >>> pasted("Please summarise this article:" + " Rain fell on the town." * 3)
    ' Rain fell on the town. Rain fell on the town. Rain fell on the town.'
    """
    found = _DO_TO_TEXT.search(text[:_LEAD])
    rest = text[found.end() :] if found else ""
    return rest if len(rest) >= MIN_PASTED else ""


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
