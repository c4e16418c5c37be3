"""Publishers on model hubs: which are known, and which names only look like a known one.

The list beside this module holds publishers that many projects load from. A name on it is
itself, not an imitation. Another name that is read as one of them, or that is one slip away, is
how an attacker's upload comes to be pulled.

References:
    Vu, Pashchenko, Massacci, Plate and Sabetta (2020), Typosquatting and combosquatting attacks
    on the Python ecosystem, EuroS&PW, section 3; MITRE ATLAS AML.T0010.003.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("model_publishers.txt")

MIN_READ = 4
"""Shorter names are read as another one by chance."""

MIN_SLIPPED = 6
"""Shorter names have neighbours of one slip by chance."""

_SIGHT = str.maketrans({"0": "o", "1": "l", "5": "s", "3": "e", "4": "a", "7": "t", "i": "l"})
_BEFORE = re.compile(r"^(the|real|official|team)[-_.]?")
_AFTER = re.compile(r"[-_.]?(official|team|models?|hub|inc|labs?|org|hf|ai)$")


@cache
def publishers() -> frozenset[str]:
    """Every known publisher, in lower case."""
    return frozenset(_LIST.read_text("utf-8").split())


@cache
def _by_look() -> dict[str, str]:
    return {_look(name): name for name in sorted(publishers()) if len(name) >= MIN_READ}


def _look(name: str) -> str:
    return _squeezed(name).translate(_SIGHT).replace("rn", "m").replace("vv", "w")


def _squeezed(name: str) -> str:
    return re.sub(r"[-_.]", "", name.lower())


@cache
def imitated_publisher(repository: str) -> str:
    """The known publisher that the owner of ``owner/name`` looks like and is not.

    >>> imitated_publisher("meta-1lama/Llama-3"), imitated_publisher("rnicrosoft/phi-2")
    ('meta-llama', 'microsoft')
    >>> imitated_publisher("microsoft/phi-2"), imitated_publisher("someone/phi-2")
    ('', '')
    """
    owner = repository.partition("/")[0].lower()
    if owner in publishers() or len(owner) < MIN_READ:
        return ""
    look = _look(owner)
    known = _by_look()
    if look in known:
        return known[look]
    front = _BEFORE.sub("", owner)
    for bare in (front, _AFTER.sub("", owner), _AFTER.sub("", front)):
        if len(bare) >= MIN_SLIPPED and _look(bare) in known:
            return known[_look(bare)]
    plain = _squeezed(owner)
    slips = (
        name
        for other, name in known.items()
        if _is_slip(look, other) or _is_slip(plain, _squeezed(name))
    )
    return next(slips, "")


def _is_slip(name: str, other: str) -> bool:
    """Whether one letter is lost, added, replaced, or swapped with its neighbour."""
    if len(other) < MIN_SLIPPED or abs(len(name) - len(other)) > 1 or name == other:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(name, other, strict=False)) if a != b),
        min(len(name), len(other)),
    )
    left, right = name[start:], other[start:]
    if len(name) != len(other):
        longer, shorter = (left, right) if len(left) > len(right) else (right, left)
        return longer[1:] == shorter
    return left[1:] == right[1:] or (
        left[2:] == right[2:] and left[1::-1] == right[:2] and len(left) > 1
    )
