"""What the door tells OpenTelemetry: exchanges as spans, counts as metrics, never a payload.

In the event loop an exchange that ended costs one small object in a bounded queue, and only
where it was refused, acted on, or is among the sampled; everything else happens in the thread
of the exporter (`guard.exporting`). A queue that is full drops what comes and counts it.

Names follow the semantic conventions for HTTP servers, for RPC and for language models. Names
of our own begin with ``hauberk.``. What stands in a span are numbers, constants of ours, and
names that look like names: no body, no header, no principal, no text of a prompt or an answer.

References:
    OpenTelemetry semantic conventions: HTTP spans and metrics, RPC spans, generative AI client
    spans and metrics.
"""

from __future__ import annotations

import random
import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from hauberk.core.artifact import Exchange
from hauberk.formats.otlp import Attributes, Buckets, Kind, Metric, Place, Point, Span, place_of
from hauberk.guard.desk import METHOD, ROUTE, TRACE_HEADER
from hauberk.guard.judging import Course, ModelCall
from hauberk.guard.metrics import BUCKETS_S, OTHER, TOKENS, Calls, Histogram, Metrics
from hauberk.guard.replies import Reply

MAX_QUEUED = 4096
"""Spans that wait for the exporter, about 4 MB."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An exchange that ended.

    Attributes:
        at: When its headers were there, in seconds since the epoch.
        began: The same by ``time.perf_counter``.
        acts: Controls that had something to say, with what they asked for.
        parent: The header ``traceparent``, as the client sent it.
    """

    at: float
    began: float
    seconds: float
    method: str
    route: str
    status: int
    rule: str
    rows: int
    model_s: float
    acts: tuple[str, ...]
    parent: str
    call: ModelCall | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What is told, and how.

    Attributes:
        sample: Share of ordinary exchanges that become spans, 0 to 1; those that were refused
            or acted on all do.
        believes_parents: Whether a span becomes a part of the trace that its client names;
            else it begins a trace of its own with a link to it.
        scheme: Of the door: ``http`` or ``https``.
        provider: Whose protocol a language model behind the guard speaks.
    """

    sample: float = 0.1
    believes_parents: bool = False
    scheme: str = "http"
    provider: str = "openai"


class Observing:
    """Takes what ended, gives it as spans and metrics.

    Args:
        draw: Gives numbers from 0 to 1, for the sample.

    Attributes:
        lost: Spans that did not fit the queue; counted in the event loop.
        refused: Spans that no collector took; counted by the exporter.
    """

    def __init__(
        self,
        telling: Telling,
        *,
        max_queued: int = MAX_QUEUED,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._telling = telling
        self._draw = draw
        self._max_queued = max_queued
        self._queue: deque[Ended] = deque()
        self._metrics: Metrics | None = None
        self.lost = 0
        self.refused = 0

    def attach(self, metrics: Metrics) -> None:
        """Tell these counts."""
        self._metrics = metrics

    def ended(self, exchange: Exchange, reply: Reply, seconds: float, course: Course) -> None:
        """Keep an exchange, if it is to be told."""
        if not (reply.rule or course.noted) and self._draw() >= self._telling.sample:
            return
        if len(self._queue) >= self._max_queued:
            self.lost += 1
            return
        headers = exchange.headers
        self._queue.append(
            Ended(
                at=exchange.at,
                began=time.perf_counter() - seconds,
                seconds=seconds,
                method=headers.get(METHOD, "POST"),
                route=headers.get(ROUTE, ""),
                status=reply.status,
                rule=reply.rule,
                rows=course.rows,
                model_s=course.model_s,
                acts=tuple(_act(n.control, n.signal.action, n.obeyed) for n in course.noted),
                parent=headers.get(TRACE_HEADER, ""),
                call=course.call,
            )
        )

    def text(self) -> str:
        """A line for ``/metrics``."""
        name = "hauberk_telemetry_lost_total"
        text = "Spans that no collector of OpenTelemetry took."
        lost = self.lost + self.refused
        return f"# HELP {name} {text}\n# TYPE {name} counter\n{name} {lost}\n"

    def taken(self, most: int) -> list[Span]:
        """Spans of the oldest exchanges in the queue, which are in it no more."""
        found = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        return [span for one in found for span in spans_of(one, self._telling)]

    def metrics(self) -> Iterator[Metric]:
        """All counts as they stand."""
        if self._metrics is not None:
            yield from metrics_of(self._metrics, self._telling)
        yield _sum(
            "hauberk.guard.spans.lost",
            "{span}",
            "Spans that no collector took.",
            [((), self.lost + self.refused)],
        )


def _act(control: str, action: object, obeyed: bool) -> str:  # noqa: FBT001 - a field of `Noted`
    return f"{control}: {action}" + ("" if obeyed else " (shadow)")


# Spans ---------------------------------------------------------------------------------


def spans_of(ended: Ended, telling: Telling) -> Iterator[Span]:
    """The exchange, and the call of a language model within it."""
    caller = place_of(ended.parent) if ended.parent else None
    belongs = caller is not None and telling.believes_parents
    trace = caller.trace if caller is not None and belongs else secrets.token_hex(16)
    place = Place(trace=trace, span=secrets.token_hex(8))
    yield Span(
        place=place,
        name=_name(ended),
        kind=Kind.SERVER,
        start=ended.at,
        end=ended.at + ended.seconds,
        attributes=_attributes(ended, telling),
        parent=caller.span if caller is not None and belongs else "",
        link=None if belongs else caller,
        is_error=ended.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    if ended.call is not None:
        yield _called(ended.call, ended, place, telling)


def _name(ended: Ended) -> str:
    """A name of low cardinality: routes are ours."""
    if ended.route and not ended.route.startswith("/"):
        return ended.route
    method = "HTTP" if ended.method == OTHER else ended.method
    return f"{method} {ended.route}" if ended.route else method


def _attributes(ended: Ended, telling: Telling) -> Attributes:
    found: dict[str, str | int | float | tuple[str, ...]] = {}
    if ended.route and not ended.route.startswith("/"):
        service, _, method = ended.route.partition("/")
        found |= {"rpc.system": "grpc", "rpc.service": service}
        found |= {"rpc.method": method} if method else {}
    else:
        found |= {"http.request.method": ended.method, "url.scheme": telling.scheme}
        found |= {"http.response.status_code": ended.status}
        found |= {"http.route": ended.route} if ended.route else {}
    if ended.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        found["error.type"] = str(ended.status)
    if ended.rule:
        found["hauberk.rule"] = ended.rule
    if ended.acts:
        found["hauberk.controls"] = ended.acts
    if ended.rows:
        found["hauberk.rows"] = ended.rows
    if ended.model_s:
        found["hauberk.model.duration"] = ended.model_s
    return found


def _called(call: ModelCall, ended: Ended, server: Place, telling: Telling) -> Span:
    model = _plain(call.model)
    start = ended.at + max(0.0, call.began - ended.began)
    facts = {
        name: _plain(value)
        if isinstance(value, str)
        else tuple(map(_plain, value))
        if isinstance(value, tuple)
        else value
        for name, value in call.facts.items()
    }
    return Span(
        place=Place(trace=server.trace, span=secrets.token_hex(8)),
        name=f"chat {model}",
        kind=Kind.CLIENT,
        start=start,
        end=start + call.seconds,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": telling.provider,
            "gen_ai.request.model": model,
            **({"error.type": call.error} if call.error else {}),
            **facts,
        },
        parent=server.span,
        is_error=bool(call.error),
    )


def _plain(name: str) -> str:
    """A name that looks like one; whatever else a client or a server says is no name."""
    return name if _NAME.fullmatch(name) else OTHER


# Metrics -------------------------------------------------------------------------------

_Key = TypeVar("_Key")
_Count = TypeVar("_Count")
_Series = list[tuple[tuple[tuple[str, str | bool | int], ...], int]]


def metrics_of(counts: Metrics, telling: Telling) -> Iterator[Metric]:
    """The counts of a door; read from another thread than they are written in."""
    yield _durations(counts, telling)
    yield _sum(
        "hauberk.guard.refusals",
        "{request}",
        "Refusals by rule.",
        [((("hauberk.rule", rule),), n) for rule, n in _now(counts.refused)],
    )
    yield _sum(
        "hauberk.guard.acts",
        "{request}",
        "What controls did, or in shadow would have done.",
        [
            (
                (
                    ("hauberk.control", control),
                    ("hauberk.action", str(action)),
                    ("hauberk.obeyed", obeyed),
                ),
                n,
            )
            for (control, action, obeyed), n in _now(counts.shadows.counts)
        ],
    )
    yield _sum("hauberk.guard.rows", "{row}", "Rows answered.", [((), counts.rows)])
    yield _sum(
        "hauberk.guard.audit.lost",
        "{record}",
        "Decisions that the log did not take.",
        [((), counts.audit_lost)],
    )
    yield _sum(
        "hauberk.guard.reloads.failed",
        "{reload}",
        "Policies, keys and versions that could not be taken.",
        [((), counts.reload_failed)],
    )
    yield Metric(
        name="hauberk.guard.in_flight",
        unit="{request}",
        text="Requests being answered.",
        points=(Point(value=counts.in_flight),),
        is_monotonic=False,
    )
    yield from _of_calls(counts.calls, telling)


def _durations(counts: Metrics, telling: Telling) -> Metric:
    found = []
    for (method, route, status), histogram in _now(counts.latency):
        is_rpc = bool(route) and not route.startswith("/")
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "url.scheme": telling.scheme,
            "http.response.status_code": status,
        }
        if route:
            attributes["rpc.method" if is_rpc else "http.route"] = route
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            attributes["error.type"] = str(status)
        found.append(_buckets(histogram, attributes))
    return Metric(
        name="http.server.request.duration",
        unit="s",
        text="Duration of HTTP server requests.",
        buckets=tuple(found),
        bounds=BUCKETS_S,
    )


def _of_calls(calls: Calls, telling: Telling) -> Iterator[Metric]:
    named: dict[str, str | int] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": telling.provider,
    }
    took = tuple(
        _buckets(
            histogram,
            {**named, "gen_ai.request.model": _plain(model)}
            | ({"error.type": error} if error else {}),
        )
        for (model, error), histogram in _now(calls.seconds)
    )
    used = tuple(
        _buckets(
            histogram,
            {**named, "gen_ai.request.model": _plain(model), "gen_ai.token.type": kind},
        )
        for (model, kind), histogram in _now(calls.tokens)
    )
    if took:
        text = "GenAI operation duration."
        yield Metric(
            name="gen_ai.client.operation.duration",
            unit="s",
            text=text,
            buckets=took,
            bounds=BUCKETS_S,
        )
    if used:
        text = "Number of input and output tokens used."
        yield Metric(
            name="gen_ai.client.token.usage",
            unit="{token}",
            text=text,
            buckets=used,
            bounds=TOKENS,
        )


def _now(counts: Mapping[_Key, _Count]) -> list[tuple[_Key, _Count]]:
    """What stands in a mapping; copied in one step, as another thread writes to it."""
    return list(counts.items())


def _buckets(histogram: Histogram, attributes: Attributes) -> Buckets:
    return Buckets(counts=tuple(histogram.counts), total=histogram.total, attributes=attributes)


def _sum(name: str, unit: str, text: str, series: _Series) -> Metric:
    points = tuple(Point(value=n, attributes=dict(of)) for of, n in series)
    return Metric(name=name, unit=unit, text=text, points=points)
