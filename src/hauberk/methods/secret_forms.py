"""Finding secrets that are known, in the forms in which programs write them.

A credential that was handed to a program comes out again as it is, or in base64, in hex, in an
address, in JSON, and all of them broken over lines. Every such form of a known value is a fixed
text, so looking for it is exact: digests of the value, and other values that look like it, are
never taken for it.
"""

from __future__ import annotations

import base64
import bisect
import html
import json
import quopri
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, quote_plus

REMOVED = "[secret removed]"
MIN_BYTES = 8
"""Shorter forms stand in ordinary files by chance."""

_MIN_PLAIN = 4
_MIN_LINE = 32
_BLANK = b" \t\r\n"
_SPACES = re.compile(rb"[ \t\r\n]+")
_BREAKS = re.compile(rb"(?:=?(?:\\r\\n|\\n|\r\n|\n)|[ \t\r])+")
_CUT = re.compile(rb"=?(?:\\(?:r\\?)?|\r)?\Z")
"""What may be the first half of a line break."""

_DIGITS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")


@dataclass(frozen=True, slots=True)
class _Needle:
    form: str
    text: bytes
    before: bool = False
    """Whether the letter in front of it holds some bits of the value too."""
    after: bool = False


def forms_of(value: str) -> Iterator[tuple[str, bytes]]:
    """The forms of one value that are long enough to be looked for, with their names.

    >>> ("hexadecimal", b"636f727265637420686f727365") in set(forms_of("correct horse"))
    True
    """
    seen = set()
    for needle in _needles(value):
        if len(needle.text) >= MIN_BYTES and needle.text not in seen:
            seen.add(needle.text)
            yield needle.form, needle.text


def _needles(value: str) -> Iterator[_Needle]:
    raw = value.encode("utf-8", "surrogateescape")
    yield _Needle("plain", raw)
    yield _Needle("reversed", value[::-1].encode("utf-8", "surrogateescape"))
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        yield _Needle(encoding.upper(), value.encode(encoding, "surrogatepass"))
    yield from _based(raw)
    pairs = [f"{byte:02x}" for byte in raw]
    for between in ("", ":", "-", "\\x", "%", "0x", ",0x"):
        text = between.join(pairs)
        yield _Needle("hexadecimal", text.encode())
        yield _Needle("hexadecimal", between.join(pairs).upper().replace("X", "x").encode())
    for text in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield _Needle("URL-encoded", text.encode())
        lower = re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text)
        yield _Needle("URL-encoded", lower.encode())
    yield from (_Needle("escaped", text.encode("utf-8", "replace")) for text in _escaped(value))
    for spaces in (False, True):
        printable = quopri.encodestring(raw, quotetabs=spaces)
        yield _Needle("quoted-printable", printable.replace(b"=\n", b""))


def _escaped(value: str) -> Iterator[str]:
    """In strings of JSON, Python and shells, in JSON inside of JSON, and in HTML."""
    for is_ascii in (True, False):
        once = json.dumps(value, ensure_ascii=is_ascii)[1:-1]
        yield from (once, once.replace("/", "\\/"), json.dumps(once, ensure_ascii=is_ascii)[1:-1])
    yield repr(value)[1:-1]
    yield "".join(f"\\u{ord(letter):04x}" for letter in value)
    yield value.replace("'", "'\\''")
    yield from (html.escape(value), html.escape(value, quote=False))


def _based(raw: bytes) -> Iterator[_Needle]:
    """Base64 and base32 at every place that the value can have in a longer text.

    Letters that hold bits of what stands beside the value differ from text to text, so only
    those that hold nothing else are taken.
    """
    for block, bits, encode in ((3, 6, base64.b64encode), (5, 5, base64.b32encode)):
        for offset in range(block):
            text = encode(bytes(offset) + raw)
            first = -(-offset * 8 // bits)
            last, rest = divmod((offset + len(raw)) * 8, bits)
            core = text[first:last]
            shared = offset * 8 % bits > 0, rest > 0
            yield _Needle(f"base{1 << bits}", core, *shared)
            if encode is base64.b64encode:
                web = core.translate(bytes.maketrans(b"+/", b"-_"))
                yield _Needle("URL-safe base64", web, *shared)
            else:
                yield _Needle("base32", core.lower(), *shared)


def _lines(value: str) -> list[str]:
    """The lines of a key file that are secret by themselves."""
    lines = [line.strip() for line in value.splitlines()]
    long = [line for line in lines if len(line) >= _MIN_LINE and not line.startswith("-----")]
    return [line for line in long if not re.search(r"\s", line)]


@dataclass(frozen=True)
class Handed:
    """The secrets that were handed out, ready to be looked for.

    Attributes:
        values: Name to value.
    """

    values: Iterable[tuple[str, str]] = field(repr=False)

    def mask(self, text: str) -> str:
        """``text`` without the secrets, in whatever form.

        >>> Handed([("KEY", "correct horse")]).mask("KEY is Y29ycmVjdCBob3JzZQ==.")
        'KEY is [secret removed].'
        """
        data = text.encode("utf-8", "surrogateescape")
        spans = sorted(set(self._spans(data)))
        pieces, end = [], 0
        for start, stop in spans:
            if start >= end:
                pieces += [data[end:start], REMOVED.encode()]
            end = max(end, stop)
        return b"".join([*pieces, data[end:]]).decode("utf-8", "replace")

    def first_in(self, text: str) -> str:
        """The name and form of a secret that stands in ``text``; empty where none does."""
        search = self.search()
        return search.feed(text.encode("utf-8", "surrogateescape")) or search.end()

    @property
    def longest(self) -> int:
        """Bytes of the longest form."""
        return max((len(needle.text) for needle in self._masked), default=0)

    def search(self) -> Search:
        """A search through data that comes in pieces."""
        return Search(self._searched)

    @cached_property
    def _searched(self) -> tuple[tuple[str, bytes, bytes], ...]:
        """Label, text without blanks, text without any breaks."""
        found: dict[tuple[bytes, bytes], str] = {}
        for name, value in self.values:
            lines = [("one line", line.encode("utf-8", "replace")) for line in _lines(value)]
            for form, text in (*forms_of(value.strip()), *lines):
                spaced, joined = _SPACES.sub(b"", text), _BREAKS.sub(b"", text)
                if min(len(spaced), len(joined)) >= MIN_BYTES:
                    found.setdefault((spaced, joined), f"{name}, {form}")
        return tuple((label, *texts) for texts, label in found.items())

    @cached_property
    def _masked(self) -> tuple[_Needle, ...]:
        found: dict[bytes, _Needle] = {}
        for _, value in self.values:
            for part in {value, value.strip(), *value.splitlines()}:
                if len(part) >= _MIN_PLAIN:
                    plain = part.encode("utf-8", "surrogateescape")
                    found[plain] = _Needle("plain", plain)
                for needle in _needles(part):
                    if len(needle.text) >= MIN_BYTES:
                        found.setdefault(needle.text, needle)
        return tuple(found.values())

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        for breaks in (None, _SPACES, _BREAKS):
            text, places = _squeezed(data, breaks)
            for needle in self._masked:
                wanted = breaks.sub(b"", needle.text) if breaks else needle.text
                if breaks and len(wanted) < MIN_BYTES:
                    continue
                for start in _starts(text, wanted):
                    first, last = places.of(start), places.of(start + len(wanted) - 1) + 1
                    first -= needle.before and first > 0 and data[first - 1] in _DIGITS
                    yield first, _after(data, last) if needle.after else last


class Search:
    """One search through data in pieces; it holds little more than one piece.

    Args:
        needles: Label, text without blanks, text without any breaks.
    """

    def __init__(self, needles: tuple[tuple[str, bytes, bytes], ...]) -> None:
        self._needles = needles
        longest = max((len(text) for needle in needles for text in needle[1:]), default=1)
        self._kept = longest - 1
        self._rest = self._spaced = self._joined = b""

    def feed(self, data: bytes) -> str:
        """Take in a piece; the name and form of a secret that was found, or nothing."""
        if not self._needles:
            return ""
        data = self._rest + data
        cut = _CUT.search(data, max(len(data) - 8, 0))
        place = cut.start() if cut else len(data)
        self._rest = data[place:]
        return self._take(data[:place])

    def end(self) -> str:
        """The same for what is held back."""
        data, self._rest = self._rest, b""
        return self._take(data)

    def _take(self, data: bytes) -> str:
        self._spaced += data.translate(None, _BLANK)
        for old, new in ((b"\\r\\n", b"\n"), (b"\\n", b"\n"), (b"\r\n", b"\n"), (b"=\n", b"")):
            data = data.replace(old, new)
        self._joined += data.translate(None, _BLANK)
        for label, spaced, joined in self._needles:
            if spaced in self._spaced or joined in self._joined:
                return label
        self._spaced = self._spaced[-self._kept :] if self._kept else b""
        self._joined = self._joined[-self._kept :] if self._kept else b""
        return ""


# Places --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the pieces of a text without breaks stood before."""

    short: list[int]
    long: list[int]

    def of(self, place: int) -> int:
        index = bisect.bisect_right(self.short, place) - 1
        return self.long[index] + place - self.short[index]


def _squeezed(data: bytes, breaks: re.Pattern[bytes] | None) -> tuple[bytes, _Places]:
    pieces, places, end = [], _Places([0], [0]), 0
    size = 0
    for found in breaks.finditer(data) if breaks else ():
        pieces.append(data[end : found.start()])
        size += found.start() - end
        end = found.end()
        if places.short[-1] == size:
            places.long[-1] = end
        else:
            places.short.append(size)
            places.long.append(end)
    pieces.append(data[end:])
    return b"".join(pieces), places


def _starts(text: bytes, wanted: bytes) -> Iterator[int]:
    start = text.find(wanted)
    while start >= 0:
        yield start
        start = text.find(wanted, start + len(wanted))


def _after(text: bytes, stop: int) -> int:
    """Behind the padding, and one letter that holds bits of the value."""
    limit = stop + 1 if stop < len(text) and text[stop] in _DIGITS else stop
    while limit < min(len(text), stop + 7) and text[limit : limit + 1] == b"=":
        limit += 1
    return limit
