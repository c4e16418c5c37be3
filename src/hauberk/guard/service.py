"""One served bundle: who may ask, what is judged, how the model is run, what is written down.

A request passes these stations, in this order; each can end it:

1. The audit log works, where policy asks for it; the sender's role may ask; its budget covers
   the predicted cost (`OversizedRequests`), and it is not in debt for what its earlier ones did
   cost (`CostlyInputs`).
2. The request has one meaning and fits the schema (`SmuggledFields`).
3. Further controls on the stream of requests; those in shadow are noted, not obeyed.
4. A worker is free soon enough, and the model answers within the deadline.
5. Further controls on the model's outputs.
6. The answer has the detail that the sender's role is given (`shaping`).
7. The answer is inert where its reader says it goes (`ActiveOutputs`).
8. The decision is in the log: before the answer, or soon after it, as policy says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from hauberk import __version__
from hauberk.controls.exchange.active_outputs import ActiveOutputs
from hauberk.controls.exchange.costly_inputs import CostlyInputs
from hauberk.controls.exchange.oversized_requests import OversizedRequests
from hauberk.controls.exchange.smuggled_fields import SmuggledFields
from hauberk.controls.exchange.telling_times import TellingTimes
from hauberk.core.artifact import Exchange
from hauberk.core.control import Watch
from hauberk.core.policy import Waiver
from hauberk.engine.load_gate import admit_bytes
from hauberk.errors import ArtifactError, LimitError
from hauberk.formats import v2, v2_binary
from hauberk.formats.v2 import Datatype, Request, Response, Tensor
from hauberk.formats.v2_quick import reader_for, writer_for
from hauberk.formats.v2_schema import TensorSchema, limits_for
from hauberk.guard import metrics, openapi
from hauberk.guard.answering import Answers, FailedAnswerError, Local, Meter
from hauberk.guard.audit import marks_of
from hauberk.guard.begun import in_task
from hauberk.guard.bundle import MANIFEST, Bundle
from hauberk.guard.desk import (
    METHOD,
    ROUTE,
    SINK_HEADER,
    TRACE_HEADER,
    Books,
    Desk,
    Surroundings,
    Tap,
)
from hauberk.guard.judging import Course, is_asked
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.replies import JSON, OCTETS, Reply, refusal, refused, reply_of
from hauberk.guard.runtime import open_model
from hauberk.guard.shaping import Level, shape
from hauberk.guard.turns import Turns
from hauberk.methods.sinks import Sink, encode_for_sink

__all__ = [
    "JSON",
    "OCTETS",
    "Reply",
    "Service",
    "Surroundings",
    "Tap",
    "further_watches",
    "open_service",
    "refusal",
]

Post = Callable[[Exchange, float], Awaitable[Reply]]
"""Answers an exchange with its whole body; the number is when its headers were there."""

LARGE_BYTES = 4 << 10
"""Larger bodies are read in a thread, those of one principal one after the other."""

ALONE_S = 1.0
"""Where nobody but one principal has asked for so long, one large body is read at once in each
round of the event loop, which saves changing threads."""

Page = Callable[[], Awaitable[Reply]]


class Service:
    """A bundle with what answers for it; used from one event loop."""

    def __init__(
        self,
        bundle: Bundle,
        answers: Answers,
        surroundings: Surroundings,
        *,
        books: Books | None = None,
    ) -> None:
        policy = bundle.policy
        outer = v2.Limits(json=policy.json_limits, max_elements=policy.max_values)
        limits = limits_for(bundle.schema, outer)
        self.bundle = bundle
        self.answers = answers
        self.desk = Desk(
            name=bundle.name,
            version=bundle.version,
            digest=bundle.digests[MANIFEST],
            policy=policy,
            world=surroundings,
            watches=tuple(
                watch.fitted(bundle) if is_asked(watch, policy.profile) else watch
                for watch in surroundings.watches
            ),
            books=books,
            max_body_bytes=limits.json.max_bytes,
        )
        self.metrics = self.desk.metrics
        self.outputs = ActiveOutputs(link_hosts=policy.link_hosts)
        self.schema = SmuggledFields(
            schema=bundle.schema, limits=limits, widens=policy.widen_numbers
        )
        self._reader = reader_for(bundle.schema, limits)
        self._writer = writer_for(bundle.name, bundle.version)
        self._held: dict[str, int] = {}
        self._turns = Turns()
        self._has_read_large = False
        self._latest, self._since = "", 0.0
        self._large = ThreadPoolExecutor(1, thread_name_prefix="hauberk-reading")

    @property
    def policy(self) -> GuardPolicy:
        """What it enforces."""
        return self.bundle.policy

    def close(self) -> None:
        """Let running work end and write what is queued for the log."""
        self._large.shutdown(wait=False)
        self.answers.close()
        self.desk.books.close()

    def under(
        self,
        *,
        policy: GuardPolicy | None = None,
        bundle: Bundle | None = None,
        answers: Answers | None = None,
        world: Surroundings | None = None,
    ) -> Service:
        """The service that takes over: another policy, or another version of the model.

        Counts, the log and the memory of clients go on; a model whose bounds the policy
        changes is run within the new ones.
        """
        bundle = bundle or self.bundle
        if policy is not None:
            bundle = replace(bundle, policy=policy)
        answers = (answers or self.answers).within(bundle.policy)
        return Service(bundle, answers, world or self.desk.world, books=self.desk.books)

    # What the application asks --------------------------------------------------------

    def posts(self) -> Mapping[str, Post]:
        """What is answered, by path."""
        model = f"/v2/models/{self.bundle.name}"
        return {
            f"{model}/infer": self.infer,
            f"{model}/versions/{self.bundle.version}/infer": self.infer,
        }

    def pages(self) -> Mapping[str, Page]:
        """What is shown, by path."""
        model = f"/v2/models/{self.bundle.name}"
        version = f"{model}/versions/{self.bundle.version}"
        about = {"name": "hauberk", "version": __version__, "extensions": ["binary_tensor_data"]}
        described = _constant(self.metadata())
        return {
            "/v2": _constant(about),
            "/v2/health/live": _constant({"live": True}),
            "/v2/health/ready": self._ready,
            model: described,
            version: described,
            f"{model}/ready": self._ready,
            f"{version}/ready": self._ready,
            "/metrics": self._counted,
            "/openapi.json": _constant(self._openapi()),
        }

    def _openapi(self) -> dict[str, Any]:
        bundle = self.bundle
        outputs = self.answers.signature.outputs
        return openapi.document(bundle.name, bundle.version, bundle.schema, outputs)

    def metadata(self) -> dict[str, Any]:
        """What clients are told of the model."""
        return {
            "name": self.bundle.name,
            "versions": [self.bundle.version],
            "platform": self.answers.platform,
            "inputs": [_described(tensor) for tensor in self.bundle.schema.inputs],
            "outputs": [_described(tensor) for tensor in self.answers.signature.outputs],
        }

    async def _ready(self) -> Reply:
        is_ready = await self.answers.ready()
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        body = v2.encode({"name": self.bundle.name, "ready": is_ready})
        return Reply(status=status, body=body)

    async def _counted(self) -> Reply:
        text = self.desk.all_metrics()
        return Reply(status=200, body=text.encode(), content_type=metrics.CONTENT_TYPE)

    async def infer(self, exchange: Exchange, started: float) -> Reply:
        """Answer one inference request.

        Args:
            exchange: With the whole body, within the size that policy allows.
            started: ``time.perf_counter`` when its headers were there.
        """
        course = Course()
        desk = self.desk
        reply = await self._answer(exchange, course)
        if desk.times.bucket_s and not reply.rule:
            await desk.pad(started)
        written = desk.book(exchange, reply, started, course)
        return reply if written is None else await desk.once(written, reply)

    # The stations ---------------------------------------------------------------------

    async def _answer(self, exchange: Exchange, course: Course) -> Reply:
        # What need not wait does not: a step that is awaited costs as much as reading a row.
        desk = self.desk
        reply = desk.admit(exchange)  # 1
        if reply is not None:
            return reply
        signal = desk.charge(exchange)
        if signal is not None:
            return await desk.turn_away(exchange, signal)
        try:  # 2
            request = self._read_at_once(exchange) or await self._read_in_turn(exchange)
        except ArtifactError as error:
            return refused(self.schema.signal_of(error))
        if desk.judges:  # 3
            exchange = _decoded(exchange, request)
            desk.judges.request(exchange, desk.world.state, course)
            reply = await desk.obey(exchange, course) if course.noted else None
        return reply or await self._in_place(exchange, request, course)

    def _read(self, exchange: Exchange) -> Request:
        return self._read_quickly(exchange) or self.schema.admit(exchange)

    def _read_at_once(self, exchange: Exchange) -> Request | None:
        """A small request; or a large one, where nobody else waits for it to be read.

        A large one that is odd takes the strict reader long enough to be waited for by others, and
        so do many large ones one after the other.
        """
        if exchange.principal != self._latest:
            self._latest, self._since = exchange.principal, exchange.at
        if len(exchange.request) <= LARGE_BYTES:
            return self._read(exchange)
        if self._has_read_large or exchange.at - self._since < ALONE_S:
            return None
        self._has_read_large = True
        asyncio.get_running_loop().call_soon(self._next_round)
        raw = v2_binary.is_mostly_raw(exchange.headers.get(v2_binary.HEADER, ""), LARGE_BYTES)
        return self._read(exchange) if raw else self._read_quickly(exchange)

    def _next_round(self) -> None:
        self._has_read_large = False

    async def _read_in_turn(self, exchange: Exchange) -> Request:
        async with self._turns.of(exchange.principal):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._large, self._read, exchange)

    def _read_quickly(self, exchange: Exchange) -> Request | None:
        """The request, where headers and body are as most are; see `formats.v2_quick`."""
        headers = exchange.headers
        if (
            self._reader is None
            or exchange.content_type != JSON
            or not _USUAL_HEADERS.issuperset(headers)
            or headers.get("content-length") != str(len(exchange.request))
        ):
            return None
        return self._reader.read(exchange.request)

    def _no_place(self, principal: str) -> Reply | None:
        """Why there is no place among those who wait or run; ``None`` where there is one."""
        policy = self.bundle.policy
        if self._held.get(principal, 0) >= policy.per_principal:
            text = "refused: too many requests at once; wait for answers"
            return refusal(429, text, "requests of one principal at once", ("retry-after", "1"))
        if self.metrics.in_flight >= policy.workers + policy.queue:
            text = "refused: the server is full; try again"
            return refusal(503, text, "full queue", ("retry-after", "1"))
        return None

    async def _in_place(self, exchange: Exchange, request: Request, course: Course) -> Reply:
        full = self._no_place(exchange.principal)
        if full is not None:
            return full
        held, principal = self._held, exchange.principal
        held[principal] = held.get(principal, 0) + 1
        self.metrics.in_flight += 1
        try:
            return await self._run(exchange, request, course)
        finally:
            self.metrics.in_flight -= 1
            if held[principal] == 1:
                del held[principal]
            else:
                held[principal] -= 1

    async def _run(self, exchange: Exchange, request: Request, course: Course) -> Reply:
        n_rows = _rows(request)
        meter = Meter()
        try:
            outputs = self.answers.at_once(request, n_rows, meter)  # 4
            if outputs is None:
                await in_task()
                outputs = await self.answers.outputs(request, n_rows, meter)
        except LimitError:  # of a model in this process
            text = "refused: the answer takes longer than the deadline; send fewer rows"
            return refusal(422, text, "deadline")
        except ArtifactError as error:
            return refusal(422, str(error), error.rule or "answer")
        except FailedAnswerError as error:
            return refusal(error.status, error.message, error.rule or "upstream")
        finally:
            course.model_s = meter.seconds
            self.desk.settle(exchange, meter.seconds)
        try:
            has_more = bool(self.desk.judges.after)  # 5
            reply = await self._judged(exchange, outputs, course) if has_more else None
            reply = reply or self._given(exchange, request, outputs, course)
        except ArtifactError as error:
            return refusal(422, str(error), error.rule or "answer")
        if not reply.rule:
            course.rows = n_rows
            course.marks = self._marks(outputs)
            self.desk.world.tap.accepted(request, outputs, exchange.at)
        return reply

    async def _judged(
        self, exchange: Exchange, outputs: tuple[Tensor, ...], course: Course
    ) -> Reply | None:
        return await self.desk.judge_answer(exchange.telling(outputs=outputs), course)

    def _marks(self, outputs: tuple[Tensor, ...]) -> tuple[bytes, ...]:
        """Marks of the texts that the model gave, where there is a log to keep them."""
        if not self.bundle.policy.mark_outputs or self.desk.books.auditor is None:
            return ()
        texts = [tensor for tensor in outputs if tensor.datatype is Datatype.BYTES]
        if not texts:
            return ()
        return marks_of(value for tensor in texts for value in tensor.values)

    def _given(
        self, exchange: Exchange, request: Request, outputs: tuple[Tensor, ...], course: Course
    ) -> Reply:
        detail = self.desk.detail_for(exchange)
        if course.noted or detail is None or detail.detail is not Level.FULL:  # 6
            outputs = shape(outputs, self.desk.occasion(exchange, request, course))
        if exchange.sink:
            outputs = self._encoded(outputs, exchange.sink)
        return self._written(request, outputs, exchange)

    def _encoded(self, outputs: tuple[Tensor, ...], sink: str) -> tuple[Tensor, ...]:
        """Texts in the form that their sink only shows."""
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
        raw = _raw_outputs(request, outputs)
        if self._writer is not None and not exchange.sink and not raw:
            body = self._writer.write(request.id, outputs)
            if body is not None:
                return reply_of(200, body, JSON, (), "")
        response = Response(
            model_name=self.bundle.name,
            model_version=self.bundle.version,
            id=request.id,
            outputs=outputs,
        )
        if exchange.sink:  # 7
            plain = v2.write_response(response)
            signal = self.outputs.observe(replace(exchange, response=plain), self.desk.world.state)
            if signal is not None:
                return refused(signal)
        if not raw:
            return Reply(status=200, body=v2.write_response(response))
        body, header_length = v2_binary.write_response(response, raw)
        headers = ((v2_binary.HEADER, str(header_length)),)
        return Reply(status=200, body=body, content_type=OCTETS, headers=headers)


def further_watches() -> tuple[Watch, ...]:
    """The controls on exchanges of tensors beyond those that are stations of their own, by id."""
    from hauberk.engine.discover import discover

    stations = (ActiveOutputs, CostlyInputs, OversizedRequests, SmuggledFields, TellingTimes)
    found = discover("controls", ("exchange",))
    watches = (control for control in found if isinstance(control, Watch))
    return tuple(c for c in watches if not c.of_chats and not isinstance(c, stations))


def open_service(bundle: Bundle, surroundings: Surroundings | None = None) -> Service:
    """Load the model of a verified bundle, once it passes the load gate, and make its service.

    Raises:
        ArtifactError: The model does not load, or takes other inputs than the schema says.
        UnavailableError: onnxruntime is not installed.
    """
    world = surroundings or Surroundings()
    return Service(bundle, open_local(bundle, world.allow), world)


def open_local(bundle: Bundle, allow: tuple[Waiver, ...] = ()) -> Local:
    """Load the model of a verified bundle, once it passes the load gate.

    Args:
        allow: Policy entries for names in the model that nobody has reviewed.

    Raises:
        ArtifactError: The model is dangerous, does not load, or takes other inputs than the
            schema says.
        TrustError: It holds names that nobody has reviewed.
        UnavailableError: onnxruntime is not installed.
    """
    admit_bytes(bundle.model, f"{bundle.name}/model.onnx", allow=allow)
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
    return Local(model, bundle.policy)


def _listed(signature: set[tuple[str, v2.Datatype, int]]) -> str:
    return ", ".join(
        f"{name} {datatype} of rank {rank}" for name, datatype, rank in sorted(signature)
    )


def _constant(value: Any) -> Page:
    reply = Reply(status=200, body=v2.encode(value))

    async def page() -> Reply:
        return reply

    return page


def _described(tensor: TensorSchema) -> dict[str, Any]:
    shape_ = [-1 if size is None else size for size in tensor.shape]
    return {"name": tensor.name, "datatype": tensor.datatype.value, "shape": shape_}


def _rows(request: Request) -> int:
    return request.inputs[0].shape[0]


def _decoded(exchange: Exchange, request: Request) -> Exchange:
    """The exchange with what its request says, for controls."""
    return exchange.telling(rows=v2.numeric_rows(request.inputs), texts=v2.texts(request.inputs))


_USUAL_HEADERS = frozenset(
    {"host", "content-type", "content-length", SINK_HEADER, TRACE_HEADER, METHOD, ROUTE}
)


def _raw_outputs(request: Request, outputs: tuple[Tensor, ...]) -> frozenset[str]:
    """Names of the outputs that the client wants as raw bytes."""
    if not request.outputs and not request.parameters:
        return frozenset()
    asked = {output.name: output.parameters for output in request.outputs}
    default = request.parameters.get("binary_data_output") is True
    wanted = (
        output.name
        for output in outputs
        if asked.get(output.name, {}).get("binary_data", default) is True
    )
    return frozenset(wanted)
