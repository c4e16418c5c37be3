"""Text that is spelled one letter after the other: octets with blanks, escapes, Morse.

`encoding` takes off what stands in one run of signs. A person asks a model to read longer forms,
too, whose letters are words of their own: ``44 69 73``, ``01000100 01101001``, escapes of single
letters, or dots and dashes. Each is read where at least twelve letters of it stand in a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

MIN_LETTERS: Final = 12
MIN_DIFFERENT: Final = 4
MAX_FINDS: Final = 16
"""Spelled pieces that are taken out of one text."""

_CODES: Final = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - "
    "..- ...- .-- -..- -.-- --.. ----- .---- "
    "..--- ...-- ....- ..... -.... --... ---.. ----. .-.-.- --..-- ..--.."
)
_MORSE: Final = dict(zip(_CODES.split(), "abcdefghijklmnopqrstuvwxyz0123456789.,?", strict=True))
_FEW: Final = MIN_LETTERS - 1


def _from_morse(piece: str) -> str:
    words = re.split(r"\s*/\s*|\s{2,}", piece.strip())
    return " ".join("".join(_MORSE.get(code, "?") for code in word.split()) for word in words)


def _numbers(base: int) -> Callable[[str], str]:
    return lambda piece: "".join(chr(int(code, base)) for code in piece.split())


def _from_escapes(piece: str) -> str:
    return "".join(chr(int(code, 16)) for code in re.findall(r"[0-9A-Fa-f]{4}", piece))


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[str], str]], ...]] = (
    (re.compile(rf"(?<!\w)[0-9A-Fa-f]{{2}}(?:\s[0-9A-Fa-f]{{2}}){{{_FEW},}}(?!\w)"), _numbers(16)),
    (re.compile(rf"(?<!\w)[01]{{8}}(?:\s[01]{{8}}){{{_FEW},}}(?!\w)"), _numbers(2)),
    (re.compile(rf"(?:\\u\{{?00[0-9A-Fa-f]{{2}}\}}?\s?){{{MIN_LETTERS},}}"), _from_escapes),
    (
        re.compile(rf"(?<![.\w-])[.-]{{1,6}}(?:[ /]{{1,4}}[.-]{{1,6}}){{{_FEW},}}(?![\w])"),
        _from_morse,
    ),
)


def spelled(text: str) -> Iterator[str]:
    """What is spelled in ``text``, each piece by itself, where it is words for the most part."""
    for pattern, read in _FORMS:
        for number, match in enumerate(pattern.finditer(text)):
            if number == MAX_FINDS:
                break
            said = read(match[0])
            if _is_words(said):
                yield said


def _is_words(said: str) -> bool:
    """Whether it is letters and blanks for four fifths, and not the same few again and again."""
    n_letters = sum(sign.isalpha() or sign == " " for sign in said)
    return 5 * n_letters > 4 * len(said) and len(set(said)) > MIN_DIFFERENT
