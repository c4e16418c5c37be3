"""Instructions planted in prompts, templates and descriptions of tools.

The patterns name what an honest prompt has no reason to say: to set earlier instructions
aside, to hide something from the user, to carry the conversation or secrets elsewhere.
Sources: OWASP LLM01, MITRE ATLAS AML.T0051 and AML.T0110 (tool poisoning).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, evasive

MAX_CHARACTERS = 1 << 20

_GAP = r"[^.\n]{0,40}?"
_GAP_TO_NOUN = rf"{_GAP}\b(instruction|rule|guideline|prompt|polic|message|filter|direction)"
_OTHERS = r"\b(previous|prior|above|earlier|preceding|safety|system|developer|original)\b"
_KEYS = r"api[ _-]?keys?\b|private keys?\b|environment variables|\bpasswords\b|credentials"
_PERSONAL = r"(passwords?|passcode|pin|card number|credit card|cvv|seed phrase|one-time code)\b"
_SOURCES: dict[str, tuple[str, str]] = {
    "sets other instructions aside": (
        r"\b(ignore|disregard|forget|override|bypass)\b",
        _OTHERS + _GAP_TO_NOUN,
    ),
    "hides something from the user": (
        r"\b(do not|don't|never|without)\b",
        rf"\b(tell|mention|inform|alert|notify|let)(ing|ting)?\b{_GAP}\b(user|human|operator)",
    ),
    "carries the conversation elsewhere": (
        r"\b(send|post|upload|forward|transmit|exfiltrate|leak|email|append|embed|report)\b",
        r"https?://|ftp://|\b[\w.+-]{1,64}@[\w-]{1,64}\.\w|\bwebhook\b",
    ),
    "shows a picture whose address carries data": (
        r"!\[|<img\b",
        r"\]\(https?://[^)\n]{0,200}(\{|=)|\bsrc\s*=\s*[\"']?https?://[^\s\"'>]{0,200}(\{|=)",
    ),
    "leads the user to an address": (
        r"\b(always|must|every|recommend\w*|redirect\w*|direct|visit|click)\b",
        r"https?://|\bwww\.",
    ),
    "asks for secrets": (
        r"\b(read|open|print|reveal|include|output|collect|access|cat)\b",
        r"(\.ssh\b|id_rsa|/etc/passwd|/etc/shadow|\.env\b|\.aws/|" + _KEYS + ")",
    ),
    "asks the user for secrets": (
        r"(?<!not )(?<!never )(?<!n't )\b(enter|type|provide|submit|confirm|share|ask for|give)\b",
        r"\b(their|your|his|her|the user'?s?)\b[^.\n]{0,20}?\b" + _PERSONAL,
    ),
}
LEADS = "leads the user to an address"
_WEAK = frozenset({"hides something from the user", "asks the user for secrets", LEADS})
STRONG = frozenset({"sets other instructions aside", "shows a picture whose address carries data"})
"""What nobody writes for people, wherever it stands."""

_PATTERNS = {
    what: (re.compile(first, re.IGNORECASE), re.compile(second, re.IGNORECASE))
    for what, (first, second) in _SOURCES.items()
}
_REACH = 100
"""Characters between a verb and what it is about."""

_HIDDEN = re.compile("[\U000e0000-\U000e007f\u202a-\u202e\u2066-\u2069]|[\u200b-\u200d\u2060]{6}")


def judge_text(text: str) -> Iterator[Remark]:
    """Remarks about text that a model will read as its instructions; at most one of a kind.

    To keep something from the user is what honest prompts ask for too (how tools work, for
    example), and so is a page of help: alone they are a question for a person.
    """
    part = text[:MAX_CHARACTERS]
    found = {what: said for what in _PATTERNS if (said := _said(part, what))}
    for what, match in found.items():
        shown = printable(" ".join(match.split()))[:120]
        said = f"text for the model {what}: {shown!r}"
        is_weak = found.keys() <= _WEAK and len(found) == 1
        yield Remark(Grade.UNKNOWN if is_weak else Grade.EVASIVE, what, said, 0)
    if _HIDDEN.search(part):
        yield evasive("text for the model holds characters that a person cannot see")


def _said(text: str, what: str) -> str:
    """The words of one pattern: a verb and, in the same sentence behind it, its object.

    Two searches and not one expression, so that the time is linear in the text.
    """
    first, second = _PATTERNS[what]
    verbs = [match.span() for match in first.finditer(text)]
    starts = [start for start, _ in verbs]
    for match in second.finditer(text) if verbs else ():
        place = bisect_left(starts, match.start()) - 1
        if place < 0:
            continue
        start, end = verbs[place]
        between = text[end : match.start()]
        if len(between) <= _REACH and not _END_OF_SENTENCE.search(between):
            return text[start : match.end()]
    return ""


_END_OF_SENTENCE = re.compile(r"\n|[.!?]\s")
