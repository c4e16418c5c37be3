"""Names of packages: which are known, and which only look like a known one.

The list beside this module holds the 15,000 most downloaded packages of the public index, most
downloaded first. A name on it is itself, not an imitation. A name that is one slip away from a
popular one (a letter lost, doubled, swapped or replaced, another ending, a word more) looks
like it.

References:
    Vu, Pashchenko, Massacci, Plate and Sabetta (2020), Typosquatting and combosquatting attacks
    on the Python ecosystem, EuroS&PW, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from hauberk.methods.expressions import expression

POPULAR = Path(__file__).with_name("popular_packages.txt")
N_IMITATED = 4000
"""Packages worth imitating: the most downloaded of the list."""

MIN_LETTERS = 4
"""Shorter names have neighbours by chance."""

_SIGHT = str.maketrans({"0": "o", "1": "l", "5": "s", "3": "e", "4": "a", "7": "t", "i": "l"})
_WORDS = frozenset(
    """
    python python3 py lib library official dev sdk core utils util tools pkg package api client
    gpu cpu cuda new latest fix patched secure security plus pro ai
    """.split()  # noqa: SIM905 - a table of words
)
_TOOLS = frozenset(
    {"python", "pypy", "nodejs", "cudatoolkit", "openssl", "libgcc", "sqlite", "zlib"}
)
"""What other package managers call so, and no index of Python packages has."""

_BEFORE = ("python-", "python3-", "py-", "py", "pip-", "pypi-", "lib")
_AFTER = ("-python", "-python3", "-py", "py", "-lib", "-official", "-dev", "s", "2", "3", "-gpu-cuda", "-js")  # fmt: skip


def normal(name: str) -> str:
    """A name as an index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def ranks() -> dict[str, int]:
    """Every popular name with its place, from 0."""
    names = POPULAR.read_text("utf-8").split()
    return {normal(name): place for place, name in reversed(list(enumerate(names)))}


@cache
def _squeezed() -> dict[str, str]:
    """Imitated names without separators and by the look of their letters."""
    found: dict[str, str] = {}
    for name, place in sorted(ranks().items(), key=lambda item: item[1]):
        if place < N_IMITATED and len(name) >= MIN_LETTERS:
            found.setdefault(_look(name), name)
    return found


def _look(name: str) -> str:
    return name.replace("-", "").translate(_SIGHT).replace("rn", "m").replace("vv", "w")


@cache
def imitated(name: str) -> str:
    """The popular package that ``name`` looks like and is not; empty for none.

    >>> imitated("reqeusts"), imitated("scikit-learn"), imitated("numpy2")
    ('requests', '', 'numpy')
    """
    own = normal(name)
    if own in ranks() or own in _TOOLS or len(own) < MIN_LETTERS:
        return ""
    for candidate in _candidates(own):
        if candidate != own and ranks().get(candidate, N_IMITATED) < N_IMITATED:
            return candidate
    same = _squeezed().get(_look(own), "")
    return same if same != own else ""


def _candidates(name: str) -> Iterator[str]:
    """Popular names that one slip would have turned into ``name``."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
    yield from _affixes(name)
    if len(name) < MIN_LETTERS + 1:
        return
    for place in range(len(name)):
        yield name[:place] + name[place + 1 :]
        if place + 1 < len(name):
            yield name[:place] + name[place + 1] + name[place] + name[place + 2 :]
        for letter in letters:
            yield name[:place] + letter + name[place + 1 :]
            yield name[:place] + letter + name[place:]
    for letter in letters:
        yield name + letter


def _affixes(name: str) -> Iterator[str]:
    for before in _BEFORE:
        if name.startswith(before) and len(name) - len(before) >= MIN_LETTERS:
            yield name[len(before) :]
    for after in _AFTER:
        if name.endswith(after) and len(name) - len(after) >= MIN_LETTERS:
            yield name[: -len(after)]
    parts = name.split("-")
    if len(parts) > 1:
        yield "-".join(reversed(parts))
        for place, part in enumerate(parts):
            if part in _WORDS:
                rest = "-".join(parts[:place] + parts[place + 1 :])
                yield rest if len(rest) > MIN_LETTERS else name


_INTERNAL = expression(
    r"(?:^|-)(?:internal|inhouse|in-house|corp|corporate|private|intranet|intra|company|proprietary)(?:-|$)"
)


def sounds_internal(name: str) -> bool:
    """Whether a name says that it belongs to a house, which a public index does not know."""
    own = normal(name)
    return own not in ranks() and _INTERNAL.search(own) is not None
