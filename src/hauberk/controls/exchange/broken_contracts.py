"""Answers of language models that break what they promised: see `BrokenContracts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Tier, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.ports import ClientState
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats.chat import ChatRequest, Choice, is_chat, parse_answer, parse_request
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.methods.forms import Allowed, Form, broken, broken_arguments

UNPROCESSABLE = 422
_JSON = JsonLimits(max_bytes=256 << 10, max_values=20_000, max_string_bytes=256 << 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenContracts(Watch):
    r"""Answers that break the contract of their tools, their schema or their form.

    Three contracts, each held exactly. A call of a tool names a tool that the request
    declares, with arguments that are strict JSON and fit its schema, in which no property goes
    that the schema does not name; arguments that will be run (statements, paths, addresses,
    command lines) keep the form that policy gives them. An answer in JSON fits the schema that
    the request asks for. An answer that will be run keeps the form that the exchange names as
    its sink.

    Limits:
        A call that fits its schema may still be a bad idea: what a tool may do is for the
        tool's own rights to say. A statement that only reads may read too much where no
        tables are listed.

    Args:
        allowed: Hosts, tables and commands that forms allow.
        arguments: Tool to argument to the form of its text.

    Example:
        >>> from hauberk.core.artifact import Exchange
        >>> request = b'{"model":"m","messages":[{"role":"user","content":"How many?"}]}'
        >>> answer = b'{"choices":[{"index":0,"message":{"content":"DROP TABLE visits"}}]}'
        >>> one = Exchange(name="m", principal="p", at=0, request=request, response=answer,
        ...     sink="sql")
        >>> BrokenContracts().observe(one, None).reason
        'form of the answer'

    References:
        OWASP LLM05:2025 and LLM06:2025. JSON Schema, draft 2020-12.
    """

    title: ClassVar[str] = "Answers that break their contract"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-8"),)
    subject: ClassVar[type] = Exchange
    of_chats: ClassVar[bool] = True
    after_answer: ClassVar[bool] = True
    tier: ClassVar[Tier] = Tier.LEAN

    allowed: Allowed = field(default_factory=Allowed)
    arguments: Mapping[str, Mapping[str, Form]] = field(default_factory=dict)

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Judge the answer of one exchange with a language model; keeps no state."""
        del state
        if exchange.response is None or not is_chat(exchange.request):
            return None
        try:
            request = parse_request(exchange.request)
            answer = parse_answer(exchange.response)
        except ArtifactError:
            return _signal("an answer that can be judged", "the exchange does not parse")
        for choice in answer.choices:
            found = self._broken(request, choice, exchange.sink)
            if found is not None:
                return found
        return None

    def _broken(self, request: ChatRequest, choice: Choice, sink: str | None) -> Signal | None:
        problem = self._bad_call(request, choice)
        if problem:
            return _signal("contract of a tool", problem)
        if not choice.text and choice.calls:
            return None
        if request.answer is not None:
            problem = _misfit(choice.text, request.answer.problem)
            if problem:
                return _signal("schema of the answer", problem)
        form = Form(sink) if sink in tuple(Form) else None
        problem = broken(choice.text, form, self.allowed) if form else ""
        return _signal("form of the answer", problem) if problem else None

    def _bad_call(self, request: ChatRequest, choice: Choice) -> str:
        declared = {tool.name: tool for tool in request.tools}
        for call in choice.calls:
            tool = declared.get(call.name)
            if tool is None:
                return "a tool that was not declared"
            forms = self.arguments.get(call.name, {})

            def judged(value: Any, tool: Any = tool, forms: Any = forms) -> str:
                found: str = tool.parameters.problem(value)
                return found or broken_arguments(value, forms, self.allowed)

            problem = _misfit(call.arguments or "{}", judged)
            if problem:
                return problem
        return ""


def _misfit(text: str, problem_of: Any) -> str:
    """How a text in JSON does not fit."""
    try:
        value = decode(text.encode("utf-8", "replace"), _JSON)
    except ArtifactError as error:
        return f"no strict JSON: {error.rule}"
    return str(problem_of(value))


def _signal(rule: str, problem: str) -> Signal:
    """The place within a schema is the caller's own and may be told; the text is not."""
    return Signal(
        score=1.0,
        action=Action.BLOCK,
        reason=rule,
        severity=Severity.HIGH,
        public=f"withheld: the answer breaks the {rule} ({problem})",
        status=UNPROCESSABLE,
        evidence=Evidence(statistic=rule, facts={"found": problem}),
    )
