"""Streams of server-sent events, as chat servers write their answers piece by piece.

A stream is read to its end and joined; only what is whole is an answer. What is written is
cut again from the joined answer, so that nothing of the upstream's own framing comes through.

References:
    HTML Standard, section 9.2, "Server-sent events".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from hauberk.errors import ArtifactError
from hauberk.formats.chat import (
    MAX_CALLS,
    MAX_CHOICES,
    ChatAnswer,
    finish_of,
    parse_answer,
    written_call,
    written_usage,
)
from hauberk.formats.strict_json import JsonLimits, at_most, decode, refuse

CONTENT_TYPE: Final = "text/event-stream"
MAX_EVENTS: Final = 100_000
PIECE: Final = 512
"""Characters of one piece that is written."""

_EVENT_LIMITS = JsonLimits(
    max_bytes=1 << 20, max_values=10_000, max_string_bytes=1 << 20, max_depth=16
)
_DONE = "[DONE]"


@dataclass(slots=True)
class _Joined:
    """One choice as far as it has come."""

    text: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    finish: str = ""


def join(body: bytes) -> ChatAnswer:
    """The answer that a whole stream says.

    Raises:
        ArtifactError: It is malformed, breaks a bound, or ends before it is done.
    """
    choices: dict[int, _Joined] = {}
    head: dict[str, Any] = {}
    usage: Any = None
    done = False
    for event in _events(body):
        if event == _DONE:
            done = True
            break
        value = decode(event.encode(), _EVENT_LIMITS)
        if type(value) is not dict or "error" in value:
            refuse("the stream", "pieces of an answer", "objects with choices", "an error")
        head = head or value
        usage = value.get("usage") or usage
        for choice in value.get("choices") or ():
            _add(choices, choice)
    if not choices or not done or not all(one.finish for one in choices.values()):
        refuse("the stream", "a stream is whole", "a reason to finish and [DONE]", "a broken end")
    return parse_answer(_whole(head, choices, usage))


def _events(body: bytes) -> Iterator[str]:
    """The data of each event."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse("the stream", "encoding of a stream", "UTF-8", "other bytes", error)
    found = 0
    for block in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line[:5] == "data:"]
        if lines:
            found += 1
            if found > MAX_EVENTS:
                at_most("the stream", "number of events", MAX_EVENTS, "more")
            yield "\n".join(lines)


def _add(choices: dict[int, _Joined], value: Any) -> None:
    if type(value) is not dict or type(value.get("index", 0)) is not int:
        refuse("the stream", "a piece of a choice", "an object with an index", "something else")
    index = value.get("index", 0)
    if not 0 <= index < MAX_CHOICES:
        at_most("the stream", "number of choices", MAX_CHOICES, "more")
    joined = choices.setdefault(index, _Joined())
    delta = value.get("delta")
    if type(delta) is dict:
        content = delta.get("content")
        if content is None:
            content = delta.get("refusal")
        if content is not None:
            joined.text.append(_text(content))
        for call in delta.get("tool_calls") or ():
            _add_call(joined, call)
    if value.get("finish_reason") is not None:
        joined.finish = finish_of(value["finish_reason"])


def _add_call(joined: _Joined, value: Any) -> None:
    index = value.get("index", 0) if type(value) is dict else None
    if type(index) is not int or not 0 <= index < MAX_CALLS:
        refuse("the stream", "a piece of a call", f"an index below {MAX_CALLS}", "something else")
    call = joined.calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
    call["id"] = call["id"] or _text(value.get("id") or "")
    function = value.get("function") or {}
    if type(function) is not dict:
        refuse("the stream", "a piece of a call", "a function", "something else")
    call["name"] += _text(function.get("name") or "")
    call["arguments"] += _text(function.get("arguments") or "")


def _text(value: Any) -> str:
    if type(value) is not str:
        refuse("the stream", "pieces of an answer", "texts", "something else")
    return value


def _whole(head: dict[str, Any], choices: dict[int, _Joined], usage: Any) -> bytes:
    """The joined pieces in the form of an answer that came at once."""
    value = {
        "id": head.get("id"),
        "model": head.get("model"),
        "created": head.get("created"),
        "usage": usage,
        "choices": [
            {
                "index": index,
                "finish_reason": one.finish,
                "message": {
                    "role": "assistant",
                    "content": "".join(one.text),
                    "tool_calls": [_function(call) for _, call in sorted(one.calls.items())],
                },
            }
            for index, one in sorted(choices.items())
        ],
    }
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ArtifactError("the stream holds lone surrogates") from error


def _function(call: dict[str, str]) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": call["arguments"]}
    return {"id": call["id"], "type": "function", "function": function}


def split(answer: ChatAnswer, *, with_usage: bool) -> bytes:
    """An answer as a stream of pieces."""
    head = {
        "id": answer.id,
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.model,
    }
    events = [head | {"choices": [piece]} for piece in _pieces(answer)]
    if with_usage:
        events.append(head | {"choices": [], "usage": written_usage(answer)})
    lines = [json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events]
    return "".join(f"data: {line}\n\n" for line in [*lines, _DONE]).encode()


def _pieces(answer: ChatAnswer) -> Iterator[dict[str, Any]]:
    for choice in answer.choices:
        yield _piece(choice.index, {"role": "assistant", "content": ""})
        for start in range(0, len(choice.text), PIECE):
            yield _piece(choice.index, {"content": choice.text[start : start + PIECE]})
        for number, call in enumerate(choice.calls):
            yield _piece(choice.index, {"tool_calls": [{"index": number} | written_call(call)]})
        yield _piece(choice.index, {}, choice.finish)


def _piece(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}
