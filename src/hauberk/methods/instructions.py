"""Text that speaks to a machine that reads it: instructions planted in notes, cards and names.

A sentence for people says what was done; a planted one tells whoever reads it, an assistant or
an agent, what to do, often in somebody else's name, against its rules, or unseen. The signs are
families of phrases; one strong family is enough, of the weaker ones two must meet.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from hauberk.methods.sinks import CONTROL, INVISIBLE

MAX_TEXT: Final = 100_000
THRESHOLD: Final = 2

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
        score: Strong families count two, weak ones and hidden characters one each.
        phrase: The first phrase that counted, at most 80 characters.
    """

    score: int
    phrase: str


def instruction_in(text: str) -> Instruction:
    """The signs of an instruction in ``text``, whatever its spelling hides."""
    raw = text[:MAX_TEXT]
    plain = unicodedata.normalize("NFKC", CONTROL.sub(" ", INVISIBLE.sub("", raw)))
    strong = [match for one in _STRONG if (match := one.search(plain))]
    weak = [match for one in _WEAK if (match := one.search(plain))]
    hidden = len(INVISIBLE.findall(raw)) > 2  # noqa: PLR2004 - one joiner in a name is ordinary
    phrases = [match[0].strip()[:80] for match in (*strong, *weak)]
    return Instruction(
        score=THRESHOLD * len(strong) + len(weak) + hidden, phrase=phrases[0] if phrases else ""
    )
