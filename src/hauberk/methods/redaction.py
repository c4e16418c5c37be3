"""Text without credentials and without what names a person, before it is written anywhere.

Three readings: the text as it is; the text with line ends, blanks and joiners taken out, for what
was split over lines; and every stretch of base64, hexadecimal or percent encoding decoded, to
a bounded depth. What is found in any of them is cut out of the text as it stands: a whole encoded
stretch, or all the lines that a split one lies on.

Limits:
    Names and addresses in free text are not found; log by schema, so that free text is never
    written. A credential of no known form beside no telling name passes.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from hauberk.methods.identifiers import IdentifierKind, find_identifiers
from hauberk.methods.secrets import find_secrets

MAX_TEXT = 100_000
"""Characters that are searched; what stands behind is left out of the text."""
MAX_DEPTH = 3
_MIN_ENCODED = 12
_MIN_READABLE = 0.9

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4}){3,}[A-Za-z0-9+/_-]{0,3}={0,2}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){6,}")
_PERCENT = re.compile(r"[^\s\"'<>]+")
"""Whole words, so that the time stays linear; those without a percent sign decode to nothing."""
_SPLIT = re.compile(r"(?:\\r|\\n|[\r\n]){1,4}[ \t>|]{0,40}(?=\S)|(?<=\S)[\u200b\u00ad\u2060](?=\S)")


@dataclass(frozen=True, slots=True)
class Found:
    """One place to cut out."""

    start: int
    end: int
    what: str


def redacted(text: str) -> str:
    """``text`` with every place that `sensitive` finds replaced by what it was.

    >>> redacted("card 4111 1111 1111 1111 declined")
    'card [card removed] declined'
    """
    text = text[:MAX_TEXT]
    pieces, end = [], 0
    for found in _merged(sensitive(text)):
        pieces += [text[end : found.start], f"[{found.what} removed]"]
        end = found.end
    return "".join([*pieces, text[end:]])


def sensitive(text: str, depth: int = MAX_DEPTH) -> Iterator[Found]:
    """Everything that should not be written, with where it stands in ``text``."""
    yield from _plain(text)
    yield from _split(text)
    if depth:
        yield from _encoded(text, depth - 1)


def by_schema(value: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    """Only the fields that a schema lists, every text in them redacted.

    >>> by_schema({"rule": "no key for ana@mail.example", "body": "x"}, frozenset({"rule"}))
    {'rule': 'no key for [email removed]'}
    """
    return {name: _clean(item) for name, item in value.items() if name in allowed}


def _clean(value: Any, depth: int = MAX_DEPTH) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if depth and isinstance(value, Mapping):
        return {redacted(str(name)): _clean(item, depth - 1) for name, item in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [_clean(item, depth - 1) for item in value]
    return value if isinstance(value, (int, float, type(None))) else redacted(str(value))


def _plain(text: str) -> Iterator[Found]:
    for secret in find_secrets(text, settings=True):
        yield Found(secret.start, secret.end, secret.provider)
    for item in find_identifiers(text):
        if item.kind is not IdentifierKind.IP_ADDRESS or _is_public(text[item.start : item.end]):
            yield Found(item.start, item.end, item.kind.value)


def _is_public(address: str) -> bool:
    """Whether it may be a person's; those of a machine's own network are not."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_global
    except ValueError:
        return True


def _split(text: str) -> Iterator[Found]:
    """What only shows once breaks inside of words are taken out."""
    breaks = list(_SPLIT.finditer(text))
    if not breaks:
        return
    joined: list[str] = []
    places: list[int] = []
    end = 0
    for match in breaks:
        joined.append(text[end : match.start()])
        places += range(end, match.start())
        end = match.end()
    joined.append(text[end:])
    places += range(end, len(text))
    whole = "".join(joined)
    known = {(item.start, item.end) for item in _plain(text)}
    for item in _plain(whole):
        span = places[item.start], places[item.end - 1] + 1
        if span not in known:
            yield Found(*span, item.what)


def _encoded(text: str, depth: int) -> Iterator[Found]:
    for form, decode in ((_BASE64, _from_base64), (_HEX, _from_hex), (_PERCENT, _from_percent)):
        for match in form.finditer(text):
            inner = decode(match.group())
            if inner and any(sensitive(inner, depth)):
                what = next(iter(sensitive(inner, depth))).what
                yield Found(match.start(), match.end(), f"encoded {what}")


def _from_base64(text: str) -> str:
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return _readable(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (ValueError, binascii.Error):
        return ""


def _from_hex(text: str) -> str:
    return _readable(bytes.fromhex(text))


def _from_percent(text: str) -> str:
    return unquote(text) if text.count("%") > 1 else ""


def _readable(data: bytes) -> str:
    """The text that bytes are; empty where they are none."""
    text = data.decode("utf-8", "ignore")
    printable = sum(char.isprintable() or char in "\r\n\t" for char in text)
    enough = len(text) >= _MIN_ENCODED // 2 and printable >= _MIN_READABLE * max(len(data), 1)
    return text if enough else ""


def _merged(found: Iterator[Found]) -> list[Found]:
    """Overlapping places as one, in order."""
    merged: list[Found] = []
    for item in sorted(found, key=lambda item: (item.start, -item.end)):
        if merged and item.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Found(last.start, max(last.end, item.end), last.what)
        else:
            merged.append(item)
    return merged
