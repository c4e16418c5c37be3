"""Every decision in the log, many at a time.

One thread takes what has gathered since the last write and appends it as one batch, so that
the cost of making a record durable is shared by all who wait. A record holds digests, the
principal's hash, the decision and times; never a payload.

The queue is bounded. When the log cannot be written, or the queue is full, the loss is
counted, shown in the metrics and - by policy - stops the door until the log works again.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from hauberk.errors import HauberkError, UnavailableError
from hauberk.formats.v2 import encode

MAX_BATCH = 1000
GATHER_S = 0.05
MAX_PENDING = 100_000
"""About 30 MB of records; more means that the log stands still."""


class Log(Protocol):
    """The part of `trust.log` that is needed here."""

    def append(self, batch: Sequence[bytes], /) -> Any:
        """Add records; durable when it returns."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the door decided about one request.

    Attributes:
        at: Seconds since the epoch.
        model: Digest of the bundle's manifest.
        request: Digest of the raw body, empty where it was not read.
        response: Digest of the raw answer, empty where there was none.
        action: Of `core.control.Action`.
        rule: Why it was refused; empty where it was not.
        shadow: Controls in shadow that would have acted.
        signals: What controls on exchanges said, with their evidence (`judging.Noted.facts`).
        policy: Digest of the serving policy that decided.
        latency_us: From headers to answer.
        marks: Of the texts that were answered (`methods.output_marks`).
    """

    at: float
    model: str
    principal: str
    request: str
    response: str
    action: str
    rule: str
    status: int
    rows: int
    latency_us: int
    shadow: tuple[str, ...] = ()
    signals: tuple[dict[str, Any], ...] = ()
    policy: str = ""
    marks: tuple[bytes, ...] = ()


def record_of(decision: Decision) -> bytes:
    """The decision as one line of JSON."""
    return encode(
        {
            "kind": "decision",
            "at": int(decision.at * 1e6) / 1e6,
            "model": decision.model,
            "principal": decision.principal,
            "request": decision.request,
            "response": decision.response,
            "action": decision.action,
            "rule": decision.rule,
            "status": decision.status,
            "rows": decision.rows,
            "latency_us": decision.latency_us,
            "shadow": list(decision.shadow),
            "signals": list(decision.signals),
            "policy": decision.policy,
            **_marks(decision.marks),
        }
    )


def _marks(marks: tuple[bytes, ...]) -> dict[str, list[str]]:
    return {"marks": [b64encode(mark).decode() for mark in marks]} if marks else {}


MAX_MARKED = 100
"""Texts of one answer that are marked."""


def marks_of(texts: Iterable[object]) -> tuple[bytes, ...]:
    """Marks of the texts of an answer, in order."""
    from hauberk.methods.output_marks import mark_of

    found = (mark_of(str(text)) for text in islice(texts, MAX_MARKED))
    return tuple(mark for mark in found if mark is not None)


class Auditor:
    """Writes records to a log from a thread of its own.

    A record that nobody waits for is written within `gather_s`, with those that come meanwhile;
    one that somebody waits for at once.

    Args:
        log: Where they go.
        lost: Is called with the number of records that could not be written.
        retry_s: Waiting time before a failed log is tried again.
        gather_s: How long records may gather before they are written.
        say: Is told once that the log cannot be written, and once that it can again.
    """

    def __init__(
        self,
        log: Log,
        *,
        lost: Callable[[int], None] = lambda _: None,
        retry_s: float = 1.0,
        gather_s: float = GATHER_S,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._log = log
        self._say = say
        self._lost = lost
        self._retry_s = retry_s
        self._pending: deque[tuple[bytes, Future[None] | None]] = deque()
        self._gather_s = gather_s
        self._wake = threading.Condition()
        self._is_urgent = False
        self._closing = False
        self._failing_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="hauberk-audit", daemon=True)
        self._thread.start()

    @property
    def is_failing(self) -> bool:
        """Whether the last batch could not be written and it is too early to try again."""
        since = self._failing_since
        return since is not None and time.monotonic() - since < self._retry_s

    def append(self, record: bytes) -> None:
        """Queue a record and go on; it is durable soon."""
        self._put(record, None)

    def append_durably(self, record: bytes) -> Future[None]:
        """Queue a record; the future is done when it is durable, or holds the error."""
        done: Future[None] = Future()
        self._put(record, done)
        return done

    def close(self) -> None:
        """Write what is queued and stop; nothing may be appended afterwards."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _put(self, record: bytes, done: Future[None] | None) -> None:
        with self._wake:
            if len(self._pending) < MAX_PENDING and not self._closing:
                self._pending.append((record, done))
                urgent = done is not None or len(self._pending) == MAX_BATCH
                if len(self._pending) == 1 or (urgent and not self._is_urgent):
                    self._wake.notify()
                self._is_urgent = self._is_urgent or urgent
                return
        self._lost(1)
        if done is not None:
            done.set_exception(UnavailableError("the audit log takes no more records"))

    def _run(self) -> None:
        while batch := self._next_batch():
            self._write(batch)

    def _next_batch(self) -> list[tuple[bytes, Future[None] | None]]:
        with self._wake:
            while not self._pending and not self._closing:
                self._wake.wait()
            if not (self._is_urgent or self._closing):
                self._wake.wait(self._gather_s)
            n_records = min(MAX_BATCH, len(self._pending))
            self._is_urgent = len(self._pending) - n_records >= MAX_BATCH or any(
                done is not None for _, done in islice(self._pending, n_records, None)
            )
            return [self._pending.popleft() for _ in range(n_records)]

    def _write(self, batch: list[tuple[bytes, Future[None] | None]]) -> None:
        problem: HauberkError | OSError | None = None
        try:
            self._log.append([record for record, _ in batch])
            if self._failing_since is not None:
                self._say("the log of decisions is written again")
            self._failing_since = None
        except (HauberkError, OSError) as error:
            problem = error
            if self._failing_since is None:
                self._say(f"ALARM: the log of decisions cannot be written: {error}")
                self._say("  on_audit_failure of the policy says whether requests are refused")
            self._failing_since = time.monotonic()
            self._lost(len(batch))
        for _, done in batch:
            if done is not None and problem is None:
                done.set_result(None)
            elif done is not None:
                done.set_exception(problem)
