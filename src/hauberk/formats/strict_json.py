"""JSON from strangers: bounded before it is decoded, and without second meanings.

Decoders that are otherwise strict let duplicate keys pass and recurse as deep as the
sender likes. One linear scan over the raw bytes settles both, and the number of values,
before any decoder sees them. Rules, beyond RFC 8259:

1. UTF-8 without a byte order mark, at most ``max_bytes``.
2. At most ``max_depth`` open brackets, ``max_objects`` objects of ``max_keys`` keys, and
   ``max_values`` commas, brackets and strings.
3. No key twice in one object; keys are written without escapes, so that equal keys are
   equal bytes.
4. No NaN or Infinity, no number beyond a double, no integer of more than ``MAX_DIGITS``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from hauberk.errors import ArtifactError

MAX_DIGITS = 64
"""Digits in a row. A double needs 17, a 64-bit integer 19; long runs cost quadratic time."""

MAX_STRING_BYTES = 64 << 10
"""Bytes of a string between two escapes that the scan looks at before it gives up."""

MAX_SHOWN = 64
"""Characters of a foreign name that a message repeats."""

_TOKEN = re.compile(
    rb'["{}\[\]](?:(?<=")([^"\\]{0,65536}+(?:\\.[^"\\]{0,65536}+)*+)"([ \t\n\r]*+:)?)?',
    re.DOTALL,  # begins with a set of bytes, which lets the search skip numbers quickly
)
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_TOO_MANY_DIGITS = b"0" * (MAX_DIGITS + 1)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLimits:
    """Bounds that hold before decoding.

    Attributes:
        max_bytes: Size of the document.
        max_depth: Brackets open at once.
        max_values: Separators, brackets and strings together; memory grows with it.
        max_string_bytes: One string or key as written; `MAX_STRING_BYTES` at most.
        max_objects: Objects in the document.
        max_keys: Keys in one object.
    """

    max_bytes: int = 4 << 20
    max_depth: int = 16
    max_values: int = 1_000_000
    max_string_bytes: int = MAX_STRING_BYTES
    max_objects: int = 100_000
    max_keys: int = 100_000


def shown(name: str) -> str:
    """A foreign name for a message: itself where it is short and plain, else its length.

    >>> shown("age")
    'age'
    >>> shown("a<b>")
    '(4 characters not shown)'
    """
    plain = name.isascii() and name.replace("_", "a").replace("-", "a").replace(".", "a").isalnum()
    return name if plain and len(name) <= MAX_SHOWN else f"({len(name)} characters not shown)"


def decode(body: bytes, limits: JsonLimits) -> Any:
    """The value that ``body`` holds.

    Raises:
        ArtifactError: The document is malformed, ambiguous or beyond a limit.
    """
    scan(body, limits)
    try:
        return _decoder()(body)
    except (ValueError, RecursionError) as error:
        refuse("the document", "JSON of RFC 8259", "one well-formed value", "malformed", error)


def scan(body: bytes, limits: JsonLimits) -> None:
    """Check bounds and duplicate keys without decoding; linear time, memory for keys only.

    Raises:
        ArtifactError: A limit is exceeded, a key stands twice or is written with escapes.
    """
    if len(body) > limits.max_bytes:
        at_most("the document", "size in bytes", limits.max_bytes, len(body))
    n_values = body.count(b",")
    if n_values > limits.max_values:
        at_most("the document", "number of values", limits.max_values, n_values)
    if _TOO_MANY_DIGITS in body.translate(_DIGITS):
        at_most("a number", "digits in a row", MAX_DIGITS, "more")
    _scan_structure(body, limits, n_values)


def _scan_structure(body: bytes, limits: JsonLimits, n_values: int) -> None:
    """Go through brackets and strings; a token's last group says what it is."""
    open_objects: list[set[bytes] | None] = []
    n_objects = 0
    room = limits.max_values - n_values
    for n_tokens, token in enumerate(_TOKEN.finditer(body)):
        kind = token.lastindex
        if n_tokens >= room:
            at_most("the document", "number of values", limits.max_values, "more")
        if kind is None:
            n_objects += _take_bracket(token[0], open_objects, limits)
            if n_objects > limits.max_objects:
                at_most("the document", "number of objects", limits.max_objects, "more")
            continue
        if token.end() - token.start() > limits.max_string_bytes:
            _check_length(token[1], limits)
        if kind == _KEY and open_objects:
            _take_key(token[1], open_objects[-1], limits)


_KEY = 2
"""Group of the colon behind a string."""


def _take_bracket(mark: bytes, open_objects: list[set[bytes] | None], limits: JsonLimits) -> bool:
    """Whether an object was opened."""
    if mark in b"{[":
        open_objects.append(set() if mark == b"{" else None)
        if len(open_objects) > limits.max_depth:
            at_most("the document", "nesting depth", limits.max_depth, "deeper")
        return mark == b"{"
    if mark == b'"':
        refuse("the document", "closed strings", f"at most {MAX_STRING_BYTES} bytes", "an open one")
    if not open_objects:
        refuse("the document", "JSON of RFC 8259", "balanced brackets", "one too many")
    open_objects.pop()
    return False


def _check_length(text: bytes, limits: JsonLimits) -> None:
    if len(text) > limits.max_string_bytes:
        at_most("a string", "size in bytes", limits.max_string_bytes, len(text))


def _take_key(text: bytes, keys: set[bytes] | None, limits: JsonLimits) -> None:
    if keys is None:
        return  # a colon inside an array: the decoder refuses it
    if b"\\" in text:
        refuse("a key", "keys are written without escapes", "plain characters", "an escape")
    if text in keys:
        name = shown(text.decode("utf-8", "replace"))
        refuse(name, "no key stands twice in one object", "one value", "two")
    keys.add(text)
    if len(keys) > limits.max_keys:
        at_most("an object", "number of keys", limits.max_keys, "more")


@cache
def _decoder() -> Callable[[bytes], Any]:
    """The faster decoder where it is installed; both accept the same documents."""
    try:
        import msgspec
    except ImportError:
        return _decode_plainly
    return msgspec.json.Decoder().decode


def _decode_plainly(body: bytes) -> Any:
    text = body.decode("utf-8")
    value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    if "\\u" in text and _LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("lone surrogate")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("number out of range")
    return value


def at_most(subject: str, rule: str, limit: int, found: object) -> NoReturn:
    """Refuse something that is larger than allowed."""
    refuse(subject, rule, f"at most {limit}", str(found))


def refuse(
    subject: str, rule: str, expected: str, found: str, cause: BaseException | None = None
) -> NoReturn:
    """Raise the error for a broken rule.

    Raises:
        ArtifactError: Always.
    """
    message = f"refused: {rule}"
    raise ArtifactError(
        message, subject=subject, rule=rule, expected=expected, found=found
    ) from cause
