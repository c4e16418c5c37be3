"""Instructions planted in prompts, templates and descriptions of tools.

The patterns name what an honest prompt has no reason to say: to set earlier instructions
aside, to hide something from the user, to carry the conversation or secrets elsewhere.
Sources: OWASP LLM01, MITRE ATLAS AML.T0051 and AML.T0110 (tool poisoning).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.formats.remarks import Remark, evasive

MAX_CHARACTERS = 1 << 20

_GAP = r"[^.\n]{0,60}?"
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern, re.IGNORECASE))
    for what, pattern in (
        (
            "sets other instructions aside",
            rf"\b(ignore|disregard|forget|override|bypass)\b{_GAP}\b(previous|prior|above|earlier"
            rf"|preceding|safety|system|developer|original)\b{_GAP}\b(instruction|rule|guideline"
            r"|prompt|polic|message|filter|direction)",
        ),
        (
            "hides something from the user",
            rf"\b(do not|don't|never|without)\b{_GAP}\b(tell|telling|mention|mentioning|inform"
            rf"|informing|alert|alerting|notify|notifying|let)\b{_GAP}\b(the )?(user|human|operator)",
        ),
        (
            "carries the conversation elsewhere",
            rf"\b(send|post|upload|forward|transmit|exfiltrate|leak|email|append|embed|report)\b"
            r"[^\n]{0,160}?(https?://|ftp://|\b[\w.+-]+@[\w-]+\.\w+|\bwebhook\b)",
        ),
        (
            "shows a picture whose address carries data",
            r"!\[[^\]\n]{0,80}\]\(https?://[^)\n]{0,200}(\{|=)",
        ),
        (
            "asks for secrets",
            rf"\b(read|open|print|reveal|include|output|collect|access|cat)\b{_GAP}(\.ssh\b|id_rsa"
            r"|/etc/passwd|/etc/shadow|\.env\b|\.aws/|api[ _-]?keys?\b|private keys?\b"
            r"|environment variables|\bpasswords\b|credentials)",
        ),
    )
)
_HIDDEN = re.compile("[\U000e0000-\U000e007f\u202a-\u202e\u2066-\u2069]|[\u200b-\u200d\u2060]{6}")


def judge_text(text: str) -> Iterator[Remark]:
    """Remarks about text that a model will read as its instructions; at most one of a kind."""
    part = text[:MAX_CHARACTERS]
    for what, pattern in _PATTERNS:
        match = pattern.search(part)
        if match:
            shown = " ".join(match[0].split())[:120]
            yield _remark(f"text for the model {what}: {shown!r}")
    if _HIDDEN.search(part):
        yield _remark("text for the model holds characters that a person cannot see")


def _remark(text: str) -> Remark:
    return evasive(text)
