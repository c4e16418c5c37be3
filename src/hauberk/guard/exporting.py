"""Spans and metrics sent to a collector of OpenTelemetry, from a thread of its own.

Every few seconds what has gathered is posted as OTLP over HTTP in JSON. Requests never wait for
it: a collector that is down, slow or answers nonsense costs spans beyond the bounded queue, which
are counted (``hauberk.guard.spans.lost``, ``hauberk_telemetry_lost_total``) and said aloud once.
Counts are not lost by a failed export: they are told with the next one that is taken.

References:
    OpenTelemetry Protocol 1.x, OTLP/HTTP: paths, retryable answers (429, 502, 503, 504), partial
    success.
"""

from __future__ import annotations

import http.client
import math
import re
import ssl
import threading
import time
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hauberk import __version__
from hauberk.errors import UsageError
from hauberk.formats import otlp
from hauberk.formats.otlp import Attributes, Buckets, Metric, Point, Source, Span, Temporality
from hauberk.guard.observing import Observing, Telling

MAX_BATCH = 512
"""Spans of one post, as the specification's batch processor has it."""

MAX_HELD = 4096
"""Spans that wait for a collector that does not take them."""

MAX_ANSWER = 64 << 10
TIMEOUT_S = 5.0
END_S = 3.0
"""How long the end of a server may wait for its last export."""

_AGAIN = frozenset({429, 502, 503, 504})
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) *: *([\x21-\x7e][\x20-\x7e]{0,4095})")
_OWN_HEADERS = frozenset({"host", "content-type", "content-length", "transfer-encoding"})
_MAKERS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """Where telemetry goes, and how often.

    Attributes:
        endpoint: Of the collector; ``/v1/traces`` and ``/v1/metrics`` are added.
        service: Name of the service; that of the model by default.
        headers: Sent with every post; from a file, as they may be secret.
        every_s: Seconds between two exports.
        ca: Certificates believed of the collector.
    """

    endpoint: str
    service: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    every_s: float = 5.0
    temporality: Temporality = Temporality.CUMULATIVE
    ca: str | None = None
    telling: Telling = field(default_factory=Telling)


_KEYS = frozenset(
    {
        "endpoint",
        "service",
        "headers",
        "every_s",
        "sample",
        "temporality",
        "ca",
        "believe_parents",
        "provider",
    }
)


def read_exporting(what: str) -> Exporting:
    """The settings in a file, or those of an address alone.

    Raises:
        UsageError: The file cannot be read, or a key or a value is wrong.
    """
    if "://" in what:
        return _settled(Exporting(endpoint=what))
    path = Path(what)
    try:
        value = tomllib.loads(path.read_text("utf-8"))
        return _settled(_exporting(value, path.parent))
    except UsageError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            "the file of OpenTelemetry's exporter is wrong",
            subject=str(path),
            expected="endpoint; perhaps " + ", ".join(sorted(_KEYS - {"endpoint"})),
            found=f"{type(error).__name__}: {error}"[:200],
            hint="see docs/tutorials/serving.md",
        ) from error


def _exporting(value: dict[str, Any], folder: Path) -> Exporting:
    unknown = set(value) - _KEYS
    if unknown:
        raise ValueError(f"{min(unknown)!r}, which is none of {', '.join(sorted(_KEYS))}")
    texts = {name: value.get(name, "") for name in ("endpoint", "service", "provider")}
    names = {name: value.get(name) for name in ("headers", "ca")}
    for name, text in {**texts, **names}.items():
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{name} that is no text")
    believes = value.get("believe_parents", False)
    if not isinstance(believes, bool):
        raise TypeError("believe_parents that is neither true nor false")
    sample, every_s = _number(value, "sample", 0.1), _number(value, "every_s", 5.0)
    if not 0 <= sample <= 1:
        raise ValueError(f"sample = {sample}, which is no share from 0 to 1")
    headers = names["headers"]
    ca = names["ca"]
    return Exporting(
        endpoint=texts["endpoint"],
        service=texts["service"],
        headers=() if headers is None else _headers((folder / headers).read_text("ascii")),
        every_s=min(max(every_s, 0.1), 3600.0),
        temporality=_temporality(value.get("temporality", "cumulative")),
        ca=None if ca is None else str(folder / ca),
        telling=Telling(
            sample=sample, believes_parents=believes, provider=texts["provider"] or "openai"
        ),
    )


def _number(value: dict[str, Any], name: str, default: float) -> float:
    found = value.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TypeError(f"{name} that is no number")
    if not math.isfinite(found):
        raise ValueError(f"{name} that is not finite")
    return float(found)


def _temporality(name: Any) -> Temporality:
    known = {one.name.lower(): one for one in Temporality}
    if name not in known:
        raise ValueError(f"temporality = {name!r}, which is none of {', '.join(sorted(known))}")
    return known[name]


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        pair = _HEADER.fullmatch(line)
        if pair is None or pair[1].lower() in _OWN_HEADERS:
            raise ValueError("a line of headers that is no NAME: VALUE")
        found.append((pair[1], pair[2]))
    return tuple(found)


def _settled(exporting: Exporting) -> Exporting:
    """The settings, if they name a place that can be posted to.

    Raises:
        UsageError: They do not.
    """
    try:
        parts = urlsplit(exporting.endpoint)
        is_place = parts.scheme in _MAKERS and bool(parts.hostname) and parts.port != 0
        is_plain = not (parts.query or parts.fragment or parts.username)
    except ValueError:
        is_place = is_plain = False
    if not (is_place and is_plain):
        raise UsageError(
            "this is no endpoint of a collector",
            subject="--otlp",
            rule="OTLP over HTTP",
            expected="http://HOST:PORT or https://HOST:PORT, without query and password",
            found=re.sub(r"//[^/@]*@", "//...@", exporting.endpoint)[:200],
            hint="the port of OTLP over HTTP is 4318; secrets belong into a file of headers",
        )
    if exporting.ca is not None:
        _tls(exporting.ca)
    return exporting


def _tls(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            "the certificates cannot be read", subject=ca, found=type(error).__name__
        ) from error


Post = Callable[[str, bytes], tuple[int, bytes]]
"""Posts a body to a path; the status and the answer. Raises `OSError` where nobody answers."""


def poster(exporting: Exporting) -> Post:
    """Posts to the collector; redirections are not followed."""
    parts = urlsplit(exporting.endpoint)
    host, prefix = parts.hostname or "", parts.path.rstrip("/")
    tls = _tls(exporting.ca) if parts.scheme == "https" else None

    def post(path: str, body: bytes) -> tuple[int, bytes]:
        more = {} if tls is None else {"context": tls}
        connection = _MAKERS[parts.scheme](host, parts.port, timeout=TIMEOUT_S, **more)
        headers = {"Content-Type": "application/json", **dict(exporting.headers)}
        try:
            connection.request("POST", prefix + path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(MAX_ANSWER)
        except (http.client.HTTPException, UnicodeError) as error:  # of names that are none
            raise OSError(type(error).__name__) from error
        finally:
            connection.close()

    return post


class Exporter:
    """Sends what an observer gathered.

    Args:
        observing: Gives spans and counts.
        post: Of `poster`.
        say: Told what goes wrong, once for each kind, and when it is over.
    """

    def __init__(
        self,
        exporting: Exporting,
        observing: Observing,
        post: Post,
        *,
        resource: Attributes,
        say: Callable[[str], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._exporting = exporting
        self._observing = observing
        self._post = post
        self._say = say
        self._clock = clock
        self._source = Source(
            resource={"service.instance.id": str(uuid.uuid4()), **resource},
            scope="hauberk.guard",
            version=__version__,
        )
        self._held: list[Span] = []
        self._since = clock()
        self._told: dict[str, Metric] = {}
        self._said = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hauberk-otlp", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Send what is left, if that can be done soon, and end."""
        self._stop.set()
        self._thread.join(END_S)

    def round(self) -> None:
        """Send what has gathered since the last time."""
        try:
            problems = [*self._send_spans(), *self._send_metrics()]
        except OSError as error:
            problems = [str(error) or type(error).__name__]
        text = "OpenTelemetry: the collector does not take telemetry: "
        self._tell((text + problems[0])[:300] if problems else "")

    def _work(self) -> None:
        while not self._stop.wait(self._exporting.every_s):
            self.round()
        self.round()

    def _tell(self, text: str) -> None:
        if text != self._said:
            self._say(text or "OpenTelemetry: the collector takes telemetry again")
        self._said = text

    # Spans -----------------------------------------------------------------------------

    def _send_spans(self) -> Iterator[str]:
        """Post what waits; what went wrong for good."""
        for _ in range(MAX_HELD // MAX_BATCH):
            self._held += self._observing.taken(MAX_BATCH)
            if not self._held:
                return
            beyond = max(0, len(self._held) - MAX_HELD)
            self._observing.refused += beyond
            del self._held[:beyond]
            batch = self._held[:MAX_BATCH]
            problem, rejected = self._posted(otlp.TRACES, otlp.traces(self._source, batch))
            del self._held[: len(batch)]
            self._observing.refused += len(batch) if rejected is None else min(rejected, len(batch))
            if problem:
                yield problem

    def _send_metrics(self) -> Iterator[str]:
        now = self._clock()
        found = list(self._observing.metrics())
        kind = self._exporting.temporality
        told = found if kind is Temporality.CUMULATIVE else [less(m, self._told) for m in found]
        body = otlp.metrics(self._source, told, since=self._since, at=now, kind=kind)
        problem, _ = self._posted(otlp.METRICS, body)
        if problem:
            yield problem
        elif kind is Temporality.DELTA:
            self._told, self._since = {one.name: one for one in found}, now

    def _posted(self, path: str, body: bytes) -> tuple[str, int | None]:
        """What went wrong for good, and how many items were rejected (``None``: all of them).

        Raises:
            OSError: The collector may take it later.
        """
        status, answer = self._post(path, body)
        if status in _AGAIN:
            raise OSError(f"{path}: status {status}")
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return f"{path}: status {status}, which asking again does not mend", None
        rejected, said = otlp.rejected(answer)
        return (f"{path}: {rejected} items rejected: {said!r}" if rejected else ""), rejected


def less(metric: Metric, told: Mapping[str, Metric]) -> Metric:
    """What came since the counts that were told; gauges stay as they are."""
    before = told.get(metric.name)
    if before is None or not metric.is_monotonic:
        return metric
    numbers = {_key(one): one.value for one in before.points}
    counts = {_key(one): one for one in before.buckets}
    return replace(
        metric,
        points=tuple(
            replace(one, value=one.value - numbers.get(_key(one), 0)) for one in metric.points
        ),
        buckets=tuple(_less(one, counts.get(_key(one))) for one in metric.buckets),
    )


def _less(one: Buckets, before: Buckets | None) -> Buckets:
    if before is None:
        return one
    counts = [now - old for now, old in zip(one.counts, before.counts, strict=True)]
    return replace(one, counts=counts, total=one.total - before.total)


def _key(one: Point | Buckets) -> frozenset[tuple[str, Any]]:
    return frozenset(one.attributes.items())
