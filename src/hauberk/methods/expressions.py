"""Expressions that are compiled when they are first used.

The rules over code have hundreds of them; a scan whose results are kept uses none, and compiling
them all would take most of its time.
"""

from __future__ import annotations

import re
from typing import Any, cast

_MADE = ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split")
_known: list[Any] = []


class _Late:
    """Stands for an expression; at the first use it takes over the methods of the compiled one."""

    def __init__(self, pattern: str, flags: int) -> None:
        self.pattern = pattern
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        if name not in _MADE:
            raise AttributeError(name)
        made = re.compile(self.pattern, self.flags)
        for each in _MADE:
            setattr(self, each, getattr(made, each))
        return getattr(made, name)


def expression(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """What ``re.compile`` gives, once it is used.

    >>> expression("a+").sub("b", "caat")
    'cbt'
    """
    late = _Late(pattern, int(flags))
    _known.append(late)
    return cast("re.Pattern[str]", late)


def all_known() -> list[re.Pattern[str]]:
    """Every expression of the modules that were imported."""
    return list(_known)
