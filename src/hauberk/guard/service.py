"""One served bundle: who may ask, what is judged, how the model is run, what is written down.

A request passes these stations, in this order; each can end it:

1. The audit log works, where policy asks for it.
2. The sender's budget covers the predicted cost (`OversizedRequests`).
3. The request has one meaning and fits the schema (`SmuggledFields`).
4. Further controls on exchanges; those in shadow are noted, not obeyed.
5. A worker is free soon enough, and the model answers within the deadline.
6. The answer is inert where its reader says it goes (`ActiveOutputs`).
7. The decision is in the log: before the answer, or soon after it, as policy says.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from hauberk.controls.exchange.active_outputs import ActiveOutputs
from hauberk.controls.exchange.oversized_requests import OversizedRequests
from hauberk.controls.exchange.smuggled_fields import SmuggledFields
from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Watch
from hauberk.core.policy import Waiver
from hauberk.core.ports import ClientState
from hauberk.engine.load_gate import admit_bytes
from hauberk.errors import ArtifactError, HauberkError, LimitError
from hauberk.formats import v2, v2_binary
from hauberk.formats.v2 import Datatype, Request, Response, Tensor
from hauberk.formats.v2_schema import limits_for
from hauberk.guard.audit import Auditor, Decision, Log, record_of
from hauberk.guard.bundle import MANIFEST, Bundle
from hauberk.guard.identity import Keyring
from hauberk.guard.metrics import Metrics
from hauberk.guard.pace import Pace
from hauberk.guard.policy import Audit, OnAuditFailure
from hauberk.guard.runtime import Ending, Model, open_model
from hauberk.methods.sinks import Sink, encode_for_sink
from hauberk.trust.client_state import MemoryClientState
from hauberk.trust.digest import digest_bytes

JSON = "application/json"
OCTETS = "application/octet-stream"


class Tap(Protocol):
    """Whoever watches accepted traffic: the monitor. Called in the event loop; be quick."""

    def accepted(self, request: Request, outputs: tuple[Tensor, ...], at: float) -> None:
        """A request was answered."""
        ...

    def refused(self, rule: str, at: float) -> None:
        """A request was refused."""
        ...


class _NoTap:
    def accepted(self, request: Request, outputs: tuple[Tensor, ...], at: float) -> None:
        """Nobody watches."""

    def refused(self, rule: str, at: float) -> None:
        """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer before it is HTTP."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    rule: str = ""


def refusal(status: int, message: str, rule: str, *headers: tuple[str, str]) -> Reply:
    """An error in the form of the protocol."""
    return Reply(
        status=status, body=v2.encode({"error": message}), headers=tuple(headers), rule=rule
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a service is given of the world.

    Attributes:
        state: Memory per principal.
        log: Where decisions go; ``None`` keeps none.
        clock: Seconds since the epoch.
        watches: Controls beyond schema and budget.
        more_metrics: Further lines for ``/metrics``, in the same format.
        allow: Policy entries for names in the model that nobody has reviewed.
    """

    keyring: Keyring = field(default_factory=Keyring)
    state: ClientState = field(default_factory=MemoryClientState)
    log: Log | None = None
    tap: Tap = field(default_factory=_NoTap)
    clock: Callable[[], float] = time.time
    watches: tuple[Watch, ...] = ()
    more_metrics: Callable[[], str] = str
    allow: tuple[Waiver, ...] = ()


class Service:
    """A loaded bundle and its running state; used from one event loop."""

    def __init__(self, bundle: Bundle, model: Model, surroundings: Surroundings) -> None:
        policy = bundle.policy
        outer = v2.Limits(json=policy.json_limits, max_elements=policy.max_values)
        limits = limits_for(bundle.schema, outer)
        self.bundle = bundle
        self.model = model
        self.world = surroundings
        self.metrics = Metrics(model=bundle.name, version=bundle.version)
        self.budget = OversizedRequests(
            limits=limits.json, rate_per_s=policy.rate_per_s, burst=policy.burst
        )
        self.outputs = ActiveOutputs(link_hosts=policy.link_hosts)
        self.schema = SmuggledFields(schema=bundle.schema, limits=limits)
        self.pace = Pace(inline_rows=policy.inline_rows)
        self._held: Counter[str] = Counter()
        self._slowed: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(policy.workers, thread_name_prefix="hauberk-model")
        self._digest = bundle.digests[MANIFEST]
        self._auditor = (
            None if surroundings.log is None else Auditor(surroundings.log, lost=self._lose)
        )

    def close(self) -> None:
        """Let running work end and write what is queued for the log."""
        self._pool.shutdown(cancel_futures=True)
        if self._auditor is not None:
            self._auditor.close()

    def _lose(self, n_records: int) -> None:
        self.metrics.audit_lost += n_records

    async def infer(self, exchange: Exchange, started: float) -> Reply:
        """Answer one inference request.

        Args:
            exchange: With the whole body, within the size that policy allows.
            started: ``time.perf_counter`` when its headers were there.
        """
        shadow: list[str] = []
        reply, rows = await self._answer(exchange, shadow)
        return await self.conclude(exchange, reply, started, rows=rows, shadow=tuple(shadow))

    async def conclude(
        self,
        exchange: Exchange,
        reply: Reply,
        started: float,
        *,
        rows: int = 0,
        shadow: tuple[str, ...] = (),
    ) -> Reply:
        """Count a reply and write the decision down; durable before it returns if asked for."""
        seconds = time.perf_counter() - started
        self.metrics.answered(reply.status, seconds)
        self.metrics.rows += rows
        self.metrics.shadowed.update(shadow)
        if reply.rule:
            self.metrics.refuse(reply.rule)
            self.world.tap.refused(reply.rule, exchange.at)
        if self._auditor is None:
            return reply
        record = record_of(self._decision(exchange, reply, seconds, rows, shadow))
        if self.bundle.policy.audit is Audit.ASYNC or reply.rule:
            self._auditor.append(record)
            return reply
        return await self._durable(self._auditor, record, reply)

    def _decision(
        self, exchange: Exchange, reply: Reply, seconds: float, rows: int, shadow: tuple[str, ...]
    ) -> Decision:
        return Decision(
            at=exchange.at,
            model=self._digest,
            principal=exchange.principal,
            request=digest_bytes(exchange.request) if exchange.request else "",
            response="" if reply.rule else digest_bytes(reply.body),
            action=Action.BLOCK if reply.rule else Action.ALLOW,
            rule=reply.rule,
            status=reply.status,
            rows=rows,
            latency_us=int(seconds * 1e6),
            shadow=shadow,
        )

    async def _durable(self, auditor: Auditor, record: bytes, reply: Reply) -> Reply:
        try:
            await asyncio.wrap_future(auditor.append_durably(record))
        except (HauberkError, OSError):
            return self._unaudited() or reply
        return reply

    def _unaudited(self) -> Reply | None:
        if self.bundle.policy.on_audit_failure is OnAuditFailure.DEGRADE:
            return None
        text = "the audit log cannot be written; nothing is answered until it can"
        return refusal(503, text, "audit log", ("retry-after", "5"))

    async def _answer(self, exchange: Exchange, shadow: list[str]) -> tuple[Reply, int]:
        if self._auditor is not None and self._auditor.is_failing:  # 1
            reply = self._unaudited()
            if reply is not None:
                return reply, 0
        try:
            request, n_rows = self._admit(exchange, shadow)  # 2, 3, 4
        except _RefusedError as error:
            if error.signal.action is Action.SLOW:
                await self._slow_down(exchange.principal)
            return _reply_of(error.signal), 0
        return await self._in_place(exchange, request, n_rows)

    async def _slow_down(self, principal: str) -> None:
        """Let a sender beyond its budget wait; only some at once, for waiting holds memory."""
        if self._slowed[principal] >= self.bundle.policy.per_principal:
            return
        self._slowed[principal] += 1
        try:
            await asyncio.sleep(self.bundle.policy.slow_s)
        finally:
            self._slowed[principal] -= 1
            if not self._slowed[principal]:
                del self._slowed[principal]

    def _admit(self, exchange: Exchange, shadow: list[str]) -> tuple[Request, int]:
        signal = self.budget.charge(exchange, self.world.state)
        if signal is not None:
            raise _RefusedError(signal)
        try:
            request = self.schema.admit(exchange)
        except ArtifactError as error:
            raise _RefusedError(self.schema.signal_of(error)) from error
        for watch in self.world.watches:
            signal = watch.observe(exchange, self.world.state)
            if signal is None or signal.action is Action.ALLOW:
                continue
            if signal.action is Action.SHADOW or self._in_shadow(watch):
                shadow.append(watch.id)
            else:
                raise _RefusedError(signal)
        return request, _rows(request)

    def _in_shadow(self, watch: Watch) -> bool:
        return watch.shadow and watch.id not in self.bundle.policy.promote

    def _no_place(self, principal: str) -> Reply | None:
        """Why there is no place among those who wait or run; ``None`` where there is one."""
        policy = self.bundle.policy
        if self._held[principal] >= policy.per_principal:
            text = "refused: too many requests at once; wait for answers"
            return refusal(429, text, "requests of one principal at once", ("retry-after", "1"))
        if self.metrics.in_flight >= policy.workers + policy.queue:
            text = "the server is busy; try again"
            return refusal(503, text, "length of the queue", ("retry-after", "1"))
        return None

    async def _in_place(
        self, exchange: Exchange, request: Request, n_rows: int
    ) -> tuple[Reply, int]:
        """Run in a place of one's own."""
        full = self._no_place(exchange.principal)
        if full is not None:
            return full, 0
        self._held[exchange.principal] += 1
        self.metrics.in_flight += 1
        try:
            return await self._run(exchange, request, n_rows)
        finally:
            self.metrics.in_flight -= 1
            self._held[exchange.principal] -= 1
            if not self._held[exchange.principal]:
                del self._held[exchange.principal]

    async def _run(self, exchange: Exchange, request: Request, n_rows: int) -> tuple[Reply, int]:
        try:
            outputs = await self._outputs(request, n_rows)
            shown = self._encoded(outputs, exchange.sink)
            reply = self._written(request, shown, exchange)
        except LimitError:
            text = "refused: the answer takes longer than the deadline; send fewer rows"
            return refusal(422, text, "deadline"), 0
        except ArtifactError as error:
            return refusal(422, str(error), error.rule or "answer"), 0
        if not reply.rule:
            self.world.tap.accepted(request, outputs, exchange.at)
        return reply, n_rows

    async def _outputs(self, request: Request, n_rows: int) -> tuple[Tensor, ...]:
        if self.pace.is_quick(n_rows):
            return self._timed(request, n_rows, None)
        end = Ending()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, self._timed, request, n_rows, end)
        try:
            return await asyncio.wait_for(work, self.bundle.policy.deadline_s)
        except TimeoutError as error:
            end.ask()
            raise LimitError("the model took longer than its deadline") from error

    def _timed(self, request: Request, n_rows: int, end: Ending | None) -> tuple[Tensor, ...]:
        started = time.thread_time()
        try:
            return self.model.infer(request, end)
        finally:
            self.pace.took(time.thread_time() - started, n_rows)

    def _encoded(self, outputs: tuple[Tensor, ...], sink: str | None) -> tuple[Tensor, ...]:
        """Texts in the form that their sink only shows."""
        if not sink:
            return outputs
        hosts = self.bundle.policy.link_hosts
        return tuple(
            replace(
                tensor,
                values=[encode_for_sink(x, Sink(sink), link_hosts=hosts) for x in tensor.values],
            )
            if tensor.datatype is Datatype.BYTES
            else tensor
            for tensor in outputs
        )

    def _written(self, request: Request, outputs: tuple[Tensor, ...], exchange: Exchange) -> Reply:
        response = Response(
            model_name=self.bundle.name,
            model_version=self.bundle.version,
            id=request.id,
            outputs=outputs,
        )
        plain = v2.write_response(response)
        if exchange.sink:
            signal = self.outputs.observe(replace(exchange, response=plain), self.world.state)
            if signal is not None:
                return _reply_of(signal)
        raw = _raw_outputs(request, outputs)
        if not raw:
            return Reply(status=200, body=plain)
        body, header_length = v2_binary.write_response(response, raw)
        headers = ((v2_binary.HEADER, str(header_length)),)
        return Reply(status=200, body=body, content_type=OCTETS, headers=headers)


def further_watches() -> tuple[Watch, ...]:
    """The controls on exchanges beyond those that are stations of their own, by id."""
    from hauberk.engine.discover import discover

    stations = (ActiveOutputs, OversizedRequests, SmuggledFields)
    found = discover("controls", ("exchange",))
    return tuple(c for c in found if isinstance(c, Watch) and not isinstance(c, stations))


def open_service(bundle: Bundle, surroundings: Surroundings | None = None) -> Service:
    """Load the model of a verified bundle, once it passes the load gate, and make its service.

    Raises:
        ArtifactError: The model is dangerous, does not load, or takes other inputs than the
            schema says.
        UnavailableError: onnxruntime is not installed.
    """
    world = surroundings or Surroundings()
    admit_bytes(bundle.model, f"{bundle.name}/model.onnx", allow=world.allow)
    model = open_model(bundle.model)
    declared = {(t.name, t.datatype, len(t.shape)) for t in model.signature.inputs}
    learnt = {(t.name, t.datatype, len(t.shape)) for t in bundle.schema.inputs}
    if declared != learnt:
        raise ArtifactError(
            "the schema is not the one of this model",
            subject="schema.json",
            rule="inputs of the schema are those of the model",
            expected=_listed(declared),
            found=_listed(learnt),
            hint="make the bundle again from the model's own run",
        )
    return Service(bundle, model, world)


def _listed(signature: set[tuple[str, v2.Datatype, int]]) -> str:
    return ", ".join(
        f"{name} {datatype} of rank {rank}" for name, datatype, rank in sorted(signature)
    )


class _RefusedError(Exception):
    """A request was refused; carries the signal to where it becomes a reply."""

    def __init__(self, signal: Signal) -> None:
        super().__init__(signal.reason)
        self.signal = signal


def _reply_of(signal: Signal) -> Reply:
    wait: Mapping[int, tuple[tuple[str, str], ...]] = {429: (("retry-after", "1"),)}
    return refusal(
        signal.status, signal.public or "refused", signal.reason, *wait.get(signal.status, ())
    )


def _rows(request: Request) -> int:
    return request.inputs[0].shape[0]


def _raw_outputs(request: Request, outputs: tuple[Tensor, ...]) -> frozenset[str]:
    """Names of the outputs that the client wants as raw bytes."""
    asked = {output.name: output.parameters for output in request.outputs}
    default = request.parameters.get("binary_data_output") is True
    wanted = (
        output.name
        for output in outputs
        if asked.get(output.name, {}).get("binary_data", default) is True
    )
    return frozenset(wanted)
