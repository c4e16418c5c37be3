"""One guarded language model: what happens to a request between the client and the upstream.

A request passes these stations, in this order; each can end it:

1. The audit log works, where policy asks for it.
2. The body fits the closed schema of chat requests, and the model may be asked for.
3. The sender's budget covers the tokens of the prompt and of the longest answer.
4. Controls on the request; those in shadow are noted, not obeyed.
5. A place is free, and the upstream answers in time, whole and well-formed.
6. The answer, joined where it came as a stream, keeps its contracts; controls on the answer.
7. Text is written in one way (no invisible characters, odd spaces or look-alike letters), and
   encoded or rebuilt for the place where it goes.
8. The decision is in the log: before the answer, or soon after it, as policy says.

The upstream gets the request in canonical form, written from what was judged; the client gets
an answer that was written anew from what was judged. Nothing of either goes into the log but
digests.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Tier, Watch
from hauberk.core.ports import ClientState
from hauberk.errors import ArtifactError, HauberkError
from hauberk.formats import chat, server_events
from hauberk.formats.chat import ChatAnswer, ChatRequest
from hauberk.guard.audit import Auditor, Decision, Log, marks_of, record_of
from hauberk.guard.chat_policy import ChatPolicy
from hauberk.guard.chat_upstream import Spoken, Upstream, UpstreamError, ask
from hauberk.guard.identity import Identity, Keyring
from hauberk.guard.judging import Course, Noted, judges_of, refusal_of
from hauberk.guard.metrics import Metrics
from hauberk.guard.policy import Audit, OnAuditFailure
from hauberk.guard.replies import Reply
from hauberk.methods.covert import canonical
from hauberk.methods.forms import Allowed, Form, shaped
from hauberk.methods.recall import Known
from hauberk.methods.secrets import mask_secrets
from hauberk.trust.client_state import MemoryClientState
from hauberk.trust.digest import digest_bytes

PATH = "/v1/chat/completions"
KEY = "chat/tokens"
BYTES_PER_TOKEN = 4
"""What tokenizers make of English on average; other scripts cost more, and get less for it."""

INLINE_BYTES = 16 << 10
"""Exchanges up to so many bytes are judged without changing threads."""

_BUDGET = struct.Struct("<dd")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSurroundings:
    """What a chat service is given of the world.

    Attributes:
        state: Memory per principal.
        log: Where decisions go; ``None`` keeps none.
        clock: Seconds since the epoch.
        watches: Controls on exchanges; contracts first.
    """

    keyring: Identity = field(default_factory=Keyring)
    state: ClientState = field(default_factory=MemoryClientState)
    log: Log | None = None
    clock: Callable[[], float] = time.time
    watches: tuple[Watch, ...] = ()


def refusal(status: int, message: str, rule: str, *headers: tuple[str, str]) -> Reply:
    """An error in the form that chat clients read."""
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    error = {"message": message, "type": kind, "code": None, "param": None}
    body = json.dumps({"error": error}, ensure_ascii=False).encode()
    return Reply(status=status, body=body, headers=tuple(headers), rule=rule)


class _RefusedError(Exception):
    """A request or an answer was refused."""

    def __init__(self, reply: Reply, *, slow: bool = False) -> None:
        super().__init__(reply.rule)
        self.reply = reply
        self.slow = slow


class ChatService:
    """An upstream and its running state; used from one event loop."""

    def __init__(
        self, upstream: Upstream, policy: ChatPolicy, surroundings: ChatSurroundings
    ) -> None:
        self.upstream = upstream
        self.policy = policy
        self.world = surroundings
        self.metrics = Metrics(model="chat", version="1")
        self.allowed = Allowed(
            link_hosts=policy.link_hosts, sql_tables=policy.sql_tables, commands=policy.commands
        )
        self.judges = judges_of(surroundings.watches, Tier.STRICT, policy.promote)
        self._held: Counter[str] = Counter()
        self._slowed: Counter[str] = Counter()
        self._auditor = (
            None if surroundings.log is None else Auditor(surroundings.log, lost=self._lose)
        )

    def close(self) -> None:
        """Write what is queued for the log."""
        if self._auditor is not None:
            self._auditor.close()

    def _lose(self, n_records: int) -> None:
        self.metrics.audit_lost += n_records

    async def answer(self, exchange: Exchange, started: float) -> Reply:
        """Answer one chat request with its whole body."""
        course = Course()
        try:
            reply = await self._answer(exchange, course)
        except _RefusedError as error:
            if error.slow:
                await self._slow_down(exchange.principal)
            reply = error.reply
        return await self.conclude(exchange, reply, started, course)

    async def conclude(
        self, exchange: Exchange, reply: Reply, started: float, course: Course | None = None
    ) -> Reply:
        """Count a reply and write the decision down; durable before it returns if asked for."""
        seconds = time.perf_counter() - started
        noted = () if course is None else tuple(course.noted)
        self.metrics.answered(reply.status, seconds)
        self.metrics.shadows.take(exchange.principal, noted)
        if reply.rule:
            self.metrics.refuse(reply.rule)
        if self._auditor is None:
            return reply
        marks = () if course is None or reply.rule else course.marks
        record = record_of(replace(_decision(exchange, reply, seconds, noted), marks=marks))
        if self.policy.audit is Audit.ASYNC or reply.rule:
            self._auditor.append(record)
            return reply
        try:
            await asyncio.wrap_future(self._auditor.append_durably(record))
        except (HauberkError, OSError):
            return self._unaudited() or reply
        return reply

    def _unaudited(self) -> Reply | None:
        if self.policy.on_audit_failure is OnAuditFailure.DEGRADE:
            return None
        text = "the audit log cannot be written; nothing is answered until it can"
        return refusal(503, text, "audit log", ("retry-after", "5"))

    async def _answer(self, exchange: Exchange, course: Course) -> Reply:
        if self._auditor is not None and self._auditor.is_failing:  # 1
            reply = self._unaudited()
            if reply is not None:
                return reply
        request = self._admitted(exchange)  # 2
        self._charge(exchange, request)  # 3
        asked = replace(exchange, request=_written(request))
        await self._judged(asked, course)  # 4
        async with _Place(self, exchange.principal):  # 5
            answer = await self._asked(request)
        answered = replace(asked, response=chat.write_answer(answer))
        await self._judged(answered, course)  # 6
        if self.policy.mark_outputs and self._auditor is not None:
            course.marks = marks_of(choice.text for choice in answer.choices)
        return self._shown(request, answer, exchange.sink)  # 7

    # 2 ---------------------------------------------------------------------------------

    def _admitted(self, exchange: Exchange) -> ChatRequest:
        try:
            request = chat.parse_request(exchange.request, self.policy.json_limits)
            return chat.request_of(self._completed(request))
        except ArtifactError as error:
            status = 413 if error.rule == "size in bytes" else 400
            raise _RefusedError(refusal(status, str(error), error.rule or "request")) from error

    def _completed(self, request: ChatRequest) -> dict[str, Any]:
        """The request as the upstream gets it: bounded, with the operator's own words."""
        policy = self.policy
        if policy.models and request.model not in policy.models:
            raise _RefusedError(refusal(404, "refused: this model is not served here", "model"))
        if request.max_tokens > policy.max_tokens:
            text = f"refused: max_tokens; expected: at most {policy.max_tokens}"
            raise _RefusedError(refusal(400, text, "max_tokens"))
        value = {key: item for key, item in request.value.items() if key != "user"}
        if not request.max_tokens:
            value["max_tokens"] = policy.max_tokens
        value["messages"] = [self._masked(message) for message in value["messages"]]
        if policy.system_prompt:
            if any(message.role in ("system", "developer") for message in request.messages):
                text = "refused: messages of role system and developer are the operator's"
                raise _RefusedError(refusal(400, text, "roles"))
            own = {"role": "system", "content": policy.system_prompt}
            value["messages"] = [own, *value["messages"]]
        return value

    def _masked(self, message: dict[str, Any]) -> dict[str, Any]:
        content = message.get("content")
        if not self.policy.mask_inbound or content is None:
            return message
        if isinstance(content, str):
            return message | {"content": mask_secrets(content)}
        parts = [part | {"text": mask_secrets(part["text"])} for part in content]
        return message | {"content": parts}

    # 3 ---------------------------------------------------------------------------------

    def _charge(self, exchange: Exchange, request: ChatRequest) -> None:
        """Take the tokens of prompt and longest answer from the sender's bucket."""
        prompt = len(exchange.request) / BYTES_PER_TOKEN
        cost = prompt + request.max_tokens * request.n
        burst, rate = self.policy.burst_tokens, self.policy.tokens_per_s
        left = burst

        def spend(old: bytes | None) -> bytes:
            nonlocal left
            had, at = (burst, exchange.at) if old is None else _BUDGET.unpack(old)
            left = min(burst, had + max(0.0, exchange.at - at) * rate) - cost
            return _BUDGET.pack(max(left, -burst), exchange.at)

        self.world.state.update(exchange.principal, KEY, spend)
        if left < 0:
            text = "refused: too many tokens; wait, or ask for shorter answers (max_tokens)"
            wait = ("retry-after", str(min(3600, int(-left / rate) + 1)))
            raise _RefusedError(refusal(429, text, "budget of the principal", wait), slow=True)

    async def _slow_down(self, principal: str) -> None:
        if self._slowed[principal] >= self.policy.per_principal:
            return
        self._slowed[principal] += 1
        try:
            await asyncio.sleep(self.policy.slow_s)
        finally:
            self._slowed[principal] -= 1
            if not self._slowed[principal]:
                del self._slowed[principal]

    # 4 and 6 ---------------------------------------------------------------------------

    async def _judged(self, exchange: Exchange, course: Course) -> None:
        """Ask the controls of this side; long texts in a thread, so that others need not wait."""
        ask = self.judges.request if exchange.response is None else self.judges.answer
        if len(exchange.request) + len(exchange.response or b"") <= INLINE_BYTES:
            ask(exchange, self.world.state, course)
        else:
            await asyncio.to_thread(ask, exchange, self.world.state, course)
        reply = refusal_of(course, is_strong=False)
        if reply is not None:
            rule = reply.rule if course.strongest is None else _rule_of(course.strongest)
            raise _RefusedError(told(replace(reply, rule=rule)))

    # 5 ---------------------------------------------------------------------------------

    def full(self, principal: str) -> Reply | None:
        """Why there is no place at the upstream; ``None`` where there is one."""
        if self._held[principal] >= self.policy.per_principal:
            text = "refused: too many requests at once; wait for answers"
            return refusal(429, text, "requests of one principal at once", ("retry-after", "1"))
        if self.metrics.in_flight >= self.policy.in_flight:
            text = "the server is busy; try again"
            return refusal(503, text, "requests at once", ("retry-after", "1"))
        return None

    def take(self, principal: str, step: int) -> None:
        """Count a request that begins (1) or ends (-1) at the upstream."""
        self._held[principal] += step
        self.metrics.in_flight += step
        if not self._held[principal]:
            del self._held[principal]

    async def _asked(self, request: ChatRequest) -> ChatAnswer:
        policy = self.policy
        try:
            spoken = await ask(
                self.upstream,
                PATH,
                _written(request),
                max_bytes=policy.max_answer_bytes,
                connect_s=policy.connect_timeout_s,
                deadline_s=policy.deadline_s,
            )
            return self._heard(request, spoken)
        except UpstreamError as error:
            raise _RefusedError(_fault(error)) from error

    def _heard(self, request: ChatRequest, spoken: Spoken) -> ChatAnswer:
        """The joined answer; what the upstream says of its own faults stays here."""
        if spoken.status != HTTPStatus.OK:
            raise UpstreamError(*_MEANING.get(spoken.status, _OTHERWISE))
        limits = replace(
            self.policy.json_limits,
            max_bytes=self.policy.max_answer_bytes,
            max_string_bytes=self.policy.max_answer_bytes,
        )
        try:
            if spoken.content_type == server_events.CONTENT_TYPE:
                answer = server_events.join(spoken.body)
            else:
                answer = chat.parse_answer(spoken.body, limits)
        except ArtifactError as error:
            raise UpstreamError(HTTPStatus.BAD_GATEWAY, "upstream: answer") from error
        if len(answer.choices) > request.n:
            raise UpstreamError(HTTPStatus.BAD_GATEWAY, "upstream: number of choices")
        return answer

    # 7 ---------------------------------------------------------------------------------

    def _shown(self, request: ChatRequest, answer: ChatAnswer, sink: str | None) -> Reply:
        if self.policy.canonical:
            rewritten = (replace(c, text=canonical(c.text)) for c in answer.choices)
            answer = replace(answer, choices=tuple(rewritten))
        if sink:
            form = Form(sink)
            choices = tuple(
                replace(choice, text=shaped(choice.text, form, self.allowed))
                for choice in answer.choices
            )
            answer = replace(answer, choices=choices)
        if not request.is_stream:
            return Reply(status=200, body=chat.write_answer(answer))
        return Reply(
            status=200,
            body=server_events.split(answer, with_usage=request.wants_usage),
            content_type=server_events.CONTENT_TYPE,
        )


class _Place:
    """A place at the upstream, held for as long as the block lasts."""

    def __init__(self, service: ChatService, principal: str) -> None:
        self._service = service
        self._principal = principal

    async def __aenter__(self) -> None:
        full = self._service.full(self._principal)
        if full is not None:
            raise _RefusedError(full)
        self._service.take(self._principal, 1)

    async def __aexit__(self, *_: object) -> None:
        self._service.take(self._principal, -1)


_OTHERWISE = (HTTPStatus.BAD_GATEWAY, "upstream: status")
_MEANING = {
    400: (HTTPStatus.UNPROCESSABLE_ENTITY, "upstream: refused the request"),
    413: (HTTPStatus.UNPROCESSABLE_ENTITY, "upstream: refused the request"),
    422: (HTTPStatus.UNPROCESSABLE_ENTITY, "upstream: refused the request"),
    429: (HTTPStatus.SERVICE_UNAVAILABLE, "upstream: busy"),
    503: (HTTPStatus.SERVICE_UNAVAILABLE, "upstream: busy"),
    504: (HTTPStatus.GATEWAY_TIMEOUT, "upstream: deadline"),
}
_SAID = {
    HTTPStatus.UNPROCESSABLE_ENTITY: "the model server refused the request; it may be too long",
    HTTPStatus.SERVICE_UNAVAILABLE: "the model server is busy; try again",
    HTTPStatus.GATEWAY_TIMEOUT: "the model server did not answer in time",
    HTTPStatus.BAD_GATEWAY: "the model server did not answer as it must",
}


def _fault(error: UpstreamError) -> Reply:
    wait = (("retry-after", "5"),) if error.status is HTTPStatus.SERVICE_UNAVAILABLE else ()
    return refusal(error.status, _SAID[error.status], error.rule, *wait)


def _rule_of(noted: Noted) -> str:
    return f"{noted.control}: {noted.signal.reason}"


def told(reply: Reply) -> Reply:
    """A refusal of the door in the words that chat clients read."""
    text = str(json.loads(reply.body)["error"])
    return refusal(reply.status, text, reply.rule, *reply.headers)


def _written(request: ChatRequest) -> bytes:
    """The request in canonical form."""
    return json.dumps(dict(request.value), ensure_ascii=False, separators=(",", ":")).encode()


def _decision(
    exchange: Exchange, reply: Reply, seconds: float, noted: tuple[Noted, ...]
) -> Decision:
    return Decision(
        at=exchange.at,
        model=exchange.name,
        principal=exchange.principal,
        request=digest_bytes(exchange.request) if exchange.request else "",
        response="" if reply.rule else digest_bytes(reply.body),
        action=Action.BLOCK if reply.rule else Action.ALLOW,
        rule=reply.rule,
        status=reply.status,
        rows=0,
        latency_us=int(seconds * 1e6),
        shadow=tuple(one.control for one in noted if not one.obeyed),
        signals=tuple(one.facts() for one in noted),
    )


def chat_watches(policy: ChatPolicy, known: Known | None = None) -> tuple[Watch, ...]:
    """The controls on exchanges with a language model, set up by policy: contracts first.

    Args:
        known: Canaries and training texts that answers must not repeat.
    """
    from hauberk.controls.exchange.broken_contracts import BrokenContracts
    from hauberk.controls.exchange.hidden_channels import HiddenChannels
    from hauberk.controls.exchange.injected_prompts import InjectedPrompts
    from hauberk.controls.exchange.leaked_text import LeakedText

    allowed = Allowed(
        link_hosts=policy.link_hosts, sql_tables=policy.sql_tables, commands=policy.commands
    )
    return (
        BrokenContracts(allowed=allowed, arguments=policy.tool_arguments),
        InjectedPrompts(),
        LeakedText(known=known or Known()),
        HiddenChannels(),
    )
