"""What stands around every kind of answer: identity, role, budget, judges, and the log.

A `Desk` belongs to one served thing under one policy. The metrics, the log and the memory of
clients go on when the thing or its policy is replaced (`successor`).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from hauberk.controls.exchange.costly_inputs import CostlyInputs
from hauberk.controls.exchange.oversized_requests import OversizedRequests
from hauberk.controls.exchange.telling_times import TellingTimes
from hauberk.core.artifact import Digest, Exchange
from hauberk.core.control import Action, Signal, Watch
from hauberk.core.policy import Waiver
from hauberk.core.ports import ClientState
from hauberk.errors import HauberkError
from hauberk.formats.v2 import Request, Tensor, encode
from hauberk.guard import policy as policies
from hauberk.guard.audit import Auditor, Decision, Log, record_of
from hauberk.guard.identity import Identity, Keyring
from hauberk.guard.judging import Course, Judges, judges_of, refusal_of
from hauberk.guard.leases import Leases
from hauberk.guard.metrics import Metrics
from hauberk.guard.policy import Audit, GuardPolicy, OnAuditFailure, OnStateFailure
from hauberk.guard.replies import Reply, refusal, refused
from hauberk.guard.shaping import Detail, Occasion
from hauberk.guard.shelter import Sheltered
from hauberk.methods.sinks import Sink
from hauberk.trust.client_state import MemoryClientState
from hauberk.trust.digest import digest_bytes

SINK_HEADER = "x-hauberk-sink"
"""Says where an answer is read, in lower case."""

METHOD, ROUTE = ":method", ":route"
"""Names under which the door puts what was asked beside the headers; no client can send them."""

TRACE_HEADER = "traceparent"
"""The span of the caller that a request is a part of, as the caller says (W3C Trace Context)."""


class Tap(Protocol):
    """Whoever watches accepted traffic: the monitor. Called in the event loop; be quick."""

    def accepted(self, request: Request, outputs: tuple[Tensor, ...], at: float) -> None:
        """A request was answered."""
        ...

    def refused(self, rule: str, at: float) -> None:
        """A request was refused."""
        ...

    def concluded(self, status: int, seconds: float, at: float) -> None:
        """A reply was given, refusals included."""
        ...


class _NoTap:
    def accepted(self, request: Request, outputs: tuple[Tensor, ...], at: float) -> None:
        """Nobody watches."""

    def refused(self, rule: str, at: float) -> None:
        """Nobody watches."""

    def concluded(self, status: int, seconds: float, at: float) -> None:
        """Nobody watches."""


class Observer(Protocol):
    """Whoever tells OpenTelemetry. Called in the event loop; must be quick and never raise."""

    def attach(self, metrics: Metrics) -> None:
        """These counts are the door's."""
        ...

    def ended(self, exchange: Exchange, reply: Reply, seconds: float, course: Course) -> None:
        """A reply was given, refusals included."""
        ...

    def text(self) -> str:
        """Lines for ``/metrics``."""
        ...


def _fresh_key() -> bytes:
    return secrets.token_bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a service is given of the world.

    Attributes:
        keyring: Who is known.
        state: Memory per principal; shared where several workers serve.
        log: Where decisions go; ``None`` keeps none.
        clock: Seconds since the epoch.
        watches: Controls beyond schema and budget.
        more_metrics: Further lines for ``/metrics``, in the same format.
        all_metrics: Makes the page of all workers from that of this one.
        allow: Policy entries for names in the model that nobody has reviewed.
        key: The secret of `shaping.Occasion`, shared where several workers serve.
        observer: Is told of every exchange that ended; ``None`` for nobody.
        say: Takes a line for whoever looks after the server.
    """

    keyring: Identity = field(default_factory=Keyring)
    state: ClientState = field(default_factory=MemoryClientState)
    log: Log | None = None
    tap: Tap = field(default_factory=_NoTap)
    clock: Callable[[], float] = time.time
    watches: tuple[Watch, ...] = ()
    more_metrics: Callable[[], str] = str
    all_metrics: Callable[[str], str] = str
    allow: tuple[Waiver, ...] = ()
    key: bytes = field(default_factory=_fresh_key)
    observer: Observer | None = None
    say: Callable[[str], object] = lambda _: None


def _as_it_is(reply: Reply) -> Reply:
    return reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How one kind of clients is spoken to.

    Attributes:
        sinks: Places that answers may be written for.
        open_paths: Shown to whoever asks.
        words: A refusal in the form that these clients read.
    """

    sinks: frozenset[str] = frozenset(Sink)
    open_paths: frozenset[str] = frozenset({"/v2/health/live", "/v2/health/ready"})
    words: Callable[[Reply], Reply] = _as_it_is


V2_MANNERS = Manners()


@dataclass(slots=True)
class Books:
    """What goes on when a model or a policy is replaced: counts, and the way to the log."""

    metrics: Metrics
    auditor: Auditor | None = None

    def close(self) -> None:
        """Write what is queued for the log."""
        if self.auditor is not None:
            self.auditor.close()


class Desk:
    """One served thing under one policy; used from one event loop.

    Args:
        policy_digest: Of the policy that people edit, where ``policy`` was made from another.
        max_body_bytes: No allowed request is larger; by default what the policy says.
    """

    def __init__(
        self,
        *,
        name: str,
        version: str,
        digest: Digest,
        policy: GuardPolicy,
        world: Surroundings,
        watches: tuple[Watch, ...] | None = None,
        books: Books | None = None,
        manners: Manners = V2_MANNERS,
        policy_digest: Digest | None = None,
        max_body_bytes: int | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.digest = digest
        self.policy = policy
        self.max_body_bytes = max_body_bytes or policy.max_body_bytes
        self.policy_digest = policy_digest or digest_bytes(policies.to_bytes(policy))
        self.world = world
        self.manners = manners
        self.judges: Judges = judges_of(
            world.watches if watches is None else watches, policy.profile, policy.promote
        )
        self.budget = OversizedRequests(
            limits=policy.json_limits, rate_per_s=policy.rate_per_s, burst=policy.burst
        )
        self.compute = CostlyInputs(share=policy.compute_share, burst_s=policy.compute_burst_s)
        self.leases = Leases(self.budget, self.compute)
        self.times = TellingTimes(bucket_s=policy.answer_bucket_s)
        self.books = books or _books(name, version, world)
        self.metrics = self.books.metrics
        self.metrics.version = version
        self.metrics.profile = policy.profile.value
        self.metrics.revision = policy.revision
        self._slowed: Counter[str] = Counter()
        if world.observer is not None:
            world.observer.attach(self.metrics)

    def detail_for(self, exchange: Exchange) -> Detail | None:
        """How much of an answer the sender is given; ``None`` where it may not ask."""
        return self.policy.detail_for(exchange.role)

    def occasion(self, exchange: Exchange, request: Request, course: Course) -> Occasion:
        """For what an answer is shaped."""
        hard = course.is_hardened
        detail = self.policy.hardened if hard else self.detail_for(exchange)
        return Occasion(
            request=request,
            principal=exchange.principal,
            detail=detail or self.policy.hardened,
            hardened=hard,
            key=self.world.key,
        )

    async def enter(self, exchange: Exchange) -> Reply | None:
        """The sender may ask, and its budget covers it; or the refusal."""
        reply = self.admit(exchange)
        if reply is not None:
            return reply
        signal = self.charge(exchange)
        return None if signal is None else await self.turn_away(exchange, signal)

    def charge(self, exchange: Exchange) -> Signal | None:
        """Take the cost of a request from its sender's budgets; why it is refused, or nothing."""
        return self.leases.charge(exchange, self.world.state)

    async def turn_away(self, exchange: Exchange, signal: Signal) -> Reply:
        """The refusal that a budget asks for, late where it says so."""
        if signal.action is Action.SLOW:
            await self.slow_down(exchange.principal)
        return refused(signal)

    def admit(self, exchange: Exchange) -> Reply | None:
        """The log and the memory of clients work, and the role may ask; or the refusal."""
        auditor = self.books.auditor
        if auditor is not None and auditor.is_failing:
            reply = self._unaudited()
            if reply is not None:
                return reply
        if self.detail_for(exchange) is None:
            text = "refused: the role of this key may not ask this model"
            return self.manners.words(refusal(HTTPStatus.FORBIDDEN, text, "role"))
        state = self.world.state
        if isinstance(state, Sheltered) and state.is_failing:
            return self._unremembered()
        return None

    def settle(self, exchange: Exchange, seconds: float) -> None:
        """Book what the answer cost against its sender."""
        self.leases.settle(exchange, seconds, self.world.state)

    async def judge(
        self, exchange: Exchange, course: Course, *, apart: bool = False
    ) -> Reply | None:
        """Ask the controls that judge requests; waits where one that is obeyed says so.

        Args:
            apart: Asked in a thread, so that others need not wait.
        """
        ask = self.judges.request
        if apart:
            await asyncio.to_thread(ask, exchange, self.world.state, course)
        else:
            ask(exchange, self.world.state, course)
        return await self.obey(exchange, course) if course.noted else None

    async def judge_answer(
        self, exchange: Exchange, course: Course, *, apart: bool = False
    ) -> Reply | None:
        """Ask the controls that judge answers; see `judge`."""
        if not self.judges.after:
            return None
        was_slow, ask = course.is_slowed, self.judges.answer
        if apart:
            await asyncio.to_thread(ask, exchange, self.world.state, course)
        else:
            ask(exchange, self.world.state, course)
        if not course.noted:
            return None
        return await self.obey(exchange, course, has_waited=was_slow)

    async def obey(
        self, exchange: Exchange, course: Course, *, has_waited: bool = False
    ) -> Reply | None:
        """The refusal that what was noted asks for, if any; waits where it asks for that.

        Args:
            has_waited: Whether this exchange was slowed down already.
        """
        detail = self.detail_for(exchange)
        reply = refusal_of(course, is_strong=detail is not None and detail.strong)
        if reply is None and course.is_slowed and not has_waited:
            await self.slow_down(exchange.principal)
        return reply

    async def pad(self, started: float) -> None:
        """Wait until the time since ``started`` is a multiple of the policy's bucket.

        The event loop's own timers are too coarse: they would end a fraction of a millisecond
        after the bucket that depends on when they began, which tells what was hidden. The last
        stretch is waited out in a thread.
        """
        if not self.times.bucket_s:
            return
        now = time.perf_counter()
        until = now + self.times.wait_s(now - started)
        await asyncio.sleep(max(0.0, until - time.perf_counter() - _COARSE_S))
        await asyncio.get_running_loop().run_in_executor(None, _sleep_until, until)

    async def slow_down(self, principal: str) -> None:
        """Let a sender wait; only some requests at once, for waiting holds memory."""
        if self._slowed[principal] >= self.policy.per_principal:
            return
        self._slowed[principal] += 1
        try:
            await asyncio.sleep(self.policy.slow_s)
        finally:
            self._slowed[principal] -= 1
            if not self._slowed[principal]:
                del self._slowed[principal]

    async def conclude(
        self, exchange: Exchange, reply: Reply, started: float, course: Course | None = None
    ) -> Reply:
        """Count a reply and write the decision down; durable before it returns if asked for.

        Args:
            started: ``time.perf_counter`` when the request's headers were there.
        """
        written = self.book(exchange, reply, started, course or Course())
        return reply if written is None else await self.once(written, reply)

    def book(
        self, exchange: Exchange, reply: Reply, started: float, course: Course
    ) -> Future[None] | None:
        """Count a reply and hand the decision to the log; see `conclude`.

        Returns:
            What `once` has to wait for before the reply may be given, if anything.
        """
        seconds = time.perf_counter() - started
        headers, metrics, world = exchange.headers, self.metrics, self.world
        metrics.answered(reply.status, seconds, headers.get(METHOD, "POST"), headers.get(ROUTE, ""))
        metrics.rows += course.rows
        metrics.shadows.take(exchange.principal, course.noted)
        if reply.rule:
            metrics.refuse(reply.rule)
            world.tap.refused(reply.rule, exchange.at)
        world.tap.concluded(reply.status, seconds, exchange.at)
        if world.observer is not None:
            world.observer.ended(exchange, reply, seconds, course)
        auditor = self.books.auditor
        if auditor is None:
            return None
        record = record_of(self._decision(exchange, reply, seconds, course))
        if self.policy.audit is Audit.ASYNC or reply.rule:
            auditor.append(record)
            return None
        return auditor.append_durably(record)

    async def once(self, written: Future[None], reply: Reply) -> Reply:
        """The reply, once its decision is durable; by policy a refusal where it cannot be."""
        try:
            await asyncio.wrap_future(written)
        except (HauberkError, OSError):
            return self._unaudited() or reply
        return reply

    def announce(self) -> None:
        """Write down which model is served under which policy from now on."""
        if self.books.auditor is not None:
            self.books.auditor.append(
                encode(
                    {
                        "kind": "serving",
                        "at": round(self.world.clock(), 6),
                        "model": self.digest,
                        "version": self.version,
                        "policy": self.policy_digest,
                        "revision": self.policy.revision,
                        "profile": self.policy.profile.value,
                    }
                )
            )

    def _decision(
        self, exchange: Exchange, reply: Reply, seconds: float, course: Course
    ) -> Decision:
        return Decision(
            at=exchange.at,
            model=self.digest,
            principal=exchange.principal,
            request=digest_bytes(exchange.request) if exchange.request else "",
            response="" if reply.rule else digest_bytes(reply.body),
            action=_action(reply, course),
            rule=reply.rule,
            status=reply.status,
            rows=course.rows,
            latency_us=int(seconds * 1e6),
            shadow=tuple(one.control for one in course.noted if not one.obeyed),
            signals=tuple(one.facts() for one in course.noted),
            policy=self.policy_digest,
            marks=course.marks,
        )

    def _unaudited(self) -> Reply | None:
        if self.policy.on_audit_failure is OnAuditFailure.DEGRADE:
            return None
        text = "the audit log cannot be written; nothing is answered until it can"
        return self.manners.words(
            refusal(HTTPStatus.SERVICE_UNAVAILABLE, text, "audit log", ("retry-after", "5"))
        )

    def own_metrics(self) -> str:
        """The lines of this process for ``/metrics``."""
        observer = self.world.observer
        told = "" if observer is None else observer.text()
        return self.metrics.text() + self.state_metrics() + told + self.world.more_metrics()

    def all_metrics(self) -> str:
        """The lines of all workers, for ``/metrics``."""
        return self.world.all_metrics(self.own_metrics())

    def state_metrics(self) -> str:
        """Lines of the memory of clients for ``/metrics``."""
        state = self.world.state
        return state.metrics() if isinstance(state, Sheltered) else ""

    def _unremembered(self) -> Reply | None:
        if self.policy.on_state_failure is OnStateFailure.DEGRADE:
            return None
        text = "the memory of clients cannot be had; nothing is answered until it can"
        return self.manners.words(
            refusal(HTTPStatus.SERVICE_UNAVAILABLE, text, "shared state", ("retry-after", "5"))
        )


_COARSE_S = 0.004


def _sleep_until(moment: float) -> None:
    left_s = moment - time.perf_counter()
    if left_s > 0:
        time.sleep(left_s)


def _books(name: str, version: str, world: Surroundings) -> Books:
    books = Books(Metrics(model=name, version=version))

    def lose(n_records: int) -> None:
        books.metrics.audit_lost += n_records

    books.auditor = None if world.log is None else Auditor(world.log, lost=lose, say=world.say)
    return books


def _action(reply: Reply, course: Course) -> Action:
    if reply.rule:
        return Action.BLOCK
    noted = course.strongest
    return Action.ALLOW if noted is None else noted.signal.action
