"""Regular expressions that are compiled when they are first used.

Compiling the larger ones takes as long as reading a small file, and most scans need few.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import AnyStr


def late(source: AnyStr, flags: int = 0) -> Callable[[], re.Pattern[AnyStr]]:
    """Something that gives the pattern.

    >>> digits = late(r"[0-9]+")
    >>> digits().findall("1 and 23")
    ['1', '23']
    """
    return cache(lambda: re.compile(source, flags))


def ending_of(name: str) -> str:
    """What stands behind the last dot of a name, in small letters; empty without a dot.

    >>> ending_of("Model.PKL"), ending_of("model")
    ('pkl', '')
    """
    return name.rpartition(".")[2].lower() if "." in name else ""
