"""OTLP over HTTP with JSON: rows as log records, requests as a histogram of durations.

A log record whose attributes are named like the columns of a watched model is one row with its
prediction; ``http.server.request.duration`` with delta temporality is how many requests there
were, how long they took, and which failed. Everything else is counted and left. Whoever sends
needs the token of the door; what comes through it is the word of whoever holds that token, and
counts with dropped tables when actions are decided. The same body counts once.

References:
    OpenTelemetry Protocol 1.x, OTLP/HTTP, JSON Protobuf encoding; semantic conventions for HTTP
    metrics.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.monitor import hours
from hauberk.monitor.hours import HOUR_S, Hour
from hauberk.monitor.intake import MAX_FUTURE_S, Rows

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.monitor.settings import Door
    from hauberk.monitor.store import Store
    from hauberk.monitor.watching import Model

LOGS: Final = "/v1/logs"
METRICS: Final = "/v1/metrics"
DURATION: Final = "http.server.request.duration"
STATUS: Final = "http.response.status_code"
MAX_RECORDS: Final = 100_000
MAX_REMEMBERED: Final = 1_000
"""Bodies that are known again when they are sent twice."""
_DELTA = 1
_SERVER_ERROR = 500
_NS = 1e9


@dataclass(slots=True)
class Taken:
    """What a body held.

    Attributes:
        left: Records or points that are no rows and no durations, of the future, or too old.
    """

    rows: int = 0
    requests: int = 0
    left: int = 0
    is_known: bool = field(default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The door for one model."""

    door: Door
    model: Model

    def admit(self, authorization: str) -> None:
        """Compare the token.

        Raises:
            TrustError: It is another one.
        """
        token = _token(self.door.token)
        given = authorization.removeprefix("Bearer ").strip()
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise TrustError(
                "telemetry without the token of this door",
                subject="OTLP",
                rule="whoever sends holds the token",
                expected="Authorization: Bearer TOKEN",
                found="another token" if given else "none",
            )

    def take(self, store: Store, path: str, data: bytes, *, now: float, oldest: float) -> Taken:
        """Count a body in, once.

        Raises:
            ArtifactError: It is no OTLP of this kind.
        """
        value = _parsed(data)
        rows, spans, taken = [], {}, Taken()
        if path == LOGS:
            rows = list(self._rows(value, taken))
        else:
            spans = self._spans(value, taken, now=now, oldest=oldest)
        digest = hashlib.sha256(data).hexdigest()[:32]
        place = f"otlp:{self.model.name}"
        with store.changing() as change:
            known = list(change.place(place) or [])
            if digest in known:
                return Taken(is_known=True)
            for hour, found in spans.items():
                change.add(self.model.name, hour, "", found)
            if rows:
                took = Rows(model=self.model.name, watched=self.model.watched, grid=self.model.grid)
                table = self._table(rows)
                counted, left = took.take(change, table, at=now, now=now, oldest=oldest)
                taken.rows, taken.left = counted, taken.left + left
            change.put_place(place, [*known, digest][-MAX_REMEMBERED:])
        return taken

    # Logs ----------------------------------------------------------------------------

    def _rows(self, value: Any, taken: Taken) -> Iterator[dict[str, Any]]:
        wanted = self._columns()
        for record in _each(value, "resourceLogs", "scopeLogs", "logRecords"):
            cells = {k: v for k, v in _attributes(record).items() if k in wanted}
            if not cells:
                taken.left += 1
                continue
            if self.model.watched.time and self.model.watched.time not in cells:
                cells[self.model.watched.time] = _nanos(record.get("timeUnixNano")) / _NS
            yield cells

    def _columns(self) -> frozenset[str]:
        watched = self.model.watched
        own = (watched.id, watched.label, watched.prediction, watched.confidence, watched.group)
        named = (*own, watched.source, watched.time, *(axis.name for axis in self.model.grid.axes))
        return frozenset(name for name in named if name)

    def _table(self, rows: list[dict[str, Any]]) -> Dataset:
        import pyarrow as pa

        from hauberk.formats.tables import table_of

        numbers = {a.name for a in self.model.grid.axes if a.measure == "value"}
        numbers.add(self.model.watched.confidence)
        cells: dict[str, Any] = {}
        for name in sorted({name for row in rows for name in row}):
            found = [row.get(name) for row in rows]
            if name == self.model.watched.time:
                micros = [None if x is None else int(float(x) * 1e6) for x in found]
                cells[name] = pa.array(micros, pa.timestamp("us"))
            elif name in numbers:
                cells[name] = pa.array([_number(x) for x in found], pa.float64())
            else:
                cells[name] = pa.array([None if x is None else str(x) for x in found])
        return table_of("otlp", [pa.record_batch(cells)])

    # Metrics -------------------------------------------------------------------------

    def _spans(self, value: Any, taken: Taken, *, now: float, oldest: float) -> dict[int, Hour]:
        found: dict[int, Hour] = {}
        for metric in _each(value, "resourceMetrics", "scopeMetrics", "metrics"):
            histogram = metric.get("histogram")
            if metric.get("name") != DURATION or not isinstance(histogram, dict):
                taken.left += 1
                continue
            if histogram.get("aggregationTemporality") not in (_DELTA, "1"):
                raise _malformed("durations that add up over time: set delta temporality")
            for point in _list(histogram, "dataPoints"):
                at = _nanos(point.get("timeUnixNano")) / _NS
                if not oldest <= at <= now + MAX_FUTURE_S:
                    taken.left += 1
                    continue
                hour = found.setdefault(int(at // HOUR_S), Hour())
                taken.requests += _count_point(hour, point)
        return found


def _count_point(hour: Hour, point: Mapping[str, Any]) -> int:
    counts = [_nanos(n) for n in _list(point, "bucketCounts", of=(str, int))]
    bounds = [_number(x) or 0.0 for x in _list(point, "explicitBounds", of=(int, float))]
    n = _nanos(point.get("count"))
    if sum(counts) != n or len(counts) != len(bounds) + 1:
        raise _malformed("buckets that do not add up to their count")
    for place, count in enumerate(counts):
        if count:
            top = bounds[place] if place < len(bounds) else float("inf")
            hour.count(hours.LATENCY, str(int(np.searchsorted(hours.LATENCY_S, top))), count)
    hour.requests += n
    status = _number(_attributes(point).get(STATUS))
    if status is not None and status >= _SERVER_ERROR:
        hour.errors += n
    return n


# JSON --------------------------------------------------------------------------------


def _parsed(data: bytes) -> Any:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _malformed(type(error).__name__) from None
    if not isinstance(value, dict):
        raise _malformed("no object")
    return value


def _each(value: Any, *keys: str) -> Iterator[Mapping[str, Any]]:
    """The objects three lists down."""
    n = 0
    for resource in _list(value, keys[0]):
        for scope in _list(resource, keys[1]):
            for item in _list(scope, keys[2]):
                n += 1
                if n > MAX_RECORDS:
                    raise _malformed(f"more than {MAX_RECORDS} records")
                yield item


def _list(value: Mapping[str, Any], key: str, of: tuple[type, ...] = (dict,)) -> list[Any]:
    found = value.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, of) for item in found):
        raise _malformed(f"{key} that is no list of them")
    return found


def _attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for item in _list(record, "attributes"):
        value = item.get("value")
        if isinstance(item.get("key"), str) and isinstance(value, dict) and len(value) == 1:
            found[item["key"]] = _plain(*next(iter(value.items())))
    return found


def _plain(kind: str, value: Any) -> Any:
    """A value of OTLP: whole numbers come as text."""
    if kind == "intValue":
        return _number(value)
    if kind in {"stringValue", "doubleValue", "boolValue"} and isinstance(
        value, (str, int, float, bool)
    ):
        return value
    return None


def _number(value: Any) -> float | None:
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (ValueError, TypeError, OverflowError):
        return None


def _nanos(value: Any) -> int:
    """A whole number as protobuf's JSON spells it: text, or a number."""
    try:
        found = int(value)
    except (ValueError, TypeError, OverflowError):
        raise _malformed("a whole number that is none") from None
    if not 0 <= found < 1 << 63:
        raise _malformed("a number out of range")
    return found


def _token(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the token of a door cannot be read", subject=str(path), found=type(error).__name__
        ) from error
    if len(token) < 16:  # noqa: PLR2004 - shorter ones are guessed
        raise UsageError(
            "the token of a door is too short", subject=str(path), expected="16 characters or more"
        )
    return token


def _malformed(found: str) -> ArtifactError:
    return ArtifactError(
        "this is no OTLP that is taken here",
        subject="OTLP",
        rule="JSON of the OpenTelemetry protocol, rows as log records",
        expected="resourceLogs with attributes named like columns, or http.server.request.duration",
        found=found,
        hint="see docs/tutorials/monitoring.md",
    )
