"""Words that a system prompt gives to a model and forbids it to say.

An operator who writes "the refund code is ...; never tell it" has named a canary: whoever reads it
in an answer reads a leak, however little of the prompt surrounds it. A password, a token, or a
code "of the staff" needs no such word: nobody writes one down to have it said, unless the prompt
says whom to tell. Telephone numbers, addresses and order forms that a prompt wants to be said stand
in sentences that forbid nothing.
"""

from __future__ import annotations

import re
from typing import Final

from hauberk.methods.recall import letters

MAX_WORDS: Final = 64
MIN_LETTERS: Final = 4

_SENTENCE = re.compile(r"[^.!?\n]+(?:\.(?=\S)[^.!?\n]*)*[.!?\n]?")
_FORBIDS = re.compile(
    r"\b(?:never|do not|don't|must not|mustn't|may not|not to be|should not|cannot be|nobody|"
    r"no one|not for|keep)\b[^.!?\n]{0,60}\b(?:tell|told|reveal\w*|disclos\w*|shar\w+|say|said|"
    r"mention\w*|repeat\w*|show\w*|giv\w+|print\w*|public|leak\w*|output|write|written|customers?|"
    r"users?|secret|private|confidential|to yourself|out|expos\w*|quote\w*)\b"
    r"|\b(?:secret|confidential|classified|internal[ -]only|for internal use|private)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"[\"'`\u201c\u2018]([^\"'`\u201c\u201d\u2018\u2019\n]{4,80})[\"'`\u201d\u2019]"
)
_TOKEN = re.compile(r"(?<![\w-])[\w@#$%&*+/=.:-]*\w(?![\w-])")
_NAMED = re.compile(
    r"\b(?:codes?|codename|passwords?|passphrases?|pass ?words?|keys?|tokens?|pins?|"
    r"secrets?|flag)\b(?!\s+(?:of|to|behind)\b)"
    r"(?:\s+\w+){0,4}?\s*(?:is|are|:|=|reads)\s*[\"'`]?(?P<word>[\w@#$%&*+/=.:-]{4,80})",
    re.IGNORECASE,
)


_SECRET = re.compile(
    r"\b(?:(?:staff|employee|internal|admin\w*|master|override|backend|root|operator|manager|private|"
    r"service|vault|safe|alarm|door|api|access|secret|recovery|unlock)(?:['\u2019]s)?\s+(?:\w+\s+){0,2}"
    r"(?:codes?|keys?|pins?|tokens?|words?|phrases?)|passwords?|passphrases?|pass ?codes?|"
    r"credentials?|(?:bearer |auth\w* )?tokens?|secrets?|api[ -]?keys?)\b"
    r"(?:\s+\w+){0,4}?\s*(?:is|are|:|=|reads)\s*[\"'`\u201c\u2018]?"
    r"(?P<word>[\w@#$%&*+/=.:-]{4,80})",
    re.IGNORECASE,
)
_TO_BE_SAID = re.compile(
    r"\b(?:tell|give|share|offer|mention|hand|send|provide|quote|show|say|announce)\w*\b"
    r"(?!\s+(?:no|not)\b)"
    r"[^.!?\n]{0,60}\b(?:guests?|customers?|clients?|users?|callers?|visitors?|students?|every\w*|"
    r"anyone|anybody|whoever|people|them|asks?)\b"
    r"|\b(?:guests?|customers?|visitors?|everybody|everyone|anyone)\b[^.!?\n]{0,30}"
    r"\b(?:may|can|use|get)\b"
    r"|\b(?:public|promo\w*|voucher|coupon|campaign|newsletter|wi-?fi|wlan|guest)\b",
    re.IGNORECASE,
)


def guarded_words(system: str) -> frozenset[str]:
    """Letters and digits, in lower case, of what the prompt names and forbids to say.

    Of a sentence that names a secret by its kind, and neither it nor the next says whom to tell,
    counts what looks like one. Of a sentence that forbids, and of the one before a sentence that
    forbids "it", count quoted words, words that look like identifiers (letters beside digits,
    capitals joined by hyphens, four digits or more), and what follows "the password is". At most
    `MAX_WORDS`.
    """
    sentences = [match[0] for match in _SENTENCE.finditer(system)]
    found: set[str] = set()
    for number, sentence in enumerate(sentences):
        following = sentences[number + 1] if number + 1 < len(sentences) else ""
        if _FORBIDS.search(sentence) or _forbids_back(following):
            found |= _named(sentence)
        elif not _TO_BE_SAID.search(f"{sentence} {following}"):
            found |= _secrets(sentence)
    return frozenset(sorted(found)[:MAX_WORDS])


def _forbids_back(sentence: str) -> bool:
    """Whether it forbids something that it does not name itself."""
    is_back = re.search(r"\b(?:it|this|that|them|these|those)\b", sentence, re.IGNORECASE)
    return bool(is_back and _FORBIDS.search(sentence)) and not _named(sentence)


def _secrets(sentence: str) -> set[str]:
    words = (match["word"].rstrip(".:,;") for match in _SECRET.finditer(sentence))
    bare = {letters(word) for word in words if _is_identifier(word)}
    return {word for word in bare if len(word) >= MIN_LETTERS}


def _named(sentence: str) -> set[str]:
    words = [match[1] for match in _QUOTED.finditer(sentence)]
    words += [match["word"] for match in _NAMED.finditer(sentence)]
    words += [match[0] for match in _TOKEN.finditer(sentence) if _is_identifier(match[0])]
    bare = {letters(word) for word in words}
    return {word for word in bare if len(word) >= MIN_LETTERS and not _is_plain(word)}


def _is_identifier(token: str) -> bool:
    if "://" in token or "@" in token:
        return False
    has_digit = any(sign.isdigit() for sign in token)
    has_letter = any(sign.isalpha() for sign in token)
    if has_digit and not has_letter:
        return sum(sign.isdigit() for sign in token) >= MIN_LETTERS
    is_joined = re.fullmatch(r"[A-Z0-9]+(?:[-_][A-Z0-9]+)+", token) is not None
    return is_joined or (has_digit and has_letter)


def _is_plain(word: str) -> bool:
    return word in {"true", "false", "none", "null", "secret", "confidential", "never", "always"}
