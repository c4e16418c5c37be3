"""What a text says once its disguises are taken off.

Instructions and secrets hide behind look-alike letters, invisible signs and layers of
encoding. `normalised` gives one spelling to texts that look alike; `unwrapped` takes off
layers of base64, hexadecimal and percent encoding, a few deep and within a budget, so that
a small input cannot become a large one.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

MAX_CHARACTERS = 1_000_000
"""Of one text; more is a document and to be given in pieces."""

MAX_LAYERS = 4
"""Encodings of encodings; real traffic has two at most."""

MAX_FINDS = 64
"""Encoded pieces taken out of one text."""

MIN_ENCODED = 16
"""Shorter runs of letters and digits are words."""

MIN_PRINTABLE = 0.9
"""Share of printable signs from which decoded bytes count as text."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"(?:\\?x?[0-9A-Fa-f]{2}){8,}")
_INVISIBLE = {
    *range(0x200B, 0x2010),  # zero-width signs and directional marks
    *range(0x202A, 0x202F),  # embedding and override of direction
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),  # variation selectors
    *range(0xE0000, 0xE0080),  # tags: a whole invisible alphabet
    *range(0xE0100, 0xE01F0),
    0x00AD,
    0x034F,
    0x061C,
    0x180E,
    0xFEFF,
}
_TAG_OFFSET = 0xE0000
_UNSEEN = re.compile("[" + re.escape("".join(map(chr, sorted(_INVISIBLE)))) + "]")

# Letters of other scripts that common fonts draw like Latin ones (a part of the confusables
# data of Unicode technical standard 39).
_LOOKALIKES = str.maketrans(
    "аеорсхуіјѕԁһԛԝкмтвнАВЕКМНОРСТХУІЈЅαορνικτΑΒΕΖΗΙΚΜΝΟΡΤΥΧıℓ",
    "aeopcxyijsdhqwkmtbhABEKMHOPCTXYIJSaopviktABEZHIKMNOPTYXil",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A text found under an encoding.

    Attributes:
        path: Encodings from the outermost on.
        text: What was under them.
    """

    path: tuple[str, ...]
    text: str


def normalised(text: str) -> str:
    r"""One spelling for texts that look alike: NFKC, no invisible signs, look-alikes in Latin.

    It can be applied again without further change.

    >>> normalised("ig\u200bnore  \u0430ll")
    'ignore all'
    """
    text = text[:MAX_CHARACTERS]
    if text.isascii():  # no sign of ASCII is unseen, composed or a look-alike
        return " ".join(text.split())
    shown = _UNSEEN.sub("", text)
    folded = unicodedata.normalize("NFKC", shown).translate(_LOOKALIKES)
    plain = unicodedata.normalize("NFKC", folded)
    return " ".join(_UNSEEN.sub("", plain).split())


def hidden_signs(text: str) -> int:
    """How many signs of ``text`` no reader sees."""
    return sum(ord(sign) in _INVISIBLE for sign in text)


def hidden_text(text: str) -> str:
    """What the invisible tag alphabet spells in ``text``; empty in honest texts."""
    tags = (ord(sign) - _TAG_OFFSET for sign in text if 0xE0020 <= ord(sign) < 0xE007F)  # noqa: PLR2004 - printable tags
    return "".join(map(chr, tags))


def unwrapped(text: str) -> Iterator[Layer]:
    """The text itself, then every text under its encodings, outermost first.

    At most `MAX_FINDS` texts of together `MAX_CHARACTERS` come out.
    """
    waiting = [Layer(path=(), text=text[:MAX_CHARACTERS])]
    seen = {waiting[0].text}
    budget = MAX_CHARACTERS
    n_found = 0
    while waiting:
        layer = waiting.pop(0)
        yield layer
        if len(layer.path) >= MAX_LAYERS:
            continue
        for name, inner in _inside(layer.text):
            if inner in seen or n_found >= MAX_FINDS or len(inner) > budget:
                continue
            seen.add(inner)
            budget -= len(inner)
            n_found += 1
            waiting.append(Layer(path=(*layer.path, name), text=inner))


def wraps(words: Iterable[str]) -> bool:
    """Whether anything may be encoded in a text of these words, that hold no blanks.

    Where it says no, `unwrapped` gives any text of these words alone.
    """
    text = " ".join(words)
    return next(_inside(text), None) is not None


def _inside(text: str) -> Iterator[tuple[str, str]]:
    for name, decoded in (("url", urllib.parse.unquote(text)), ("html", html.unescape(text))):
        if decoded != text:
            yield name, decoded
    long = " ".join(word for word in text.split() if len(word) >= MIN_ENCODED)
    if not long:  # what is encoded holds no blank, so the other words need not be read
        return
    for name, pattern, decode in _ENCODED:
        for match in pattern.finditer(long):
            inner = _text(decode, match.group())
            if inner is not None:
                yield name, inner


def _text(decode: Callable[[str], bytes], piece: str) -> str | None:
    """The decoded bytes where they are UTF-8 and mostly printable."""
    try:
        text = decode(piece).decode("utf-8")
    except (ValueError, binascii.Error):
        return None
    printable = sum(sign.isprintable() or sign.isspace() for sign in text)
    return text if text and printable >= MIN_PRINTABLE * len(text) else None


def _from_base64(piece: str) -> bytes:
    body = piece.rstrip("=").translate(str.maketrans("-_", "+/"))
    if len(body) % 4 == 1:
        body = body[:-1]
    return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)


def _from_hex(piece: str) -> bytes:
    return bytes.fromhex(re.sub(r"\\?x|\\", "", piece))


_ENCODED: tuple[tuple[str, re.Pattern[str], Callable[[str], bytes]], ...] = (
    ("hex", _HEX, _from_hex),
    ("base64", _BASE64, _from_base64),
)
