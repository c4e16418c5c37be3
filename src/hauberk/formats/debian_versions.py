"""Versions of Debian packages, compared as ``dpkg --compare-versions`` does.

References:
    Debian Policy Manual 5.6.12, "Version".
"""

from __future__ import annotations

import re
from functools import total_ordering
from itertools import zip_longest

_FORM = re.compile(r"(?:(?P<epoch>\d{1,9}):(?=.))?(?P<upstream>(?(epoch)[\w.+~:-]+|[\w.+~-]+))")
_PARTS = re.compile(r"(\D*)(\d*)")
_MAX = 300
_Key = tuple[int, list[tuple[list[int], int]], list[tuple[list[int], int]]]


@total_ordering
class DebianVersion:
    """One version; what is none raises.

    >>> DebianVersion("1.0~rc1-1") < DebianVersion("1.0-1") < DebianVersion("1.0-1+deb12u1")
    True
    """

    __slots__ = ("_key", "text")

    def __init__(self, text: str) -> None:
        match = _FORM.fullmatch(text.strip())
        if match is None or len(text) > _MAX:
            raise ValueError(text)
        self.text = text.strip()
        upstream, dash, revision = match["upstream"].rpartition("-")
        self._key: _Key = (
            int(match["epoch"] or 0),
            _parts(upstream if dash else revision),
            _parts(revision if dash else ""),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DebianVersion) and _order(self._key, other._key) == 0

    def __lt__(self, other: DebianVersion) -> bool:
        return _order(self._key, other._key) < 0

    def __hash__(self) -> int:
        return hash(str(self._key))


def _parts(text: str) -> list[tuple[list[int], int]]:
    """Signs and numbers in turn; a tilde comes before the end, letters before other signs."""
    found = _PARTS.findall(text)
    parts = [([_weight(sign) for sign in signs], int(number or 0)) for signs, number in found]
    while parts and parts[-1] == ([], 0):
        parts.pop()
    return parts


def _weight(sign: str) -> int:
    if sign == "~":
        return -1
    return ord(sign) if sign.isalpha() else ord(sign) + 256


def _order(one: _Key, two: _Key) -> int:
    if one[0] != two[0]:
        return -1 if one[0] < two[0] else 1
    return _order_parts(one[1], two[1]) or _order_parts(one[2], two[2])


def _order_parts(one: list[tuple[list[int], int]], two: list[tuple[list[int], int]]) -> int:
    for (signs, number), (others, other) in zip_longest(one, two, fillvalue=([], 0)):
        for mine, theirs in zip_longest(signs, others, fillvalue=0):
            if mine != theirs:
                return -1 if mine < theirs else 1
        if number != other:
            return -1 if number < other else 1
    return 0


def debian_version(text: str) -> DebianVersion | None:
    """A version, or ``None`` for what is none."""
    try:
        return DebianVersion(text)
    except ValueError:
        return None
