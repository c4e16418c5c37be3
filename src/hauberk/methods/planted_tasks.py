"""Plain tasks that stand in a document and do not belong there.

"What is the capital of France?" in a receipt sets no rule aside and speaks to nobody; it is odd
only where it stands. Three things are asked of every sentence of a document. Is it a task that
is done with words: to write, translate, list or answer, something made of words? Does it share
its subject with the rest? And does the rest give tasks as well, as a manual, a form and a page of
questions do? One or two tasks, of a subject of their own, among sentences that only tell, are
planted.

Limits:
    A task about the document's own subject passes, as does one in a page of instructions.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import dropwhile
from typing import Final

from hauberk.methods.concepts import concepts, words

MAX_LETTERS: Final = 200_000
MAX_SENTENCES: Final = 2_000
_MIN_WORDS, _MAX_WORDS = 3, 60
_STEM: Final = 5
_SURE: Final = 2
_MIN_OWN: Final = 2
"""Words of its own from which on a task has a subject that the rest can have or not."""

_MANY: Final = 3
"""Tasks of one document from which on it is one that gives tasks."""

_CODE = re.compile(r"\w\(|[{}=<>\\`$]|^\s*#")
_CUT = re.compile(r"(?<=[.!?;])\s+|[\n|]+")
_OWN_ANSWER = re.compile(
    r"\byour (?:\w+ ){0,2}(?:answer|response|reply|output)s?\b(?! (?:to|within|by|from) )",
    re.IGNORECASE,
)


@cache
def _sets() -> Mapping[str, frozenset[str]]:
    told = tomllib.loads(files("hauberk.methods").joinpath("planted_tasks.toml").read_text("utf-8"))
    return {name: frozenset(listed.split()) for name, listed in told.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A sentence that asks for something.

    Attributes:
        points: How sure it is that something made of words is asked for.
        overlap: Share of its own words that stand elsewhere in the document, 0 to 1.
    """

    text: str
    points: int
    overlap: float


def planted(text: str) -> int:
    """Points of the most telling task that does not belong to its document; 0 for none."""
    cut = [part for part in _CUT.split(text[:MAX_LETTERS]) if part.strip()][:MAX_SENTENCES]
    read = [(part, list(words(part))) for part in cut]
    tasks = list(_tasks(read))
    if not tasks or _gives_tasks(tasks, read):
        return 0
    return max((task.points for task in tasks if task.overlap <= _most(task)), default=0)


def _most(task: Task) -> float:
    return 0.5 if task.points > _SURE else 0.0


def _gives_tasks(tasks: Sequence[Task], read: Sequence[tuple[str, list[str]]]) -> bool:
    """Whether tasks are what such a document is made of."""
    return len(tasks) >= _MANY and len(tasks) * 20 > len(read)


def _tasks(read: Sequence[tuple[str, list[str]]]) -> Iterator[Task]:
    """Every sentence that asks for something, with how it fits to the others."""
    known = Counter(stem for _, found in read for stem in set(_own(found)))
    for part, found in read:
        if _CODE.search(part):
            continue
        if _MIN_WORDS <= len(found) <= _MAX_WORDS and (points := _points(part, found)):
            own = set(_own(found))
            shared = sum(known[stem] > 1 for stem in own)
            if points > _SURE or len(own) >= _MIN_OWN:
                yield Task(text=part, points=points, overlap=shared / max(1, len(own)))


@cache
def _of_no_subject() -> frozenset[str]:
    sets = _sets()
    return sets["empty"] | sets["doing"] | sets["of_words"]


def _own(found: Sequence[str]) -> Iterator[str]:
    """Stems of what a sentence is about."""
    other = _of_no_subject()
    return (word[:_STEM] for word in found if len(word) >= _STEM - 1 and word not in other)


def _points(part: str, found: Sequence[str]) -> int:
    """How surely a sentence asks for something made of words: 0 to 3."""
    sets = _sets()
    rest = list(dropwhile(sets["leads"].__contains__, found))
    if not rest or sets["theirs"].intersection(rest):
        return 0
    if _OWN_ANSWER.search(part) and rest[0] not in sets["telling"]:
        return 3
    if rest[0] in sets["asking"]:
        is_question = part.rstrip(" \"')*").endswith("?")
        return 2 if is_question and len(rest) > _MIN_WORDS else 0
    if rest[0] in sets["doing"] or "show" in concepts(rest[0]):
        return 1 + _is_with_words(rest)
    return 0


def _is_with_words(rest: Sequence[str]) -> bool:
    sets = _sets()
    made = sets["of_words"].intersection(rest[1:])
    return bool(made) or rest[0] in sets["with_words"] or rest[1:2] == ["me"]
