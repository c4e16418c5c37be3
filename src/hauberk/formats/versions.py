"""Versions of Python packages, compared as PEP 440 orders them."""

from __future__ import annotations

import re
from functools import total_ordering

_FORM = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>a|b|c|rc|alpha|beta|pre|preview)[-_.]?(?P<pre_n>\d*))?"
    r"(?P<post>-(?P<post_n1>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_n2>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_n>\d*))?(?:\+(?P<local>[a-z0-9.\-_]+))?",
    re.IGNORECASE,
)
_PRE = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_FINAL = 3


@total_ordering
class Version:
    """One version; what is none of PEP 440 has no place in the order and raises.

    >>> Version("2.6.0") > Version("2.6.0rc1") > Version("2.5.1")
    True
    """

    __slots__ = ("_key", "text")

    def __init__(self, text: str) -> None:
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError(text)
        self.text = text.strip()
        release = [int(part) for part in match["release"].split(".")]
        while len(release) > 1 and release[-1] == 0:
            release.pop()
        pre = (
            (_PRE[match["pre"].lower()], int(match["pre_n"] or 0)) if match["pre"] else (_FINAL, 0)
        )
        post = int(match["post_n1"] or match["post_n2"] or 0) if match["post"] else -1
        if match["dev"] and not match["pre"] and post < 0:
            pre = (-1, 0)
        dev = int(match["dev_n"] or 0) if match["dev"] else 1 << 60
        self._key = (int(match["epoch"] or 0), tuple(release), pre, post, dev)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)


def version(text: str) -> Version | None:
    """A version, or ``None`` for what is none."""
    try:
        return Version(text)
    except ValueError:
        return None
