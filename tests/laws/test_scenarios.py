"""Laws of every scenario of the range."""

from __future__ import annotations

from collections import Counter

import pytest

from hauberk import catalogue
from hauberk.engine import discover
from hauberk.errors import UnavailableError
from hauberk.range.scenario import Scenario, Trial, scenarios

SCENARIOS = [scenario for group in scenarios(catalogue.threats()).values() for scenario in group]
each = pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=lambda item: f"{item.threat}-{item.parts[0]}"
)
ANSWERS = {item.id: item.threats for family in ("controls", "attacks") for item in discover(family)}


@each
def test_a_scenario_measures_parts_of_its_threat(scenario: Scenario):
    assert scenario.parts
    assert len(scenario.targets()) == len(scenario.parts)


def test_no_part_is_measured_twice():
    parts = Counter((item.threat, *part) for item in SCENARIOS for part in item.parts)
    assert [part for part, times in parts.items() if times > 1] == []


@each
def test_attack_and_control_name_the_threat(scenario: Scenario):
    named = [item.id for item in (scenario.attack, scenario.control) if not isinstance(item, str)]
    assert all(scenario.threat in ANSWERS[name] for name in named)


def test_every_measured_threat_meets_an_attack():
    attacked = {item.threat for item in SCENARIOS if not isinstance(item.attack, str)}
    assert attacked == {item.threat for item in SCENARIOS}


KINDS = {(item.threat, item.attack_id, item.control_id): item for item in SCENARIOS[::-1]}
"""One scenario of each attack and control; their strengths share the code that plays."""


@pytest.mark.parametrize(
    "scenario", KINDS.values(), ids=lambda item: f"{item.threat}-{item.attack_id}"
)
def test_a_trial_gives_what_was_promised_and_the_same_again(scenario: Scenario):
    try:
        first, second = scenario.play(3), scenario.play(3)
    except UnavailableError as error:
        pytest.skip(str(error))
    assert isinstance(first, Trial)
    assert first == second or scenario.timed
    assert {metric for metric, _ in scenario.parts} <= first.values.keys()
    assert first.false_alarm is None or 0 <= first.false_alarm <= 1


@each
def test_measured_parts_are_shipped(scenario: Scenario):
    shipped = {
        (score.metric, score.strength) for score in catalogue.figures().get(scenario.threat, ())
    }
    assert set(scenario.parts) <= shipped
