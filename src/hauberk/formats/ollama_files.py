"""Ollama's ``Modelfile``: where a model comes from, and what it is always told.

Lines begin with an instruction (``FROM``, ``ADAPTER``, ``TEMPLATE``, ``SYSTEM``, ``MESSAGE``,
``PARAMETER``, ``LICENSE``); a value may go over several lines between three quotation marks. The
template is one of Go's, whose branches are followed without rendering it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hauberk.formats.pickle_values import printable
from hauberk.formats.planted_text import LEADS, judge_text
from hauberk.formats.remarks import Grade, Remark, Said, evasive

_INSTRUCTIONS = "FROM|ADAPTER|TEMPLATE|SYSTEM|MESSAGE|PARAMETER|LICENSE|RENDERER|PARSER|REQUIRES"
_LINE = re.compile(
    rf"^[ \t]*(?P<what>{_INSTRUCTIONS})[ \t]+(?:(?P<role>system|user|assistant)[ \t]+)?"
    r'(?:"""(?P<long>.*?)(?:"""|\Z)|"(?P<quoted>(?:[^"\\\n]|\\.)*)"[ \t]*$|(?P<plain>[^\n]*))',
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
_NAME = re.compile(r"(^|[/\\._-])modelfile$", re.IGNORECASE)
_FROM = re.compile(rb"(?m)^[ \t]*FROM[ \t]+\S")
_OTHERS = re.compile(rb"(?m)^[ \t]*(TEMPLATE|SYSTEM|ADAPTER|PARAMETER|MESSAGE)[ \t]+\S")


def is_modelfile(look: bytes, name: str) -> bool:
    """Whether a text is one, by its name or by two of its instructions."""
    return bool(_FROM.search(look) and (_NAME.search(name) or _OTHERS.search(look)))


def judge_modelfile(text: str) -> Iterator[Said]:
    """What is wrong with where the model comes from, and with what it is told."""
    for found in _LINE.finditer(text):
        value = found["long"] or found["quoted"] or found["plain"] or ""
        what = found["what"].upper()
        if what in {"FROM", "ADAPTER"}:
            yield from _source(what, value.strip().strip("\"'"))
        elif what in {"SYSTEM", "MESSAGE"}:
            yield from _told(value, what)
        elif what == "TEMPLATE":
            yield from judge_go_template(value)


_MODEL = re.compile(
    r"\.(gguf|ggml|safetensors|bin|pt|pth|zip)$|(^|/)sha256[-:][0-9a-f]{64}$", re.IGNORECASE
)
_PATH = re.compile(r"^(\.{0,2}[/\\]|~|[A-Za-z]:[\\/])|(^|[/\\])\.\.([/\\]|$)")


def _source(what: str, value: str) -> Iterator[Remark]:
    """A file or folder of weights, or a name in a registry."""
    shown = printable(value)[:120]
    if value.startswith("http://"):
        yield evasive(f"its {what} fetches {shown!r}, which anyone on the way can change")
    elif "://" in value:
        yield Remark(Grade.UNKNOWN, value, f"its {what} fetches {shown!r}", 0)
    elif _PATH.search(value) and ".." in re.split(r"[/\\]", value) and not _MODEL.search(value):
        yield evasive(f"its {what} reads {shown!r}, outside of its folder and no model by its name")
    elif re.match(r"[/~]|[A-Za-z]:", value) and not _MODEL.search(value) and _is_private(value):
        yield evasive(f"its {what} reads {shown!r}, a file of the machine and no model")


def _is_private(place: str) -> bool:
    """Whether a place is one of the system's, or a hidden one of a user's."""
    return bool(
        re.search(r"^/(etc|proc|sys|dev|var/log|root/\.|boot)\b|[/\\]\.(?!ollama)\w", place)
    )


def _told(text: str, place: str) -> Iterator[Remark]:
    for remark in judge_text(text):
        yield remark._replace(text=f"{remark.text}, in {place}")


# Go's templates


_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|`([^`]*)`')
_WRITTEN = re.compile(r"\.(Content|Prompt|Response|Suffix|Thinking)\b")
_PLAIN = re.compile(r"[\w ,.'!?-]{3,200}")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_MARKUP = re.compile(r"<[^<>]{1,80}>|\[/?[A-Z_]{2,20}\]")
_FEW_WORDS = 2


class _Block(NamedTuple):
    """A block that is open, and the words of a message that it waits for."""

    opener: str
    trigger: str


def judge_go_template(text: str) -> Iterator[Remark]:
    """Text that is added where a message holds certain words, and instructions in plain text."""
    blocks: list[_Block] = []
    seen: set[str] = set()
    for literal, action in _pieces(text):
        trigger = next((block.trigger for block in blocks if block.trigger), "")
        added = literal + " ".join(first or second for first, second in _printed(action))
        if trigger and trigger not in seen and _words(added) >= _FEW_WORDS:
            seen.add(trigger)
            yield evasive(
                f"a template adds text of its own when a message holds {printable(trigger)[:60]!r}"
            )
        _step(blocks, action)
    literals = "\n".join(_ACTION.split(text)[::2])
    for remark in judge_text(literals):
        if remark.grade > Grade.UNKNOWN or remark.about == LEADS:
            yield remark._replace(grade=Grade.EVASIVE)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """What stands in front of each action, and the action."""
    at = 0
    for found in _ACTION.finditer(text):
        yield text[at : found.start()], found[1]
        at = found.end()
    yield text[at:], ""


def _printed(action: str) -> list[tuple[str, str]]:
    """Strings of an action that prints; those of a test are what it compares with."""
    word = action.partition(" ")[0]
    is_test = word in {"if", "else", "range", "with", "end"} or action.startswith("/*")
    return [] if is_test else _STRING.findall(action)


def _words(text: str) -> int:
    return len(_WORDS.findall(_MARKUP.sub(" ", text)))


def _step(blocks: list[_Block], action: str) -> None:
    word = action.partition(" ")[0]
    if word in {"if", "range", "with", "define", "block"}:
        blocks.append(_Block(word, _trigger(action) if word in {"if", "with"} else ""))
    elif word == "end" and blocks:
        blocks.pop()
    elif word == "else" and blocks:
        blocks[-1] = _Block(blocks[-1].opener, _trigger(action))


def _trigger(action: str) -> str:
    """Plain words that a test looks for in what somebody wrote; marks of formats are none."""
    if _WRITTEN.search(_STRING.sub("", action)):
        for first, second in _STRING.findall(action):
            if _PLAIN.fullmatch(first or second):
                return str(first or second)
    return ""
