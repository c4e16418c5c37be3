"""Text that speaks to a machine that reads it: instructions planted in notes, cards and names.

A sentence for people says what was done; a planted one tells whoever reads it, an assistant or
an agent, what to do, often in somebody else's name, against its rules, or unseen. The signs are
families of phrases; one strong family is enough, of the weaker ones two must meet. A linear
model over words adds what the families do not name, and is never enough by a little alone.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hauberk.methods import instruction_model
from hauberk.methods.encoding import normalised, unwrapped
from hauberk.methods.sinks import CONTROL, INVISIBLE

MAX_TEXT: Final = 100_000
THRESHOLD: Final = 2
WINDOW: Final = 1_600
OVERLAP: Final = 400
"""Characters that are read together, and again with what follows."""

MIN_WORDS: Final = 4
"""Words below which a text is a name and no sentence."""

MIN_ENCODED: Final = 40
"""Characters of one word below which nothing is encoded in it that could be an order."""

LIKELY: Final = 0.5
ALL_BUT_CERTAIN: Final = 0.9
"""Chances of the linear model that count one and two."""

_READER = (
    r"(?:ai|llm|gpt|chatbot|assistant|agent|copilot|language model|bot|automation|reviewer bot|"
    r"summari[sz]er|model reading this|reading this (?:as|with)|"
    r"if you are an? (?:ai|llm|model|agent|"
    r"assistant)|automated (?:reader|reviewer|system|agent))s?"
)
_RULES = (
    r"(?:instructions?|prompts?|rules?|polic(?:y|ies)|guidelines?|context|directives?|guardrails?|"
    r"messages?|checks?|restrictions?|safety|constraints?|commands?|orders?)"
)
_OVERRIDE = (
    r"(?:ignore|disregard|forget|override|overrule|bypass|discard|supersede|"
    r"neglect|set aside|drop|"
    r"stop following|do not follow|don't follow|no longer (?:follow|apply|obey)|replace)"
)
_EARLIER = r"(?:previous|prior|above|earlier|preceding|existing|all|any|your|other|former|original)"

_STRONG: Final = tuple(
    re.compile(text, re.IGNORECASE)
    for text in (
        rf"\b{_OVERRIDE}\b[^.\n]{{0,40}}\b{_EARLIER}\b[^.\n]{{0,40}}\b{_RULES}\b",
        (
            rf"\b{_EARLIER}\b[^.\n]{{0,30}}\b{_RULES}\b[^.\n]{{0,40}}\b(?:are|"
            rf"is) (?:void|cancell?ed|"
            r"superseded|revoked|obsolete|suspended|overridden|lifted)\b"
        ),
        (
            r"<\|?(?:im_start|im_end|system|endoftext|assistant|user)\|?>|\[/?INST\]|<</?SYS>>|"
            r"<tool_call>|<function[=_]|```tool_code"
        ),
        r"(?:^|\n)\W*(?:system|assistant|developer)\s*(?:prompt|message|instruction|note)?\s*:",
        (
            rf"(?:^|\n|\.|!)\W*(?:important|note|attention|notice|hint|dear|hey|hello|to)\W{{1,3}}"
            rf"(?:\w+\W){{0,4}}{_READER}\b"
        ),
        r"\b(?:ignoriere|vergiss|missachte)\b[^.\n]{0,40}\b(?:anweisung|regel|vorgabe)",
        r"\b(?:ignore[zr]?|oublie[zr]?)\b[^.\n]{0,40}\b(?:instructions|consignes|r[eè]gles)",
        r"\b(?:ignora|olvida|omite)\b[^.\n]{0,40}\b(?:instrucciones|reglas)",
        (
            r"\byou are now\b|\bfrom now on,? (?:you|act|answer|reply|respond)\b|"
            r"\bnew (?:system )?"
            r"instructions?\b[^.\n]{0,10}:"
        ),
        (
            rf"\bwhen (?:an?|the|any) (?:\w+ )?{_READER}\b[^.\n]{{0,60}}\b(?:must|"
            rf"should|shall|will|has to)\b"
        ),
    )
)
_WEAK: Final = tuple(
    re.compile(text, re.IGNORECASE)
    for text in (
        rf"\b{_READER}\b",
        (
            r"\b(?:you|your) (?:must|should|are (?:required|authori[sz]ed|allowed|"
            r"instructed)|task|goal|"
            r"job|role|need to|have to|shall|will now)\b|\b(?:please|"
            r"kindly) (?:approve|send|run|call|"
            r"execute|mark|report|promote|open|fetch|reply|say|answer|forward|include)\b"
        ),
        (
            r"\b(?:do not|don't|never|without) (?:mention|tell|telling|reveal|"
            r"revealing|disclose|log|"
            r"logging|ask|asking|notify|notifying|alert|warn|inform|informing|show|question|"
            r"confirmation|verif)"
        ),
        (
            r"\b(?:send|post|upload|forward|exfiltrate|e-?mail|curl|wget|fetch|"
            r"transmit|leak|paste|"
            r"export|deliver)\b[^.\n]{0,60}\b(?:tokens?|secrets?|credentials?|"
            r"passwords?|keys?|env|"
            r"environment|variables|https?://|contents?|conversation|history|files?)\b"
        ),
        (
            r"\b(?:run|execute|invoke|call|use|open|"
            r"trigger)\b[^.\n]{0,40}\b(?:shell|command|tool|function|"
            r"terminal|bash|python|script|plugin|endpoint|api)\b"
        ),
        (
            r"\b(?:mark|label|rate|report|declare|treat|consider|classify|record|"
            r"score)\b[^.\n]{0,40}\bas "
            r"(?:approved|passed|safe|compliant|verified|trusted|best|the best|"
            r"reviewed|green|accepted)\b"
            r"|\b(?:approve|promote|deploy|merge|"
            r"accept)\b[^.\n]{0,40}\b(?:immediately|at once|directly|"
            r"unconditionally|without|regardless|automatically|now|straight)\b"
        ),
        (
            r"\b(?:respond|reply|answer|say|output|print|state|conclude|"
            r"summari[sz]e)\b[^.\n]{0,30}\b(?:only|"
            r"exactly|with|that|always)\b"
        ),
        (
            r"<!--|\[//\]:|\bbegin (?:system|instructions?|prompt)\b|"
            r"\bend of (?:prompt|instructions?|data|"
            r"document|notes?)\b|={3,}|-{5,}|#{3,}"
        ),
        (
            r"\b(?:admin(?:istrator)?|developer|operator|security team|root|owner|"
            r"maintainer)s? (?:override|"
            r"mode|has approved|have approved|request|says|authori[sz]ed|approved)\b"
        ),
        rf"\b{_OVERRIDE}\b[^.\n]{{0,40}}\b{_RULES}\b",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """How much a text speaks to a machine.

    Attributes:
        score: Strong families count two, weak ones, hidden characters and disguises one each,
            the linear model up to two.
        phrase: The first phrase that counted, at most 80 characters.
    """

    score: int
    phrase: str


def instruction_in(text: str) -> Instruction:
    """The signs of an instruction in ``text``, whatever its spelling hides.

    Long texts are read in overlapping windows: what is said far apart does not add up.
    """
    raw = text[:MAX_TEXT]
    best = max((_scored(window) for window in _windows(raw)), key=_by_score)
    if raw.isascii() and len(raw) < MIN_ENCODED and len(raw.split()) < MIN_WORDS:
        return best
    for disguised in _undone(raw):
        inner = max((_scored(window) for window in _windows(disguised)), key=_by_score)
        if inner.score >= THRESHOLD and inner.score >= best.score:
            best = Instruction(score=inner.score + 1, phrase=inner.phrase)
    return best


def _by_score(said: Instruction) -> int:
    return said.score


def _windows(text: str) -> Iterator[str]:
    starts = range(0, max(1, len(text) - OVERLAP), WINDOW - OVERLAP)
    return (text[start : start + WINDOW] for start in starts)


def _scored(raw: str) -> Instruction:
    plain = unicodedata.normalize("NFKC", CONTROL.sub(" ", INVISIBLE.sub("", raw)))
    strong = [match for one in _STRONG if (match := one.search(plain))]
    weak = [match for one in _WEAK if (match := one.search(plain))]
    hidden = len(INVISIBLE.findall(raw)) > 2  # noqa: PLR2004 - one joiner in a name is ordinary
    phrases = [match[0].strip()[:80] for match in (*strong, *weak)]
    chance = instruction_model.score(plain) if len(plain.split()) >= MIN_WORDS else 0.0
    learnt = (chance >= LIKELY) + (chance >= ALL_BUT_CERTAIN)
    return Instruction(
        score=THRESHOLD * len(strong) + len(weak) + hidden + learnt,
        phrase=phrases[0] if phrases else plain.strip()[:80] if learnt else "",
    )


_SPACED = re.compile(r"(?:(?<!\w)[^\W_](?:[ .*_-]|[ ]?[|][ ]?)){6,}[^\W_](?!\w)")
_LETTERS = re.compile(_SPACED.pattern.replace("{6,}", "+"))
_COMMON = re.compile(
    r"\b(?:the|and|you|your|all|any|this|that|is|are|to|of|for|with|not|ignore|send|must)\b",
    re.IGNORECASE,
)
MIN_COMMON: Final = 2
"""Everyday words that a turned text must have before it counts as one."""

_LEET = str.maketrans("0134578@$!", "oleastbasi")
_LEET_WORD = re.compile(r"\b(?=\w*[a-zA-Z])(?=\w*[0134578@$!])[\w@$!]{4,}")


def _undone(text: str) -> Iterator[str]:
    """What the text says under its disguises; none where it wears none."""
    layers = list(unwrapped(text))[1:]
    yield from (layer.text for layer in layers)
    folded = normalised(text)
    if not text.isascii() and folded != " ".join(text.split()):
        yield folded
    if _SPACED.search(text):
        kept = re.sub(" {2,}", "\x00", text)
        joined = _LETTERS.sub(lambda match: re.sub(r"[ .*_|-]", "", match[0]), kept)
        yield joined.replace("\x00", " ")
    if len(_LEET_WORD.findall(text)) > 1:
        yield text.translate(_LEET)
    if len(text) <= WINDOW:
        turned = (codecs.encode(text, "rot13"), text[::-1])
        yield from (view for view in turned if len(_COMMON.findall(view)) >= MIN_COMMON)
