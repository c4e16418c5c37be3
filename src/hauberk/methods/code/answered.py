"""Code that answers hold, for people or models who take it as it stands."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hauberk.core.artifact import SourceFile
from hauberk.core.finding import Level, Severity
from hauberk.errors import ArtifactError
from hauberk.formats.python_source import parse
from hauberk.methods.code.reading import read_hits
from hauberk.methods.code.rules import Rule

MAX_BLOCKS: Final = 20_000
"""Blocks of code that are judged; where there are more, evenly spaced rows are."""

MAX_BLOCK: Final = 20_000
"""Letters of a block; longer ones are files rather than answers."""

MIN_ROWS: Final = 5
MIN_SHARE: Final = 0.005
"""Of the answers with code that must break a rule of severity high; slips are rarer."""

_FENCED = re.compile(r"```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_NAMES = {
    **dict.fromkeys(("python", "py", "python3", "ipython", "pycon", "jupyter"), "answer.py"),
    **dict.fromkeys(
        ("bash", "sh", "shell", "zsh", "console", "shellscript", "terminal"), "answer.sh"
    ),
    **dict.fromkeys(("dockerfile", "docker"), "Dockerfile"),
    **dict.fromkeys(("yaml", "yml"), "answer.yaml"),
}
_PYTHON = re.compile(
    r"^\s*(?:import \w|from [\w.]+ import |def \w+\(|class \w+[:(]|@\w)", re.MULTILINE
)
_SHELL = re.compile(
    r"^\s*(?:\$ |#!.*sh\b|sudo |curl |wget |apt(?:-get)? |pip3? |chmod |export \w+=|bash |docker )",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """A rule that the code of several answers breaks, or of one where that is critical.

    Attributes:
        rows: Rows of these answers, increasing.
        found: What stands in the first of them, short.
    """

    rule: Rule
    rows: tuple[int, ...]
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the code of all answers breaks, and of how many answers it was read, or not."""

    habits: tuple[Habit, ...]
    n_read: int
    n_unread: int


def habits(answers: Sequence[str]) -> Habits:
    """Rules that the code of answers breaks more often than by a slip, the worst first."""
    with_code = [row for row, answer in enumerate(answers) if _may_hold_code(answer)]
    step = max(1, -(-len(with_code) // MAX_BLOCKS))
    places: dict[str, list[int]] = defaultdict(list)
    rules: dict[str, tuple[Rule, str]] = {}
    n_read = n_unread = 0
    for row in with_code[::step]:
        blocks = list(blocks_of(answers[row]))
        told, is_read = _broken(blocks)
        n_read += is_read
        n_unread += bool(blocks) and not is_read
        for rule, found in told.values():
            places[rule.name].append(row)
            rules.setdefault(rule.name, (rule, found))
    least = max(MIN_ROWS, MIN_SHARE * n_read)
    kept = [
        Habit(rule=rule, rows=tuple(places[name]), found=found)
        for name, (rule, found) in rules.items()
        if rule.severity is Severity.CRITICAL or len(places[name]) >= least
    ]
    order = {Severity.CRITICAL: 0, Severity.HIGH: 1}
    kept.sort(key=lambda habit: (order[habit.rule.severity], -len(habit.rows), habit.rule.name))
    return Habits(habits=tuple(kept), n_read=n_read, n_unread=n_unread)


def _may_hold_code(answer: str) -> bool:
    return "```" in answer or _PYTHON.search(answer) is not None or bool(_SHELL.search(answer))


def blocks_of(answer: str) -> Iterator[tuple[str, str]]:
    """Names of files that the code of an answer could stand in, and the code.

    What stands between fences is code of the language named there; an answer without fences
    is code where it begins like some.
    """
    fenced = _FENCED.findall(answer)
    for language, code in fenced or [("", answer)]:
        name = _NAMES.get(language.lower()) if language else _guessed(code)
        if name is not None and len(code) <= MAX_BLOCK:
            yield name, code


def _guessed(code: str) -> str | None:
    if _PYTHON.search(code):
        return "answer.py"
    return "answer.sh" if _SHELL.search(code) else None


def _broken(blocks: Sequence[tuple[str, str]]) -> tuple[dict[str, tuple[Rule, str]], bool]:
    """Rules by name that some code breaks, and whether any of it could be read."""
    broken: dict[str, tuple[Rule, str]] = {}
    is_read = False
    for name, code in blocks:
        text = re.sub(r"^(?:\$|>>>|\.\.\.) ", "", code, flags=re.MULTILINE)
        file = SourceFile(name=name, path=Path(name), text=text)
        read = read_hits(file)
        is_read |= not (read.reason or read.broken) and _parses(file)
        for hit in read.hits:
            is_grave = hit.rule.severity in {Severity.CRITICAL, Severity.HIGH}
            if is_grave and hit.rule.level is Level.DEFECT:
                broken[hit.rule.name] = (hit.rule, hit.found)
    return broken, is_read


def _parses(file: SourceFile) -> bool:
    """Whether code of Python is some; all else is read as lines."""
    if file.path.suffix != ".py":
        return True
    try:
        parse(file)
    except ArtifactError:
        return False
    return True
