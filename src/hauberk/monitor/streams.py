"""Who asks a model, and what controls make of it: one line for each sender and day.

A day's streams are bounded however many senders there are. Those that a control noted push out
those that nobody noted, so that a flood of names does not hide the one that matters; what is
pushed out is counted under ``(other)``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hauberk.errors import ArtifactError
from hauberk.monitor.hours import DAY_H, HOUR_S, MAX_NAME, OTHER
from hauberk.monitor.store import DAILY

if TYPE_CHECKING:
    from hauberk.monitor.store import Change, Decided, Store

MAX_STREAMS: Final = 500
"""Senders of one model and day that are followed one by one."""
MAX_NOTED: Final = 20
_MAX_BYTES: Final = 8 << 20


@dataclass(slots=True)
class Stream:
    """What one sender asked within a day.

    Attributes:
        noted: Control that would have acted to how often.
        by_hour: Requests in each hour of the day.
    """

    requests: int = 0
    rows: int = 0
    refused: int = 0
    noted: dict[str, int] = field(default_factory=dict)
    by_hour: list[int] = field(default_factory=lambda: [0] * DAY_H)

    @property
    def weight(self) -> tuple[int, int, int]:
        """Streams that matter most have the largest."""
        return (sum(self.noted.values()), self.refused, self.requests)

    def take(self, item: Decided) -> None:
        """Count a decision in."""
        self.requests += 1
        self.rows += item.rows
        self.refused += bool(item.rule)
        self.by_hour[int(item.at // HOUR_S) % DAY_H] += 1
        for name in filter(None, item.shadow.split(",")):
            if name in self.noted or len(self.noted) < MAX_NOTED:
                self.noted[name] = self.noted.get(name, 0) + 1

    def add(self, other: Stream) -> None:
        """Take in another sender's stream."""
        self.requests += other.requests
        self.rows += other.rows
        self.refused += other.refused
        self.by_hour = [a + b for a, b in zip(self.by_hour, other.by_hour, strict=True)]
        for name, n in other.noted.items():
            self.noted[name] = self.noted.get(name, 0) + n


@dataclass(slots=True)
class Streams:
    """All senders of one model and day."""

    streams: dict[str, Stream] = field(default_factory=dict)

    def take(self, item: Decided) -> None:
        """Count a decision in, under its sender or, where there are too many, under the rest."""
        name = item.principal[:MAX_NAME]
        if name not in self.streams and len(self.streams) >= MAX_STREAMS:
            name = name if item.shadow and self._make_room() else OTHER
        self.streams.setdefault(name, Stream()).take(item)

    def _make_room(self) -> bool:
        """Let go of the sender that matters least; none where all were noted."""
        own = (name for name in self.streams if name != OTHER)
        least = min(own, key=lambda name: (self.streams[name].weight, name))
        if self.streams[least].noted:
            return False
        self.streams.setdefault(OTHER, Stream()).add(self.streams.pop(least))
        return True

    def top(self, n: int) -> Iterator[tuple[str, Stream]]:
        """Those that matter most."""
        ranked = sorted(self.streams, key=lambda name: self.streams[name].weight, reverse=True)
        yield from ((name, self.streams[name]) for name in ranked[:n])

    def to_bytes(self) -> bytes:
        """For the store."""
        value = {
            name: [s.requests, s.rows, s.refused, s.noted, s.by_hour]
            for name, s in self.streams.items()
        }
        return zlib.compress(json.dumps(value).encode(), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Streams:
        """What `to_bytes` gave.

        Raises:
            ArtifactError: It is something else.
        """
        try:
            value = json.loads(zlib.decompressobj().decompress(data, _MAX_BYTES))
            return cls({name: Stream(*parts) for name, parts in value.items()})
        except (zlib.error, ValueError, TypeError, AttributeError) as error:
            raise ArtifactError(
                "the streams of a day cannot be read",
                subject="streams",
                expected="what the monitor kept",
                found=type(error).__name__,
            ) from None


def name_of(model: str, day: int) -> str:
    """Where a day is kept."""
    return f"{DAILY}{day:08d}:{model}"


def keep(change: Change, decided: Iterable[Decided]) -> None:
    """Count decisions into the days of their senders, within a transaction."""
    found: dict[str, Streams] = {}
    for item in decided:
        name = name_of(item.model, int(item.at // HOUR_S) // DAY_H)
        if name not in found:
            kept = change.state(name)
            found[name] = Streams() if kept is None else Streams.from_bytes(kept)
        found[name].take(item)
    for name, streams in found.items():
        change.keep_state(name, streams.to_bytes())


def of_day(store: Store, model: str, day: int) -> Mapping[str, Stream]:
    """The senders of a day, those that matter most first."""
    kept = store.state(name_of(model, day))
    return {} if kept is None else dict(Streams.from_bytes(kept).top(MAX_STREAMS + 1))
