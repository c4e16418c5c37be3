"""Chat requests and answers in the form that most servers of language models speak.

A request has a closed schema: what it does not know is refused, by name and place, so that
nothing reaches the model that nobody judged. An answer is rebuilt from the fields that were
judged; whatever else a server adds is dropped.

References:
    OpenAI API reference, "Chat completions"; the subset that vLLM, llama.cpp's server, Ollama
    and LiteLLM serve alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.json_schema import Schema, schema_of
from hauberk.formats.strict_json import JsonLimits, at_most, decode, refuse, shown

MAX_MESSAGES = 512
MAX_TOOLS = 128
MAX_CHOICES = 16
MAX_NAME = 128
MAX_CALLS = 64
"""Calls of tools in one message."""

LIMITS = JsonLimits(
    max_bytes=1 << 20,
    max_values=200_000,
    max_string_bytes=1 << 20,
    max_depth=32,
    max_objects=20_000,
    max_keys=2_000,
)
"""A megabyte is about a quarter of a million tokens, more than most contexts hold."""

_MARK = b'"messages"'
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_MESSAGE_KEYS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that a model asks for.

    Attributes:
        arguments: As written by the model: JSON, if it keeps its word.
    """

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; parts of text are joined as the model's template joins them."""

    role: str
    text: str
    calls: tuple[ToolCall, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the caller declares."""

    name: str
    description: str
    parameters: Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A request that fits the schema.

    Attributes:
        max_tokens: Asked for; 0 where the request leaves it open.
        answer: What the text of an answer promises to be, where the request says so.
        wants_usage: Whether a stream ends with the numbers of tokens.
        value: The request itself, for the upstream.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    max_tokens: int = 0
    n: int = 1
    is_stream: bool = False
    wants_usage: bool = False
    answer: Schema | None = None
    value: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """All text that stands before the answer."""
        return "\n".join(message.text for message in self.messages)

    @property
    def system(self) -> str:
        """What the operator says to the model."""
        texts = (m.text for m in self.messages if m.role in ("system", "developer"))
        return "\n".join(texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer of several."""

    index: int
    text: str
    calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """An answer, joined and without what nobody judged."""

    id: str
    model: str
    created: int
    choices: tuple[Choice, ...]
    usage: tuple[int, int] = (0, 0)


# Requests ------------------------------------------------------------------------------


def is_chat(body: bytes) -> bool:
    """Whether a body could be a chat request at all; costs one search."""
    return _MARK in body


def parse_request(body: bytes, limits: JsonLimits = LIMITS) -> ChatRequest:
    """The request in ``body``.

    Raises:
        ArtifactError: It breaks a bound or does not fit the schema.
    """
    return request_of(decode(body, limits))


def request_of(value: Any) -> ChatRequest:
    """The request that a decoded value is.

    Raises:
        ArtifactError: It does not fit the schema.
    """
    if type(value) is not dict:
        refuse("the request", "a chat request", "an object", "something else")
    for key in value:
        if key not in _FIELDS:
            refuse(shown(key), "fields of a chat request", ", ".join(_FIELDS), "an unknown field")
    for key, item in value.items():
        _FIELDS[key](key, item)
    for key in ("model", "messages"):
        if key not in value:
            refuse(key, "fields of a chat request", "a value", "none")
    tools = tuple(_tool(item) for item in value.get("tools") or ())
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        refuse("tools", "no tool is declared twice", "one declaration", "two")
    messages = tuple(_message(n, item) for n, item in enumerate(value["messages"]))
    return ChatRequest(
        model=value["model"],
        messages=messages,
        tools=tools,
        max_tokens=value.get("max_completion_tokens") or value.get("max_tokens") or 0,
        n=value.get("n") or 1,
        is_stream=value.get("stream") is True,
        wants_usage=(value.get("stream_options") or {}).get("include_usage") is True,
        answer=_answer_schema(value.get("response_format")),
        value=value,
    )


def _message(number: int, value: Any) -> Message:
    place = f"messages[{number}]"
    if type(value) is not dict:
        refuse(place, "a message", "an object", "something else")
    for key in value:
        if key not in _MESSAGE_KEYS:
            refuse(
                f"{place}.{shown(key)}", "fields of a message", _listed(_MESSAGE_KEYS), "unknown"
            )
    role = _role(place, value)
    calls = tuple(_call(place, item) for item in _array(place, value.get("tool_calls"), MAX_CALLS))
    if calls and role != "assistant":
        refuse(place, "who calls tools", "role assistant", f"role {role}")
    return Message(
        role=role, text=_content(place, value, calls), calls=calls, name=value.get("name", "")
    )


def _role(place: str, value: dict[str, Any]) -> str:
    """The role; what goes with it is checked."""
    role: Any = value.get("role")
    if type(role) is not str or role not in _ROLES:
        refuse(f"{place}.role", "roles", _listed(_ROLES), "another value")
    for key in ("name", "tool_call_id"):
        if key in value:
            _name(f"{place}.{key}", value[key])
    if role == "tool" and "tool_call_id" not in value:
        refuse(place, "an answer of a tool names its call", "tool_call_id", "none")
    return str(role)


def _content(place: str, value: dict[str, Any], calls: tuple[ToolCall, ...]) -> str:
    content = value.get("content")
    if content is None and calls:
        return ""
    if type(content) is str:
        return content
    if type(content) is not list or not content:
        refuse(f"{place}.content", "content of a message", "a text, or parts of text", "neither")
    return "".join(_part(place, part) for part in content)


def _part(place: str, part: Any) -> str:
    is_text = type(part) is dict and set(part) == {"type", "text"} and part["type"] == "text"
    if not is_text or type(part["text"]) is not str:
        refuse(f"{place}.content", "parts of a message", "parts of type text only", "another part")
    text: str = part["text"]
    return text


def _call(place: str, value: Any) -> ToolCall:
    rule, expected = "a call of a tool", "id, type function, and function with name and arguments"
    if type(value) is not dict or not set(value) <= {"id", "type", "function", "index"}:
        refuse(f"{place}.tool_calls", rule, expected, "something else")
    function = value.get("function")
    if type(function) is not dict or set(function) != {"name", "arguments"}:
        refuse(f"{place}.tool_calls", rule, expected, "something else")
    name, arguments = function["name"], function["arguments"]
    if type(arguments) is not str:
        refuse(f"{place}.tool_calls", rule, "arguments as a text", "something else")
    return ToolCall(name=_name(place, name), arguments=arguments, id=_name(place, value.get("id")))


def _tool(value: Any) -> Tool:
    expected = "type function, and function with name, description and parameters"
    if type(value) is not dict or set(value) != {"type", "function"}:
        refuse("tools", "a declaration of a tool", expected, "something else")
    function = value["function"]
    known = {"name", "description", "parameters", "strict"}
    if value["type"] != "function" or type(function) is not dict or not set(function) <= known:
        refuse("tools", "a declaration of a tool", expected, "something else")
    description = function.get("description", "")
    if type(description) is not str:
        refuse("tools", "a declaration of a tool", "a description in words", "something else")
    parameters = function.get("parameters", {"type": "object", "properties": {}})
    name = _name("tools", function.get("name"))
    return Tool(name=name, description=description, parameters=schema_of(parameters))


def _answer_schema(value: Any) -> Schema | None:
    if value is None or value == {"type": "text"}:
        return None
    if value == {"type": "json_object"}:
        return schema_of({"type": "object"})
    known = {"name", "description", "schema", "strict"}
    inner = value.get("json_schema") if type(value) is dict else None
    if type(inner) is not dict or set(value) != {"type", "json_schema"} or not set(inner) <= known:
        refuse("response_format", "forms of answers", "text, json_object or json_schema", "another")
    return schema_of(inner.get("schema", {"type": "object"}))


def _name(place: str, value: Any) -> str:
    if type(value) is not str or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        refuse(place, "names", f"1 to {MAX_NAME} printable characters", "something else")
    return value


def _array(place: str, value: Any, most: int) -> list[Any]:
    if value is None:
        return []
    if type(value) is not list:
        refuse(place, "type of a field", "an array", "something else")
    if len(value) > most:
        at_most(place, "number of items", most, len(value))
    return value


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


# What each field of a request may hold --------------------------------------------------


def _number(low: float, high: float) -> Callable[[str, Any], None]:
    def check(key: str, value: Any) -> None:
        if value is None:
            return
        if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
            refuse(key, "range of a field", f"a number from {low} to {high}", "something else")

    return check


def _integer(low: int, high: int) -> Callable[[str, Any], None]:
    def check(key: str, value: Any) -> None:
        if value is not None and (type(value) is not int or not low <= value <= high):
            refuse(key, "range of a field", f"an integer from {low} to {high}", "something else")

    return check


def _boolean(key: str, value: Any) -> None:
    if type(value) is not bool:
        refuse(key, "type of a field", "true or false", "something else")


def _text(key: str, value: Any) -> None:
    _name(key, value)


def _stops(key: str, value: Any) -> None:
    stops = [value] if type(value) is str else _array(key, value, 16)
    if any(type(stop) is not str or len(stop) > MAX_NAME for stop in stops):
        refuse(key, "sequences that stop an answer", "short texts", "something else")


def _biases(key: str, value: Any) -> None:
    if value is None:
        return
    is_map = type(value) is dict and len(value) <= 1024  # noqa: PLR2004 - tokens
    if not is_map or any(
        not k.isdecimal() or type(v) not in (int, float) for k, v in value.items()
    ):
        refuse(key, "biases of tokens", "numbers by token", "something else")


def _options(key: str, value: Any) -> None:
    if value is None:
        return
    if type(value) is not dict or not set(value) <= {"include_usage"}:
        refuse(key, "options of a stream", "include_usage", "something else")
    for name, item in value.items():
        _boolean(name, item)


def _messages(key: str, value: Any) -> None:
    if not _array(key, value, MAX_MESSAGES):
        refuse(key, "number of items", "at least one message", "none")


def _tools(key: str, value: Any) -> None:
    _array(key, value, MAX_TOOLS)


def _choice_of_tool(key: str, value: Any) -> None:
    named = type(value) is dict and set(value) == {"type", "function"}
    inner = value["function"] if named and value["type"] == "function" else None
    if type(inner) is dict and set(inner) == {"name"}:
        _name(key, inner["name"])
        return
    if value not in (None, "none", "auto", "required"):
        refuse(key, "choice of a tool", "none, auto, required or one function", "something else")


def _any(key: str, value: Any) -> None:
    """Judged where it is read."""
    del key, value


def _effort(key: str, value: Any) -> None:
    if value not in (None, "none", "minimal", "low", "medium", "high"):
        refuse(key, "effort", "none, minimal, low, medium or high", "something else")


_FIELDS: Mapping[str, Callable[[str, Any], None]] = {
    "model": _text,
    "messages": _messages,
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "n": _integer(1, MAX_CHOICES),
    "stream": _boolean,
    "stream_options": _options,
    "stop": _stops,
    "max_tokens": _integer(1, 1 << 20),
    "max_completion_tokens": _integer(1, 1 << 20),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "logit_bias": _biases,
    "seed": _integer(-(1 << 63), (1 << 63) - 1),
    "user": _text,
    "tools": _tools,
    "tool_choice": _choice_of_tool,
    "parallel_tool_calls": _boolean,
    "response_format": _any,
    "reasoning_effort": _effort,
}
"""Left out on purpose: what asks for more than an answer in text and calls (probabilities of
tokens, stored conversations, pictures by address)."""


# Answers -------------------------------------------------------------------------------

_FINISHES = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_COUNT_MAX = 1 << 40


def parse_answer(body: bytes, limits: JsonLimits = LIMITS) -> ChatAnswer:
    """The answer in ``body``.

    Raises:
        ArtifactError: It is none, or breaks a bound.
    """
    value = decode(body, limits)
    if type(value) is not dict or type(value.get("choices")) is not list or not value["choices"]:
        refuse("the answer", "a chat answer", "an object with choices", "something else")
    if len(value["choices"]) > MAX_CHOICES:
        at_most("choices", "number of items", MAX_CHOICES, len(value["choices"]))
    choices = tuple(_choice(item) for item in value["choices"])
    if sorted(choice.index for choice in choices) != list(range(len(choices))):
        refuse("choices", "each choice once", "indices from 0", "others")
    return ChatAnswer(
        id=_plain(value.get("id")),
        model=_plain(value.get("model")),
        created=_count(value.get("created")),
        choices=tuple(sorted(choices, key=lambda choice: choice.index)),
        usage=_usage(value.get("usage")),
    )


def _choice(value: Any) -> Choice:
    message = value.get("message") if type(value) is dict else None
    if type(message) is not dict or message.get("role", "assistant") != "assistant":
        refuse("choices", "a choice", "a message of the assistant", "something else")
    content = message.get("content")
    content = message.get("refusal") if content is None else content
    if content is not None and type(content) is not str:
        refuse("choices", "content of an answer", "a text", "something else")
    calls = _array("choices", message.get("tool_calls"), MAX_CALLS)
    return Choice(
        index=value.get("index", 0) if type(value.get("index", 0)) is int else -1,
        text=content or "",
        calls=tuple(_call("choices", item) for item in calls),
        finish=finish_of(value.get("finish_reason")),
    )


def finish_of(value: Any) -> str:
    """A known reason why an answer ended."""
    return value if type(value) is str and value in _FINISHES else "stop"


def _plain(value: Any) -> str:
    """A short name of plain characters, or nothing: names of answers carry no messages."""
    is_plain = type(value) is str and value.isascii() and value.isprintable()
    return value if is_plain and len(value) <= MAX_NAME else ""


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < _COUNT_MAX else 0


def _usage(value: Any) -> tuple[int, int]:
    if type(value) is not dict:
        return (0, 0)
    return _count(value.get("prompt_tokens")), _count(value.get("completion_tokens"))


def write_answer(answer: ChatAnswer) -> bytes:
    """The answer as JSON, from what was judged alone."""
    value = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [_written(choice) for choice in answer.choices],
        "usage": written_usage(answer),
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _written(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text}
    if choice.calls:
        message["tool_calls"] = [written_call(call) for call in choice.calls]
    return {"index": choice.index, "message": message, "finish_reason": choice.finish}


def written_call(call: ToolCall) -> dict[str, Any]:
    """A call as JSON."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def written_usage(answer: ChatAnswer) -> dict[str, int]:
    """Numbers of tokens as JSON."""
    asked, said = answer.usage
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def texts_in(response: bytes) -> tuple[str, ...] | None:
    """The texts of an answer; ``None`` where it is no chat answer."""
    if b'"choices"' not in response:
        return None
    try:
        return tuple(choice.text for choice in parse_answer(response).choices)
    except ArtifactError:
        return None
