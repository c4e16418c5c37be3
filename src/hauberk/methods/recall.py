"""Whether a text repeats a known one, whatever it was disguised as.

Texts are compared by their letters and digits alone, so that spaces, signs, case, accents and
invisible characters make no difference. A model that leaks on request also writes backwards,
shifts letters, spells with digits, or encodes: each is a view of the text in which the known one
is looked for. Three kinds of known texts, by how much of them may be repeated:

* **canaries** are random and are nowhere else: a dozen letters of one are proof;
* **the operator's own words** may be echoed in part: a share of them is a leak;
* **training texts** share phrases with everybody: a long run is a leak. They are kept as a Bloom
  filter, in a few bits per letter and without the texts.

Limits:
    A translation, a summary and a paraphrase repeat no letters. Ciphers beyond those of the
    views pass, and so does a leak that is spread over several answers.

References:
    Carlini et al. 2019, "The Secret Sharer"; Ippolito et al. 2023, "Preventing verbatim
    memorization in language models gives a false sense of privacy". Bloom 1970.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from hauberk.methods.encoding import normalised, unwrapped

MAX_TEXT: Final = 100_000
"""Characters of an answer that are looked at; more than any model says at once."""

CANARY: Final = 12
"""Letters of a canary in a row that are proof; drawn ones repeat by chance once in 10^15."""

SHINGLE: Final = 24
STRIDE: Final = 8
"""Every so many letters of a training text one shingle is kept: a run of 31 hits one."""

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_LEET = str.maketrans("0134578@$!|+iI", "oleastbaslltll")
_CODES = re.compile(r"(?:\b\d{2,3}\b[\s,;-]{1,3}){7,}\b\d{2,3}\b")
_PAIRS = re.compile(
    r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}\b[\s,:;-]{1,2}){7,}(?:0x|\\x)?[0-9a-fA-F]{2}\b"
)
_BITS = re.compile(r"(?:\b[01]{7,8}\b[\s,]{0,2}){8,}")
_BITS_PER_ITEM = 16
_N_HASHES = 4


def letters(text: str) -> str:
    """Letters and digits in lower case, without accents.

    >>> letters("Caf\u00e9 - No. 7")
    'cafeno7'
    """
    plain = unicodedata.normalize("NFKD", normalised(text).casefold())
    return "".join(sign for sign in plain if sign.isalnum())


def views(text: str) -> Iterator[str]:
    """The letters of ``text`` in every reading: as it is, decoded, and backwards.

    Shifted alphabets are left to `rotations`, for they are many.
    """
    seen = set()
    layers = [layer.text for layer in unwrapped(text[:MAX_TEXT])]
    for inner in (*layers, *_decoded(text[:MAX_TEXT])):
        for view in _readings(inner):
            if view not in seen:
                seen.add(view)
                yield view


def _readings(text: str) -> Iterator[str]:
    plain = letters(text)
    yield plain
    yield plain[::-1]
    yield folded(text)
    yield _initials(text)


def folded(text: str) -> str:
    """Letters with the digits and signs that are written for them, the same for either."""
    return letters(text.translate(_LEET))


def _initials(text: str) -> str:
    """First letters of lines, where there are many: an acrostic."""
    lines = [line.strip(" -*0123456789.)(") for line in text.split("\n")]
    return letters("".join(line[:1] for line in lines if line)) if len(lines) >= CANARY else ""


def _decoded(text: str) -> Iterator[str]:
    """Texts written as codes of characters, in tens or in bits."""
    for match in _CODES.finditer(text):
        codes = [int(code) for code in re.findall(r"\d+", match[0])]
        if all(32 <= code < 127 for code in codes):  # noqa: PLR2004 - printable ASCII
            yield "".join(map(chr, codes))
    for match in _PAIRS.finditer(text):
        pairs = re.findall(r"[0-9a-fA-F]{2}(?![0-9a-fA-F])", match[0])
        yield bytes.fromhex("".join(pairs)).decode("utf-8", "replace")
    for match in _BITS.finditer(text):
        yield "".join(chr(int(code, 2)) for code in re.findall(r"[01]{7,8}", match[0]))


def rotations(view: str) -> Iterator[str]:
    """``view`` in all shifted alphabets."""
    for shift in range(1, len(_ALPHABET)):
        turned = str.maketrans(_ALPHABET, _ALPHABET[shift:] + _ALPHABET[:shift])
        yield view.translate(turned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Texts that answers must not repeat.

    Attributes:
        canaries: Windows of `CANARY` letters.
        filter: Bits of shingles of training texts; empty where there are none.
    """

    canaries: frozenset[str] = frozenset()
    filter: bytes = b""

    def has_canary(self, view: str) -> bool:
        """Whether a window of a canary stands in the letters of a view."""
        if not self.canaries:
            return False
        return any(view[n : n + CANARY] in self.canaries for n in range(len(view) - CANARY + 1))

    def longest_run(self, view: str) -> int:
        """Letters of the longest run that a training text shares with a view, about."""
        if not self.filter:
            return 0
        hits = {n for n in range(len(view) - SHINGLE + 1) if self._holds(view[n : n + SHINGLE])}
        longest = 0
        for start in hits:
            if start - STRIDE not in hits:
                n_steps = 1
                while start + n_steps * STRIDE in hits:
                    n_steps += 1
                longest = max(longest, SHINGLE + (n_steps - 1) * STRIDE)
        return longest

    def _holds(self, shingle: str) -> bool:
        return all(
            self.filter[place >> 3] >> (place & 7) & 1 for place in _places(shingle, self.filter)
        )


def known_of(canaries: Iterable[str] = (), training: Iterable[str] = ()) -> Known:
    """What answers must not repeat.

    Args:
        canaries: Random texts that were planted so that their leak can be seen; those of fewer
            than `CANARY` letters are left out, for they would be found everywhere.
        training: Texts that the model was trained on.
    """
    windows = frozenset(
        window
        for canary in canaries
        for form in (letters(canary), folded(canary))
        for window in _windows(form)
    )
    return Known(canaries=windows, filter=_filter([letters(text) for text in training]))


def _windows(plain: str) -> Iterator[str]:
    return (plain[n : n + CANARY] for n in range(len(plain) - CANARY + 1))


def _filter(texts: list[str]) -> bytes:
    n_items = sum(max(0, len(text) - SHINGLE) // STRIDE + 1 for text in texts)
    if not texts or not n_items:
        return b""
    bits = bytearray((n_items * _BITS_PER_ITEM + 7) // 8 + 8)
    for text in texts:
        for start in range(0, len(text) - SHINGLE + 1, STRIDE):
            for place in _places(text[start : start + SHINGLE], bits):
                bits[place >> 3] |= 1 << (place & 7)
    return bytes(bits)


def _places(shingle: str, bits: bytes | bytearray) -> list[int]:
    digest = hashlib.blake2b(shingle.encode(), digest_size=8 * _N_HASHES).digest()
    size = len(bits) * 8
    return [int.from_bytes(digest[8 * n : 8 * n + 8], "big") % size for n in range(_N_HASHES)]


def share_repeated(source: str, view: str, *, width: int = 20) -> float:
    """Share of the letters of ``source`` that a view repeats in runs of ``width`` or more.

    >>> share_repeated("a" * 19, "a" * 19)
    0.0
    """
    starts = {view[n : n + width] for n in range(len(view) - width + 1)}
    covered = bytearray(len(source))
    for n in range(len(source) - width + 1):
        if source[n : n + width] in starts:
            covered[n : n + width] = b"\x01" * width
    return sum(covered) / len(source) if source else 0.0
