"""What somebody writes to a language model to take it over: for its secrets, its rules, its voice.

A sentence planted in a document speaks to a reader that should not act on it at all
(`methods.instructions`). A user may say what to do; what a user has no honest reason for is to ask
for the operator's words, to speak in the operator's name, or to ask for a voice without rules.
Each family of wordings has points; those that ordinary questions share have fewer.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final

from hauberk.methods.instructions import MAX_TEXT, disguises, windows
from hauberk.methods.spelled_codes import spelled
from hauberk.methods.takeover_model import Head, margin

ENOUGH: Final = 3


def takeover(text: str) -> int:
    """Points of what asks for a model's secrets, rules or voice, whatever its spelling hides.

    From `ENOUGH` on a user's message says it. Points of families add up, each once.
    """
    raw = text[:MAX_TEXT]
    best = _points(raw)
    for view in _views(raw):
        found = _points(view)
        if found >= ENOUGH:
            best = max(best, found)
    return best


def likeness(text: str, head: Head) -> float:
    """How much ``text``, or what it says under its disguises, is like a takeover: a margin."""
    raw = text[:MAX_TEXT]
    return max(margin(raw, head), *(margin(view, head) for view in _views(raw)), -math.inf)


def _views(raw: str) -> Iterator[str]:
    yield from disguises(raw)
    yield from spelled(raw)


def _points(text: str) -> int:
    return max(
        sum(points for points, pattern in _families() if pattern.search(window))
        for window in windows(text)
    )


@cache
def _families() -> tuple[tuple[int, re.Pattern[str]], ...]:
    """Points and pattern of each family of ``takeovers.toml``."""
    table = tomllib.loads(files("hauberk.methods").joinpath("takeovers.toml").read_text("utf-8"))

    def whole(form: str) -> re.Pattern[str]:
        for name, part in table["parts"].items():
            form = form.replace(f"<{name}>", part)
        return re.compile(form, re.IGNORECASE)

    return tuple((int(one["points"]), whole(one["form"])) for one in table["family"])
