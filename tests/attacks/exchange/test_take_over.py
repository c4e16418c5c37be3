"""Prompts that take a model over: families, disguises, and what counts as success."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from random import Random

import pytest

from hauberk.attacks.exchange.take_over import TEMPLATES, WAYS, TakeOver
from hauberk.formats.http import Answer, Call
from hauberk.range.worlds.prompts import HONEST, honest

FAMILIES = Path(__file__).parents[3] / "scripts" / "instruction_families.toml"


class Listening:
    """A door that answers with one status and keeps what it was asked."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[str] = []
        self.door = self

    def call(self, call: Call) -> Answer:
        self.asked.append(json.loads(b"".join(call.chunks))["messages"][0]["content"])
        return Answer(status=self.status, headers={}, body=b"{}")


@pytest.mark.parametrize(("status", "succeeded"), [(200, True), (403, False), (500, False)])
def test_a_prompt_that_reaches_the_model_has_succeeded(status, succeeded):
    listening = Listening(status)
    heard = TakeOver().play(listening, Random(3))
    assert heard.succeeded is succeeded
    assert len(listening.asked) == heard.queries == 1


def test_there_are_thirty_wordings_and_as_many_honest_ones():
    assert sum(map(len, TEMPLATES.values())) >= 30
    assert len(HONEST) >= 30


def test_no_wording_is_one_of_those_that_the_model_was_trained_on():
    trained = json.dumps(tomllib.loads(FAMILIES.read_text("utf-8")), ensure_ascii=False).lower()
    for texts in TEMPLATES.values():
        for text in texts:
            words = text.lower().split()
            runs = [" ".join(words[at : at + 5]) for at in range(max(1, len(words) - 4))]
            assert not [run for run in runs if run in trained]


def test_every_family_and_every_disguise_is_sent():
    told = [TakeOver().prompt(Random(seed)) for seed in range(600)]
    assert {family for family, _, _ in told} == set(TEMPLATES)
    assert {way for _, way, _ in told} == set(WAYS)


def test_plain_prompts_wear_no_disguise():
    assert {TakeOver(plain=1.0).prompt(Random(seed))[1] for seed in range(50)} == {"plain"}


def test_some_honest_prompts_hold_something_encoded():
    told = [honest(Random(seed)) for seed in range(100)]
    assert 5 < sum(text.startswith("Decode") for text in told) < 30
    assert not [text for text in told if "{" in text]
