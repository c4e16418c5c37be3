"""Logs written anew: what somebody who holds the log's folder, and its key, can make.

The heads of the twin stand at the same sizes as before, as far as it reaches, and follow
from its own records. Their signature line is a placeholder: who judges the twin takes heads
on their word, which is what holding the key amounts to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hauberk.core.artifact import LogSegment
from hauberk.errors import ArtifactError
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.checkpoint import Head, make_note, parse_note
from hauberk.trust.merkle import Frontier, leaf_hash

PLACEHOLDER = "\N{EM DASH} held AAAAAAA=\n".encode()
"""A signature line of the right form that no key made."""


def replaced(segment: LogSegment, records: Sequence[bytes]) -> LogSegment:
    """The segment with other records under its old heads."""
    kept = tuple(records)
    return replace(segment, records=lambda: iter(kept))


def rewritten(segment: LogSegment, records: Sequence[bytes]) -> LogSegment:
    """The segment with other records and with heads that follow from them."""
    sizes = [parse_note(note).head.size for note in segment.heads]
    origin = parse_note(segment.heads[-1]).head.origin if segment.heads else "log"
    heads = heads_over(records, [size for size in sizes if size <= len(records)], origin)
    return replace(replaced(segment, records), heads=heads)


def heads_over(records: Sequence[bytes], sizes: Sequence[int], origin: str) -> tuple[bytes, ...]:
    """Heads over the first records, at each of ``sizes``, which ascend."""
    frontier, heads = Frontier(), []
    for size in sizes:
        for record in records[frontier.size : size]:
            frontier.add(leaf_hash(record))
        head = Head(origin=origin, size=size, root=frontier.root)
        heads.append(make_note(head, lambda _text: PLACEHOLDER))
    return tuple(heads)


def covered(segment: LogSegment) -> int:
    """Records that the newest head covers, of the log or its witness."""
    notes = (*segment.heads, *segment.witnessed)
    return max((parse_note(note).head.size for note in notes), default=0)


def with_change(record: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """A record that is a JSON object, changed; other records come back as they are."""
    try:
        value = parse_json(record)
    except ArtifactError:
        return record
    return canonical_json(change(value)) if isinstance(value, dict) else record
