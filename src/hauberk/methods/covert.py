"""Room in a text for what nobody sees, and the text without it.

A text that is shown alike can be written in many ways: with invisible characters, other spaces,
more spaces, letters of other scripts that look the same. `canonical` gives one way to all of
them. What a reader does see - words, their case, their order - stays, and so does the room in it:
there `odd_case` counts what writers do not do.

References:
    Lampson 1973, "A note on the confinement problem". Boucher et al. 2022, "Bad Characters".
    Unicode technical standard 39.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from hauberk.methods.encoding import normalised
from hauberk.methods.sinks import INVISIBLE

MAX_TEXT: Final = 200_000
MIN_DATA: Final = 24
"""Letters in a row within an address that could carry a key; names are shorter."""

MAX_BLOB: Final = 256
"""Letters of encoded data that an answer may hold; digests and small examples are shorter."""

_JOINERS = "\u200c\u200d"
_VARIANTS = "\ufe0e\ufe0f"
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_GAPS = re.compile(r"(?<=\S) {2,}(?=\S)")
_ENDS = re.compile(r"[ \t]+(?=\n|$)")
_WORD = re.compile(r"[^\W\d_]{2,}")
_ADDRESS = re.compile(r"(?:https?|ftp)://[^\s<>\"')\]]{1,2000}", re.IGNORECASE)
_PIECE = re.compile(r"[A-Za-z0-9+/_%=-]{24,}")
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{257,}={0,2}")


def canonical(text: str) -> str:
    r"""``text`` as it is shown, written in one way.

    Joiners stay where scripts and emoji need them. Words in one script stay as they are; in a
    word of several, what looks like a Latin letter becomes one.

    >>> canonical("a\u200bb\u00a0 c \nd")
    'ab c\nd'
    """
    plain = "".join(_visible(text[:MAX_TEXT])) + text[MAX_TEXT:]
    plain = unicodedata.normalize("NFC", _SPACES.sub(" ", plain)).replace("\r\n", "\n")
    plain = _ENDS.sub("", _GAPS.sub(" ", plain))
    return _WORD.sub(lambda match: _in_one_script(match[0]), plain)


def _visible(text: str) -> Iterator[str]:
    for place, sign in enumerate(text):
        if not INVISIBLE.match(sign) or (
            place and _is_needed(sign, text[place - 1], text[place + 1 : place + 2])
        ):
            yield sign


def _is_needed(sign: str, before: str, after: str) -> bool:
    """Whether a joiner or a variant stands where its script or an emoji asks for it."""
    if sign in _VARIANTS:
        return unicodedata.category(before) == "So" or before in "0123456789#*"
    if sign not in _JOINERS:
        return False
    kinds = {unicodedata.category(one) for one in (before, after) if one}
    is_emoji = bool(kinds & {"So", "Sk"}) or before in _VARIANTS
    return is_emoji or (len(kinds) > 0 and kinds <= {"Lo", "Mn", "Mc"})


def _in_one_script(word: str) -> str:
    if word.isascii() or not any("a" <= sign.lower() <= "z" for sign in word):
        return word
    folded = normalised(word)
    return folded if folded.isascii() else word


def hidden_in(text: str) -> int:
    """Characters that `canonical` takes out because nobody sees them."""
    return len(INVISIBLE.findall(text[:MAX_TEXT])) - len(
        INVISIBLE.findall("".join(_visible(text[:MAX_TEXT])))
    )


def mixed_words(text: str) -> int:
    """Words in several scripts that are shown as one."""
    return sum(_in_one_script(match[0]) != match[0] for match in _WORD.finditer(text[:MAX_TEXT]))


def carried(text: str, said: str) -> str:
    """What in ``text`` could carry data away and does not stand in ``said``; empty for nothing."""
    for match in _ADDRESS.finditer(text):
        _, _, rest = match[0].partition("://")
        pieces = _PIECE.findall(rest)
        if match[0] not in said and any(_is_data(piece) and piece not in said for piece in pieces):
            return "an address that carries data"
    for match in _BLOB.finditer(text):
        if _is_data(match[0]) and match[0] not in said:
            return "a block of encoded data"
    return ""


def _is_data(piece: str) -> bool:
    """Whether a run looks written by a machine: digits within, no words with hyphens between."""
    words = re.split(r"[-_/%=+]", piece)
    longest = max(words, key=len)
    n_digits = sum(sign.isdigit() for sign in piece)
    is_mixed = any(sign.isupper() for sign in longest) and any(sign.islower() for sign in longest)
    return len(longest) >= MIN_DATA and (is_mixed or n_digits >= len(piece) / 8)


def cases(text: str) -> Iterator[tuple[str, bool]]:
    """Words within sentences in lower case, and whether they begin with a capital.

    First words of sentences, lines and cells have a capital for a reason, and words all in
    capitals are names; they are left out.
    """
    for line in text[:MAX_TEXT].split("\n"):
        for match in _WORD.finditer(line):
            before = line[: match.start()].rstrip(" \"'([*_")
            word = match[0]
            is_first = not before or before[-1] in ".!?:;|>-#/=&@"
            if not is_first and not word.isupper():
                yield word.lower(), word != word.lower()
