"""Streams of answers: joined whole or not at all."""

from __future__ import annotations

import json

import pytest

from hauberk.errors import ArtifactError
from hauberk.formats.chat import ChatAnswer, Choice, ToolCall
from hauberk.formats.server_events import join, split

ANSWER = ChatAnswer(
    id="x",
    model="m",
    created=3,
    choices=(
        Choice(index=0, text="é" * 1500),
        Choice(index=1, text="", calls=(ToolCall(name="pay", arguments='{"a": 1}', id="c"),),
               finish="tool_calls"),
    ),
    usage=(3, 4),
)  # fmt: skip


def event(value) -> bytes:
    return f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


def delta(text: str, finish=None, index=0) -> bytes:
    return event(
        {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]}
    )


def test_what_was_cut_joins_to_the_same():
    assert join(split(ANSWER, with_usage=True)) == ANSWER


def test_comments_other_fields_and_line_ends_of_any_kind_are_read():
    stream = b": hello\r\nevent: x\r\n" + delta("a").replace(b"\n", b"\r\n")
    stream += delta("b", "stop").replace(b"\n", b"\r") + event("[DONE]")
    assert join(stream).choices[0].text == "ab"


def test_what_comes_after_the_end_is_not_read():
    assert join(delta("a", "stop") + event("[DONE]") + delta("b")).choices[0].text == "a"


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\xff",
        event("[DONE]"),
        delta("a"),
        delta("a", "stop"),
        delta("a") + event("[DONE]"),
        delta("a", "stop") + delta("b", index=1) + event("[DONE]"),
        delta("b", "stop", index=1) + event("[DONE]"),
        delta("a", "stop", index=99) + event("[DONE]"),
        event("no json") + event("[DONE]"),
        event([1]) + event("[DONE]"),
        event({"error": "x"}) + delta("a", "stop") + event("[DONE]"),
        event({"choices": [1]}),
        event({"choices": [{"index": "0"}]}),
        event({"choices": [{"index": 0, "delta": {"content": 1}}]}),
        event({"choices": [{"index": 0, "delta": {"tool_calls": [1]}}]}),
        event({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 9999}]}}]}),
        event({"choices": [{"index": 0, "delta": {"tool_calls": [{"function": 1}]}}]}),
    ],
)
def test_a_stream_that_is_broken_or_ends_early_is_no_answer(stream):
    with pytest.raises(ArtifactError):
        join(stream)
