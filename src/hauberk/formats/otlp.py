"""OTLP in JSON: spans and metrics as a collector of OpenTelemetry reads them over HTTP.

Only what we send. JSON of protobuf with the exceptions of OTLP: ids of traces and spans in
hexadecimal digits, enumerations as numbers, whole numbers of 64 bits as text.

References:
    OpenTelemetry Protocol 1.x, OTLP/HTTP, JSON Protobuf encoding. W3C, Trace Context, section 3.2
    (``traceparent``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

TRACES = "/v1/traces"
METRICS = "/v1/metrics"
MAX_TEXT = 256
"""Characters of one attribute; ours are names and constants."""

Value = str | bool | int | float | tuple[str, ...]
Attributes = Mapping[str, Value]

_PARENT = re.compile("([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Kind(IntEnum):
    """Of a span."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


class Temporality(IntEnum):
    """Whether counts are since the last export, or since the start."""

    DELTA = 1
    CUMULATIVE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A span of somebody's trace."""

    trace: str
    span: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One piece of work.

    Attributes:
        start: Seconds since the epoch.
        parent: Id of the span that it is a part of; empty for the first of a trace.
        link: A span of another trace that belongs to it.
        is_error: Whether the work failed.
    """

    place: Place
    name: str
    kind: Kind
    start: float
    end: float
    attributes: Attributes
    parent: str = ""
    link: Place | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One number with what tells it from the others of its metric."""

    value: float
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """How often values fell between bounds.

    Attributes:
        counts: One more than there are bounds.
    """

    counts: Sequence[int]
    total: float
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric with its points, or with its buckets.

    Attributes:
        unit: In the words of UCUM: ``s``, ``{request}``.
        bounds: Of the buckets.
        is_monotonic: Whether the numbers only grow; a number that also falls is what it is now.
    """

    name: str
    unit: str
    text: str
    points: tuple[Point, ...] = ()
    buckets: tuple[Buckets, ...] = ()
    bounds: Sequence[float] = ()
    is_monotonic: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who sends.

    Attributes:
        resource: What is observed (``service.name`` ...).
        scope: The code that observes it.
    """

    resource: Attributes
    scope: str
    version: str


def place_of(traceparent: str) -> Place | None:
    """The caller's span; ``None`` where the header is none of the specification's."""
    found = _PARENT.fullmatch(traceparent)
    if found is None:
        return None
    version, trace, span, _, more = found.groups()
    is_known = version != "ff" and (version != "00" or more is None)
    is_zero = not trace.strip("0") or not span.strip("0")
    return Place(trace=trace, span=span) if is_known and not is_zero else None


def traces(source: Source, spans: Iterable[Span]) -> bytes:
    """The body of an export of spans."""
    scope = _scope(source) | {"spans": [_span(span) for span in spans]}
    resource = _resource(source) | {"scopeSpans": [scope]}
    return _written({"resourceSpans": [resource]})


def metrics(
    source: Source, found: Iterable[Metric], *, since: float, at: float, kind: Temporality
) -> bytes:
    """The body of an export of metrics that count from ``since`` until ``at``."""
    times = {"startTimeUnixNano": _nanos(since), "timeUnixNano": _nanos(at)}
    scope = _scope(source) | {"metrics": [_metric(one, times, kind) for one in found]}
    resource = _resource(source) | {"scopeMetrics": [scope]}
    return _written({"resourceMetrics": [resource]})


def rejected(answer: bytes) -> tuple[int, str]:
    """How many of the items of an export a collector did not take, and its words."""
    try:
        said = json.loads(answer or b"{}").get("partialSuccess") or {}
        count = int(said.get("rejectedSpans") or said.get("rejectedDataPoints") or 0)
        return max(0, count), str(said.get("errorMessage", ""))[:MAX_TEXT]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return 0, ""


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()


def _resource(source: Source) -> dict[str, Any]:
    return {"resource": {"attributes": _attributes(source.resource)}}


def _scope(source: Source) -> dict[str, Any]:
    return {"scope": {"name": source.scope, "version": source.version}}


def _span(span: Span) -> dict[str, Any]:
    value: dict[str, Any] = {
        "traceId": span.place.trace,
        "spanId": span.place.span,
        "name": span.name[:MAX_TEXT],
        "kind": int(span.kind),
        "startTimeUnixNano": _nanos(span.start),
        "endTimeUnixNano": _nanos(max(span.start, span.end)),
        "attributes": _attributes(span.attributes),
        "status": {"code": 2} if span.is_error else {},
    }
    if span.parent:
        value["parentSpanId"] = span.parent
    if span.link is not None:
        value["links"] = [{"traceId": span.link.trace, "spanId": span.link.span}]
    return value


def _metric(metric: Metric, times: Mapping[str, str], kind: Temporality) -> dict[str, Any]:
    named = {"name": metric.name, "unit": metric.unit, "description": metric.text}
    if metric.bounds:
        points = [_bucketed(one, metric.bounds, times) for one in metric.buckets]
        return named | {"histogram": {"dataPoints": points, "aggregationTemporality": int(kind)}}
    numbers = [_point(point, times) for point in metric.points]
    if not metric.is_monotonic:
        return named | {"gauge": {"dataPoints": numbers}}
    return named | {
        "sum": {"dataPoints": numbers, "aggregationTemporality": int(kind), "isMonotonic": True}
    }


def _point(point: Point, times: Mapping[str, str]) -> dict[str, Any]:
    number: dict[str, Any] = (
        {"asInt": str(point.value)} if type(point.value) is int else {"asDouble": point.value}
    )
    return {**times, **number, "attributes": _attributes(point.attributes)}


def _bucketed(one: Buckets, bounds: Sequence[float], times: Mapping[str, str]) -> dict[str, Any]:
    return {
        **times,
        "count": str(sum(one.counts)),
        "sum": one.total if math.isfinite(one.total) else 0.0,
        "bucketCounts": [str(count) for count in one.counts],
        "explicitBounds": list(bounds),
        "attributes": _attributes(one.attributes),
    }


def _attributes(found: Attributes) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in found.items()]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, tuple):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"stringValue": value[:MAX_TEXT]}


def _nanos(seconds: float) -> str:
    return str(max(0, int(seconds * 1e9)))
