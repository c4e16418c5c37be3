"""Answers of language models that break their contract."""

from __future__ import annotations

import json

import pytest

from hauberk.controls.exchange.broken_contracts import BrokenContracts
from hauberk.core.artifact import Exchange
from hauberk.core.control import Action
from hauberk.trust.client_state import MemoryClientState

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


def judged(answer, request=REQUEST, sink=None):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    one = Exchange(
        name="chat", principal="p", at=0.0, request=json.dumps(request).encode(), response=body,
        sink=sink,
    )  # fmt: skip
    return BrokenContracts().observe(one, MemoryClientState())


def says(text: str):
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}


def test_an_answer_without_a_promise_is_not_judged():
    assert judged(says("DROP TABLE t")) is None


def test_an_answer_that_does_not_parse_is_withheld():
    assert judged(b"{").action is Action.BLOCK


@pytest.mark.parametrize("sink", ["sql", "url", "path", "command", "template", "json"])
def test_the_sink_of_the_exchange_is_the_form_of_the_answer(sink):
    assert judged(says("{{ ../; DROP }}"), sink=sink).reason == "form of the answer"


def test_every_choice_is_judged():
    answer = says("SELECT 1")
    second = {"index": 1, "message": {"role": "assistant", "content": "DROP TABLE t"}}
    answer["choices"].append(second)
    assert judged(answer, sink="sql") is not None


def test_what_it_tells_a_client_holds_no_text_of_the_answer():
    assert "secret" not in judged(says("DROP TABLE secret"), sink="sql").public
