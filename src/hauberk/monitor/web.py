"""The monitor over HTTP, without a framework: pages, ``/metrics``, and a door for telemetry.

Whoever reaches the pages may read them, so without a proxy that asks who it is they belong on
loopback; names of hosts are checked, so that a web page cannot ask in a visitor's name. The
door takes signed batches only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError
from hauberk.monitor import pages
from hauberk.monitor.exposition import CONTENT_TYPE, exposition
from hauberk.monitor.hours import DAY_H, HOUR_S
from hauberk.monitor.intake import SERVING
from hauberk.monitor.judging import Judged, judge
from hauberk.monitor.model_page import SPANS_ALL, View, model_page
from hauberk.monitor.otlp import LOGS, METRICS
from hauberk.monitor.pages import Overview, tone_of
from hauberk.monitor.store import MAX_FOUND, Sum
from hauberk.monitor.streams import of_day
from hauberk.monitor.viewers import csv_of
from hauberk.monitor.watching import Monitor
from hauberk.sketches.grid import Grid
from hauberk.trust.telemetry import MAX_BYTES

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PUSH: Final = "/v1/telemetry"
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
MAX_PATH: Final = 1024
_DAY_S = 86_400.0
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_BODY_TIMEOUT_S = 30.0

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", (pages.POLICY + "; frame-ancestors 'none'").encode()),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Before it is HTTP."""

    status: int
    body: str
    kind: str = _HTML


class App:
    """The ASGI application.

    Args:
        monitor: What is shown.
        hosts: Host names that are answered to, without ports; ``None`` for any.
    """

    def __init__(self, monitor: Monitor, hosts: frozenset[str] | None = LOCAL) -> None:
        self._monitor = monitor
        self._hosts = hosts

    def close(self) -> None:
        """Nothing is held open."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI 3."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await _send(send, await self._answer(scope, receive))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if self._hosts is not None and _host(headers.get(b"host", "")) not in self._hosts:
            return Answer(421, "this host name is not served here\n", "text/plain")
        path = unquote(scope.get("raw_path", b"")[:MAX_PATH].split(b"?")[0].decode("latin-1"))
        if path == PUSH or path.endswith((LOGS, METRICS)):
            return await self._pushed(scope, headers, receive, path)
        if scope["method"] not in {"GET", "HEAD"}:
            return Answer(405, "use GET\n", "text/plain")
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), max_num_fields=20))
        try:
            return await asyncio.to_thread(self.page, path, query)
        except HauberkError as error:
            return Answer(503, f"{error.message}\n", "text/plain")

    async def _pushed(
        self, scope: Message, headers: dict[bytes, str], receive: Receive, path: str
    ) -> Answer:
        length = headers.get(b"content-length", "")
        if scope["method"] != "POST" or not length.isdecimal() or int(length[:18]) > MAX_BYTES:
            return _said(413, f"POST a batch of at most {MAX_BYTES} bytes, with its length")
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                body = await _body(receive)
        except (TimeoutError, ValueError):
            return _said(400, "the body did not arrive whole")
        token = headers.get(b"authorization", "")
        return await asyncio.to_thread(self._taken, path, body, token)

    def _taken(self, path: str, body: bytes, token: str) -> Answer:
        """What a door says to a body."""
        try:
            if path != PUSH:
                return self._otlp(path, body, token)
            batch = self._monitor.push(body)
        except ArtifactError as error:
            return _said(400, error.message)
        except TrustError as error:
            return _said(403, f"{error.message}; rule: {error.rule}")
        except UnavailableError as error:
            return _said(503, error.message)
        return Answer(200, json.dumps({"taken": batch.sequence}) + "\n", _JSON)

    def _otlp(self, path: str, body: bytes, token: str) -> Answer:
        """``/otlp/MODEL/v1/logs``, as exporters make it of their endpoint ``/otlp/MODEL``."""
        kind = LOGS if path.endswith(LOGS) else METRICS
        model = path.removesuffix(kind).removeprefix("/otlp/")
        taken = self._monitor.take_otlp(model, kind, body, token)
        name = "rejectedLogRecords" if kind == LOGS else "rejectedDataPoints"
        partial = {"partialSuccess": {name: str(taken.left)}} if taken.left else {}
        return Answer(200, json.dumps(partial) + "\n", _JSON)

    # Pages ---------------------------------------------------------------------------

    def page(self, path: str, query: dict[str, str]) -> Answer:
        """What stands at a path."""
        plain = {"/": self._overview, "/alerts": self._alerts}
        if path in plain:
            return Answer(200, plain[path]())
        if path == "/metrics":
            return Answer(200, exposition(self._monitor), CONTENT_TYPE)
        if path == "/healthz":
            return _health(self._monitor)
        if path in {"/audit", "/audit.csv"}:
            return self._audit(query, csv=path.endswith(".csv"))
        name = path.removeprefix("/models/")
        if name != path and name in self._monitor.store.models():
            return Answer(200, self._model(name, query.get("span", "week")))
        return Answer(404, pages.missing_page("This page"))

    def _overview(self) -> str:
        monitor, now = self._monitor, self._monitor.clock()
        store = monitor.store
        found = store.causes(since=now - _DAY_S, limit=50)
        models = []
        for name, (grid, _) in store.models().items():
            own = [item.alert for item in found if item.alert.asset == name]
            day, drifted = self._day(name)
            n_columns = len(Grid.from_bytes(grid).axes)
            models.append(
                Overview(
                    name=name,
                    tone=tone_of(own, day),
                    day=day,
                    drifted=drifted,
                    n_columns=n_columns,
                    alerts=len(own),
                )
            )
        return pages.overview(
            models,
            found,
            troubles=monitor.troubles,
            replicas=self._replicas(now),
            logs=[(log.name, _log_state(log)) for log in monitor.logs],
            now=now,
        )

    def _day(self, name: str) -> tuple[Sum | None, int]:
        newest = self._monitor.store.newest(name)
        if newest is None:
            return None, 0
        first = pages.first_of_day(newest)
        days = self._monitor.store.sums(name, first, first, span=DAY_H)
        judged = self._judged(name, newest)
        return (days[-1] if days else None), sum(item.drifted for item in judged.distances)

    def _judged(self, name: str, newest: int) -> Judged:
        grid = Grid.from_bytes(self._monitor.store.models()[name][0])
        return judge(grid, self._monitor.store.hour(name, newest - DAY_H + 1, newest))

    def _replicas(self, now: float) -> list[tuple[str, str]]:
        rows = []
        for name, (ledger, seen) in self._monitor.store.ledgers().items():
            missing = f", {len(ledger.missing)} missing" if ledger.missing else ""
            rows.append((name, f"batch {ledger.highest}{missing}, heard {now - seen:.0f} s ago"))
        return rows

    def _alerts(self) -> str:
        now = self._monitor.clock()
        store = self._monitor.store
        return pages.alerts_page(
            store.alerts(since=now - 30 * _DAY_S, limit=200), store.silences(now)
        )

    def _audit(self, query: dict[str, str], *, csv: bool) -> Answer:
        problem, times = "", {"since": 0.0, "until": float("inf")}
        for name in times:
            if query.get(name):
                try:
                    moment = datetime.fromisoformat(query[name])
                    times[name] = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
                except (ValueError, OverflowError):
                    problem = "Times are written like 2024-05-01T12:00."
        found = self._monitor.store.decisions(
            principal=query.get("principal", "")[:80],
            model=query.get("model", "")[:80],
            action=query.get("action", "")[:80],
            since=times["since"],
            until=times["until"],
        )
        if csv:
            return Answer(200, csv_of(found), "text/csv; charset=utf-8")
        return Answer(200, pages.audit_page(found, query, total_shown=MAX_FOUND, problem=problem))

    def _model(self, name: str, span: str) -> str:
        store, now = self._monitor.store, self._monitor.clock()
        span = span if span in SPANS_ALL else "week"
        newest = store.newest(name)
        last = int(now // HOUR_S) if newest is None else newest
        n_hours, unit = SPANS_ALL[span]
        alerts = store.causes(since=now - 7 * _DAY_S, asset=name, limit=30)
        recent = [item.alert for item in alerts if item.at > now - _DAY_S]
        sums = store.sums(name, last - n_hours + 1, last, span=unit)
        return model_page(
            View(
                name=name,
                tone=tone_of(recent, sums[-1] if sums else None),
                span=span,
                grid=Grid.from_bytes(store.models()[name][0]),
                judged=self._judged(name, last),
                sums=sums,
                alerts=alerts,
                provenance=self._provenance(name),
                streams=of_day(store, name, last // DAY_H),
            )
        )

    def _provenance(self, name: str) -> list[tuple[str, str]]:
        from hauberk.monitor.provenance import provenance

        known = self._monitor.models.get(name)
        if known is None:
            return []
        serving = self._monitor.store.state(f"{SERVING}:{name}")
        return provenance(known.watched.release, known.grid, serving=serving, signer=known.signer)


def _health(monitor: Monitor) -> Answer:
    if monitor.troubles:
        return Answer(503, "in trouble\n", "text/plain")
    return Answer(200, "ok\n", "text/plain")


def _log_state(log: Any) -> str:
    witness = log.watched.witness
    held = "no second place holds its heads" if witness is None else f"heads go to {witness.name}"
    return f"{log.log.size} records; {held}"


def _said(status: int, text: str) -> Answer:
    return Answer(status, json.dumps({"error": text}) + "\n", _JSON)


def _host(value: str) -> str:
    name, _, port = value.lower().rpartition(":")
    return name if name and port.isdecimal() else value.lower()


async def _body(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ValueError("the connection ended")
        size += len(message.get("body", b""))
        if size > MAX_BYTES:
            raise ValueError("too large")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _send(send: Send, answer: Answer) -> None:
    body = answer.body.encode("utf-8", "backslashreplace")
    headers = [
        (b"content-type", answer.kind.encode()),
        (b"content-length", str(len(body)).encode()),
        *_HEADERS,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def ticking(monitor: Monitor, every_s: float) -> Iterator[None]:
    """Let the monitor work in a thread of its own for as long as the block lasts."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            monitor.tick()
            stop.wait(every_s)

    thread = threading.Thread(target=work, name="hauberk-monitor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
