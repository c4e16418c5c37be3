"""A log of who read what: one record per read, asked for or refused.

A record is ``{"kind": "read", "at", "reader", "object", "part", "n", "of", "allowed"}``: the
reader took ``n`` of the ``of`` parts of the object. Tokens and contents never go into it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from hauberk.errors import ArtifactError
from hauberk.trust.canonical import canonical_json, parse_json

MAX_RECORD_BYTES: Final = 1 << 16
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One read.

    Attributes:
        at: Seconds since the epoch by the clock of whoever let read.
        reader: Who, as the grant names it; ``-`` where nobody is known.
        name: The object: a project, a data set.
        part: What of it: a run, a file, a batch.
        n: Parts taken.
        of: Parts that the object has; 0 where that is unknown.
        allowed: Whether it was let.
    """

    at: float
    reader: str
    name: str
    part: str = ""
    n: int = 1
    of: int = 0
    allowed: bool = True

    def to_record(self) -> bytes:
        """The record, with what others chose cut to visible characters."""
        return canonical_json(
            {
                "kind": "read",
                "at": self.at,
                "reader": visible(self.reader),
                "object": visible(self.name),
                "part": visible(self.part),
                "n": self.n,
                "of": self.of,
                "allowed": self.allowed,
            }
        )


def visible(text: str) -> str:
    """At most 200 characters on one line; others are spelt out."""
    return "".join(
        sign if unicodedata.category(sign)[0] not in "CZ" or sign == " " else ascii(sign)[1:-1]
        for sign in text[:_MAX_TEXT]
    )


def read_of(record: bytes) -> Read | None:
    """The read that ``record`` tells of, or ``None``."""
    if b'"read"' not in record or len(record) > MAX_RECORD_BYTES:
        return None
    try:
        value = parse_json(record, max_bytes=MAX_RECORD_BYTES)
    except ArtifactError:
        return None
    if not isinstance(value, dict) or value.get("kind") != "read":
        return None
    return _read(value)


def _read(value: dict[str, Any]) -> Read | None:
    at, n, of = value.get("at"), value.get("n"), value.get("of")
    words = [value.get(key) for key in ("reader", "object", "part")]
    is_time = isinstance(at, (int, float)) and not isinstance(at, bool)
    if not is_time or not all(isinstance(word, str) for word in words):
        return None
    if not all(
        isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in (n, of)
    ):
        return None
    return Read(
        at=float(at or 0.0),
        reader=str(words[0]),
        name=str(words[1]),
        part=str(words[2]),
        n=int(n or 0),
        of=int(of or 0),
        allowed=value.get("allowed") is True,
    )


def reads(records: Iterator[bytes]) -> Iterator[Read]:
    """The reads among ``records``, in order."""
    for record in records:
        found = read_of(record)
        if found is not None:
            yield found
