"""Numbers as texts show them: grouped, rounded, in percent, with a decimal comma.

The patterns have no nested repetition, so the time is linear in the text.

Limits:
    Numbers that were cut off and not rounded, standardised or written in words are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PLAIN = re.compile(
    r"(?<![\w.])[-+\u2212]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,3})?(?!\w)%?"
)
_GROUPED = re.compile(
    r"(?<![\w.,])[-+\u2212]?\d{1,3}(?:[,'\u2019\u00a0\u202f ]\d{3}){1,6}(?:\.\d{1,20})?(?!\w|,\d)%?"
)
_COMMA = re.compile(r"(?<![\w.,])[-+\u2212]?\d{1,20}(?:\.\d{3}){0,6},\d{1,20}(?!\w|,\d)%?")
_SLACK = 1e-9
"""Relative; what printing and reading back may change."""


@dataclass(frozen=True, slots=True)
class ShownNumber:
    """A number in a text.

    Attributes:
        start: Its first character.
        low: Smallest value that is shown so after rounding.
        high: Largest such value.
    """

    start: int
    low: float
    high: float


def shown_numbers(text: str) -> Iterator[ShownNumber]:
    """Every reading of every number in ``text``, grouped by pattern; several may share a place.

    >>> [round(item.high, 3) for item in shown_numbers("about 1,234.5 and 7%")][:4]
    [1.5, 234.55, 7.5, 0.075]
    """
    for match in _PLAIN.finditer(text):
        yield from _readings(match.start(), match.group())
    for match in _GROUPED.finditer(text):
        yield from _readings(match.start(), re.sub(r"[,'\u2019\u00a0\u202f ]", "", match.group()))
    for match in _COMMA.finditer(text):
        plain = match.group().replace(".", "").replace(",", ".")
        yield from _readings(match.start(), plain)


def _readings(start: int, text: str) -> Iterator[ShownNumber]:
    is_share = text.endswith("%")
    number = text.rstrip("%").replace("\u2212", "-")
    digits, _, power = number.lower().partition("e")
    decimals = len(digits.partition(".")[2]) - int(power or 0)
    value = float(number)
    reach = 0.5 * 10.0 ** -max(-300, min(300, decimals)) + _SLACK * abs(value)
    if value - value == 0 and reach - reach == 0:  # finite
        yield ShownNumber(start, value - reach, value + reach)
        if is_share:
            yield ShownNumber(start, (value - reach) / 100, (value + reach) / 100)
