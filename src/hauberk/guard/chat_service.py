"""One guarded language model: what happens to a request between the client and the upstream.

A request passes these stations, in this order; each can end it:

1. The audit log works, where policy asks for it; the sender's role may ask.
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

import json
import re
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from hauberk.core.artifact import Exchange
from hauberk.core.control import Watch
from hauberk.errors import ArtifactError
from hauberk.formats import chat, server_events
from hauberk.formats.chat import ChatAnswer, ChatRequest
from hauberk.guard import metrics
from hauberk.guard.audit import marks_of
from hauberk.guard.begun import in_task
from hauberk.guard.chat_facts import facts_of
from hauberk.guard.chat_policy import ChatPolicy, ChatRole, to_bytes
from hauberk.guard.chat_upstream import Spoken, Upstream, UpstreamError, ask
from hauberk.guard.desk import SINK_HEADER, Books, Desk, Manners, Surroundings
from hauberk.guard.judging import Course, ModelCall, Noted
from hauberk.guard.replies import JSON, Reply
from hauberk.guard.service import Page, Post
from hauberk.methods.content_policy import Classifier, ContentPolicy
from hauberk.methods.covert import canonical
from hauberk.methods.forms import Allowed, Form, shaped
from hauberk.methods.identifiers import mask_identifiers
from hauberk.methods.recall import Known
from hauberk.methods.secrets import mask_secrets
from hauberk.trust.digest import digest_bytes

PATH = "/v1/chat/completions"
KEY = "chat/tokens"
BYTES_PER_TOKEN = 4
"""What tokenizers make of English on average; other scripts cost more, and get less for it."""

INLINE_BYTES = 16 << 10
"""Exchanges up to so many bytes are judged without changing threads."""

NAME = "chat"
LIVE = "/health"
MODELS = "/v1/models"
METRICS = "/metrics"

_BUDGET = struct.Struct("<dd")
_NO_ROLE = ChatRole()
_JSON_TYPE = re.compile(r'application/json(?: *; *charset="?utf-8"?)?', re.IGNORECASE)

WatchesFor = Callable[[ChatPolicy], tuple[Watch, ...]]


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
    """An upstream and its running state; used from one event loop.

    Args:
        watches: The controls under a policy; by default those of the surroundings, whatever
            the policy.
        books: Of the service that this one takes over from.
    """

    def __init__(
        self,
        upstream: Upstream,
        policy: ChatPolicy,
        surroundings: Surroundings,
        *,
        watches: WatchesFor | None = None,
        books: Books | None = None,
    ) -> None:
        self.upstream = upstream
        self.policy = policy
        self._watches = watches
        self.desk = Desk(
            name=NAME,
            version="1",
            digest=digest_bytes(NAME.encode()),
            policy=policy.of_door(),
            world=surroundings,
            watches=None if watches is None else watches(policy),
            books=books,
            manners=MANNERS,
            policy_digest=digest_bytes(to_bytes(policy)),
        )
        self.metrics = self.desk.metrics
        self.allowed = Allowed(
            link_hosts=policy.link_hosts, sql_tables=policy.sql_tables, commands=policy.commands
        )
        self._held: Counter[str] = Counter()

    def close(self) -> None:
        """Write what is queued for the log."""
        self.desk.books.close()

    def under(
        self, *, policy: ChatPolicy | None = None, world: Surroundings | None = None
    ) -> ChatService:
        """The service that takes over; counts, the log and the memory of clients go on."""
        return ChatService(
            self.upstream,
            policy or self.policy,
            world or self.desk.world,
            watches=self._watches,
            books=self.desk.books,
        )

    def posts(self) -> Mapping[str, Post]:
        """What is answered, by path."""
        return {PATH: self.answer}

    def pages(self) -> Mapping[str, Page]:
        """What is shown, by path."""
        return {LIVE: self._live, MODELS: self._models, METRICS: self._counted}

    async def _live(self) -> Reply:
        return Reply(status=200, body=b'{"live":true}')

    async def _models(self) -> Reply:
        names = sorted(self.policy.models)
        listed = [{"id": name, "object": "model", "owned_by": "upstream"} for name in names]
        return Reply(status=200, body=json.dumps({"object": "list", "data": listed}).encode())

    async def _counted(self) -> Reply:
        text = self.desk.all_metrics()
        return Reply(status=200, body=text.encode(), content_type=metrics.CONTENT_TYPE)

    async def answer(self, exchange: Exchange, started: float) -> Reply:
        """Answer one chat request with its whole body."""
        await in_task()
        course = Course()
        try:
            reply = await self._answer(exchange, course)
        except _RefusedError as error:
            if error.slow:
                await self.desk.slow_down(exchange.principal)
            reply = error.reply
        if reply.rule:
            course.marks = ()
        return await self.desk.conclude(exchange, reply, started, course)

    async def _answer(self, exchange: Exchange, course: Course) -> Reply:
        reply = self.desk.admit(exchange)  # 1
        if reply is not None:
            return reply
        self._check_form(exchange)
        request = self._admitted(exchange)  # 2
        self._charge(exchange, request)  # 3
        asked = replace(exchange, request=_written(request))
        await self._judged(asked, course)  # 4
        async with _Place(self, exchange.principal):  # 5
            answer = await self._asked(request, course)
        self._settle(exchange, request, answer)
        answered = replace(asked, response=chat.write_answer(answer))
        await self._judged(answered, course)  # 6
        if self.policy.mark_outputs and self.desk.books.auditor is not None:
            course.marks = marks_of(choice.text for choice in answer.choices)
        reply = self._shown(request, answer, exchange.sink)  # 7
        self.desk.world.tap.accepted(*facts_of(request, answer), exchange.at)
        return reply

    def _check_form(self, exchange: Exchange) -> None:
        """The body is JSON in UTF-8, and its sender names no other form than the operator."""
        if not _is_json(exchange.content_type):
            raise _RefusedError(refusal(415, f"refused: send {JSON}", "content-type"))
        asked = exchange.headers.get(SINK_HEADER)
        if asked is not None and asked != exchange.sink:
            text = f"refused: {SINK_HEADER} is set by the operator: {exchange.sink}"
            raise _RefusedError(refusal(400, text, "sink"))

    # 2 ---------------------------------------------------------------------------------

    def _admitted(self, exchange: Exchange) -> ChatRequest:
        try:
            request = chat.parse_request(exchange.request, self.policy.json_limits)
            return chat.request_of(self._completed(request, exchange.role))
        except ArtifactError as error:
            status = 413 if error.rule == "size in bytes" else 400
            raise _RefusedError(refusal(status, str(error), error.rule or "request")) from error

    def _completed(self, request: ChatRequest, role: str) -> dict[str, Any]:
        """The request as the upstream gets it: bounded, with the operator's own words."""
        policy = self.policy
        theirs = policy.roles.get(role, _NO_ROLE)
        for models in (policy.models, theirs.models):
            if models and request.model not in models:
                raise _RefusedError(refusal(404, "refused: this model is not served here", "model"))
        max_tokens = min(policy.max_tokens, theirs.max_tokens or policy.max_tokens)
        if request.max_tokens > max_tokens:
            text = f"refused: max_tokens; expected: at most {max_tokens}"
            raise _RefusedError(refusal(400, text, "max_tokens"))
        value = {key: item for key, item in request.value.items() if key != "user"}
        if not request.max_tokens:
            value["max_tokens"] = max_tokens
        value["messages"] = [self._masked(message) for message in value["messages"]]
        if policy.system_prompt:
            if any(message.role in ("system", "developer") for message in request.messages):
                text = "refused: messages of role system and developer are the operator's"
                raise _RefusedError(refusal(400, text, "roles"))
            own = {"role": "system", "content": policy.system_prompt}
            value["messages"] = [own, *value["messages"]]
        return value

    def _masked(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message without what policy keeps from the model."""
        if not (self.policy.mask_inbound or self.policy.mask_identities):
            return message
        masked, content = dict(message), message.get("content")
        if isinstance(content, str):
            masked["content"] = self._without(content)
        elif content is not None:
            masked["content"] = [part | {"text": self._without(part["text"])} for part in content]
        if message.get("tool_calls"):
            masked["tool_calls"] = [self._masked_call(call) for call in message["tool_calls"]]
        return masked

    def _masked_call(self, call: dict[str, Any]) -> dict[str, Any]:
        function = call["function"]
        return call | {"function": function | {"arguments": self._without(function["arguments"])}}

    def _without(self, text: str) -> str:
        if self.policy.mask_inbound:
            text = mask_secrets(text)
        return mask_identifiers(text) if self.policy.mask_identities else text

    # 3 ---------------------------------------------------------------------------------

    def _charge(self, exchange: Exchange, request: ChatRequest) -> None:
        """Take the tokens of prompt and longest answer from the sender's bucket.

        What is refused costs nothing, so that who waits as long as told to is answered then.
        """
        prompt = len(exchange.request) / BYTES_PER_TOKEN
        cost = prompt + request.max_tokens * request.n
        burst, rate = self.policy.burst_tokens, self.policy.tokens_per_s
        rule = "budget of the principal"
        if cost > burst:
            text = "refused: more tokens than any budget holds; ask for less (max_tokens, n)"
            raise _RefusedError(refusal(429, text, rule), slow=True)
        left = burst

        def spend(old: bytes | None) -> bytes:
            nonlocal left
            had, at = (burst, exchange.at) if old is None else _BUDGET.unpack(old)
            had = min(burst, had + max(0.0, exchange.at - at) * rate)
            left = had - cost
            return _BUDGET.pack(left if left >= 0 else had, exchange.at)

        self.desk.world.state.update(exchange.principal, KEY, spend)
        if left < 0:
            text = "refused: too many tokens; wait, or ask for shorter answers (max_tokens)"
            wait = ("retry-after", str(min(3600, int(-left / rate) + 1)))
            raise _RefusedError(refusal(429, text, rule, wait), slow=True)

    def _settle(self, exchange: Exchange, request: ChatRequest, answer: ChatAnswer) -> None:
        """Give back what a shorter answer did not use: the longest was taken in advance.

        The upstream's own count includes what it thought and did not say; where it counts less
        than stands in the answer, the answer counts.
        """
        written = sum(
            len(choice.text.encode()) + sum(len(call.arguments.encode()) for call in choice.calls)
            for choice in answer.choices
        )
        used = max(written / BYTES_PER_TOKEN, answer.usage[1])
        unused = max(0.0, request.max_tokens * request.n - used)
        burst = self.policy.burst_tokens

        def give_back(old: bytes | None) -> bytes:
            had, at = (burst, exchange.at) if old is None else _BUDGET.unpack(old)
            return _BUDGET.pack(min(burst, had + unused), at)

        self.desk.world.state.update(exchange.principal, KEY, give_back)

    # 4 and 6 ---------------------------------------------------------------------------

    async def _judged(self, exchange: Exchange, course: Course) -> None:
        """Ask the controls of this side; long texts in a thread, so that others need not wait."""
        size = len(exchange.request) + len(exchange.response or b"")
        judge = self.desk.judge if exchange.response is None else self.desk.judge_answer
        reply = await judge(exchange, course, apart=size > INLINE_BYTES)
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

    async def _asked(self, request: ChatRequest, course: Course) -> ChatAnswer:
        began, answer, error = time.perf_counter(), None, "cancelled"
        try:
            answer = await self._heard_of(request)
        except UpstreamError as fault:
            error = fault.rule
            raise _RefusedError(_fault(fault)) from fault
        else:
            return answer
        finally:
            seconds = time.perf_counter() - began
            course.call = ModelCall(
                model=request.model,
                began=began,
                seconds=seconds,
                error="" if answer else error,
                facts=_facts(request, answer),
            )
            usage = answer.usage if answer else (0, 0)
            self.metrics.calls.ended(request.model, course.call.error, seconds, usage)

    async def _heard_of(self, request: ChatRequest) -> ChatAnswer:
        policy = self.policy
        spoken = await ask(
            self.upstream,
            PATH,
            _written(request),
            max_bytes=policy.max_answer_bytes,
            connect_s=policy.connect_timeout_s,
            deadline_s=policy.deadline_s,
        )
        return self._heard(request, spoken)

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


MANNERS = Manners(sinks=frozenset(Form), open_paths=frozenset({LIVE}), words=told)


def _facts(request: ChatRequest, answer: ChatAnswer | None) -> dict[str, Any]:
    """What OpenTelemetry's conventions for language models tell of a call; no text of it."""
    value = request.value
    asked = {
        "gen_ai.request.max_tokens": value.get("max_tokens"),
        "gen_ai.request.temperature": value.get("temperature"),
        "gen_ai.request.top_p": value.get("top_p"),
        "gen_ai.request.choice.count": request.n if request.n > 1 else None,
    }
    found = {name: item for name, item in asked.items() if isinstance(item, int | float)}
    if answer is None:
        return found
    return found | {
        "gen_ai.response.model": answer.model,
        "gen_ai.response.finish_reasons": tuple(choice.finish for choice in answer.choices),
        "gen_ai.usage.input_tokens": answer.usage[0],
        "gen_ai.usage.output_tokens": answer.usage[1],
    }


def _is_json(content_type: str) -> bool:
    return _JSON_TYPE.fullmatch(content_type.strip()) is not None


def _written(request: ChatRequest) -> bytes:
    """The request in canonical form."""
    return json.dumps(dict(request.value), ensure_ascii=False, separators=(",", ":")).encode()


def chat_watches(
    policy: ChatPolicy,
    known: Known | None = None,
    content: ContentPolicy | None = None,
    classifier: Classifier | None = None,
) -> tuple[Watch, ...]:
    """The controls on exchanges with a language model, set up by policy: contracts first.

    Args:
        known: Canaries and training texts that answers must not repeat.
        content: What answers must not say.
        classifier: Of the operator's own, asked beside the built-in one of ``content``.
    """
    from hauberk.controls.exchange.broken_contracts import BrokenContracts
    from hauberk.controls.exchange.forbidden_content import ForbiddenContent
    from hauberk.controls.exchange.hidden_channels import HiddenChannels
    from hauberk.controls.exchange.injected_prompts import InjectedPrompts
    from hauberk.controls.exchange.leaked_text import LeakedText

    allowed = Allowed(
        link_hosts=policy.link_hosts, sql_tables=policy.sql_tables, commands=policy.commands
    )
    judged = () if content is None else (ForbiddenContent(policy=content, classifier=classifier),)
    return (
        BrokenContracts(allowed=allowed, arguments=policy.tool_arguments),
        InjectedPrompts(),
        LeakedText(known=known or Known()),
        HiddenChannels(),
        *judged,
    )
