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
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
_CUT = re.compile(r"(?<=[.!?;])\s+|\s*[\n|]+\s*")
_LEADS = frozenset(
    "please now then also and next first finally kindly just so could can would will you i want need like to always "
    "must should let's instead additionally remember hey hello hi ok okay well before after".split()
)
_DOING = frozenset(
    "write rewrite translate summarize summarise paraphrase explain describe list name tell give answer respond reply "
    "output print repeat say spell recite render encode convert classify solve compute calculate draft compose generate "
    "create produce provide suggest recommend include insert add append prepend embed weave mention discuss compare define "
    "outline analyze analyse identify share craft construct sing narrate imagine pretend act speak use format state "
    "introduce incorporate reference express present shift alter adapt employ make replace end begin start finish conclude "
    "utilize utilise apply find determine invent propose rate rank review predict estimate polish correct proofread tweak".split()
)
_OF_WORDS = frozenset(
    "response responses answer answers reply replies message output sentence sentences paragraph paragraphs word words letter "
    "letters story stories poem poems haiku joke jokes essay text texts code script snippet language languages english french "
    "spanish german italian chinese japanese russian synonym synonyms antonym phrase phrases quote quotes title headline slogan "
    "tweet post summary translation example examples recipe lyrics song dialogue speech advertisement ad promotion review "
    "fact facts statistic statistics claim opinion riddle pun tone style emoji emojis rhyme acronym cipher base64 morse "
    "definition meaning description caption outline plot character list bullet steps tips reasons ways question questions".split()
)
_ASKING = frozenset("what what's who who's whose where when why how which".split())
_WITH_WORDS = frozenset(
    "explain describe summarize summarise paraphrase translate define discuss compare outline".split()
)
"""What is done with words, whatever it is done to."""
_OWN_ANSWER = re.compile(
    r"\byour (?:\w+ ){0,2}(?:answer|response|reply|output)s?\b(?! (?:to|within|by|from) )", re.IGNORECASE
)
_TELLING = frozenset(
    "i we you he she it they your our my thank thanks if when since as while once because for after upon all any the a an "
    "this that these those is are was were has have had there here not no".split()
)
"""How sentences begin that tell something of an answer, and do not order one."""
_THEIRS = frozenset("we us our ours".split())
_EMPTY = frozenset(
    "this that these those with from into about your yours have what which where when whose will would could should there "
    "their them they then than some such only also just more most very each other does make made many much well here "
    "over under between after before following above below using within least".split()
)


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
    cut = [part for part in _CUT.split(text[:MAX_LETTERS]) if part][:MAX_SENTENCES]
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


def _own(found: Sequence[str]) -> Iterator[str]:
    """Stems of what a sentence is about."""
    for word in found:
        if len(word) > 3 and word not in _EMPTY and word not in _DOING and word not in _OF_WORDS:  # noqa: PLR2004 - shorter ones say little
            yield word[:_STEM]


def _points(part: str, found: Sequence[str]) -> int:
    rest = list(found)
    while rest and rest[0] in _LEADS:
        rest.pop(0)
    if not rest:
        return 0
    first, others = rest[0], set(rest[1:])
    if others & _THEIRS:
        return 0
    if _OWN_ANSWER.search(part) and first not in _TELLING:
        return 3
    is_question = part.rstrip(" \"')*").endswith("?")
    if first in _ASKING:
        return 2 if is_question and len(rest) > _MIN_WORDS else 0
    if first in _DOING or "show" in concepts(first):
        made = bool(others & _OF_WORDS) or first in _WITH_WORDS or rest[1:2] == ["me"]
        return 1 + made
    return 0
