import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.example_record import accepted_record, example_record, findings

from hauberk.core.artifact import ModelFile, RegistryEntry
from hauberk.core.codec import from_json, to_json
from hauberk.core.finding import Curve, Evidence, Finding, Histogram, RowScores
from hauberk.core.policy import Policy, Waiver
from hauberk.core.record import Attestation, Event, RunRecord
from hauberk.errors import UnavailableError


def _portable(value: Any) -> Any:
    return json.loads(json.dumps(to_json(value), allow_nan=False).encode("utf-8"))


def test_a_record_survives_the_way_through_json():
    record = accepted_record()
    assert from_json(RunRecord, _portable(record)) == record


def test_a_hostile_record_is_the_same_after_a_second_way_through_json():
    once = from_json(RunRecord, _portable(example_record()))
    assert from_json(RunRecord, _portable(once)) == once


def test_plots_keep_their_kind():
    evidence = from_json(Evidence, _portable(findings()[0].evidence))
    assert evidence.plots == findings()[0].evidence.plots


def test_a_policy_with_waivers_survives():
    waiver = Waiver(threat="AQ-1", subject="a", reason="r", owner="o", expires=date(2026, 1, 2))
    policy = Policy(required=frozenset({"a/b", "c/d"}), waivers=(waiver,))
    assert from_json(Policy, _portable(policy)) == policy


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_carry_comes_back_as_not_a_number(value: float):
    plot = Curve(title="t", x="x", y="y", series={"s": ((0.0, value),)})
    (point,) = from_json(Curve, _portable(plot)).series["s"]
    assert math.isnan(point[1])


@given(text=st.text(st.characters(codec=None)))
def test_any_text_becomes_well_formed_json(text: str):
    finding = replace(findings()[0], message=text, evidence=Evidence(facts={text: text}))
    assert from_json(Finding, _portable(finding)).severity is finding.severity


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("started", "yesterday"),
        ("started", True),
        ("steps", "abc"),
        ("steps", {}),
        ("steps", [3]),
        ("steps", [[]]),
        ("trust", []),
        ("trust", {"root": 3}),
        ("isolation", "heavy"),
        ("isolation", 3),
        ("exit_code", 1.5),
        ("project", None),
        ("scores", [{"threat": 7}]),
        ("surprise", 1),
    ],
)
def test_a_record_with_a_wrong_value_is_refused(name: str, value: Any):
    document = to_json(accepted_record()) | {name: value}
    with pytest.raises((ValueError, TypeError, KeyError)):
        from_json(RunRecord, document)


def test_categories_stay_names_and_edges_stay_numbers():
    names = Histogram(title="t", edges=("a", "b"), series={"s": (1.0, 2.0)})
    numbers = Histogram(title="t", edges=(0.0, 1.0), series={"s": (1.0,)})
    assert from_json(Histogram, _portable(names)) == names
    assert from_json(Histogram, _portable(numbers)) == numbers


def test_scores_of_rows_come_back_without_their_rows():
    scores = RowScores(path="a.csv", n_rows=1, read=lambda: iter([(0, [0.5])]))
    back = from_json(RowScores, _portable(scores))
    assert (back.path, back.n_rows) == ("a.csv", 1)
    with pytest.raises(UnavailableError, match="not kept"):
        back.read()


def test_a_list_of_names_reads_as_a_set():
    assert from_json(Policy, {"required": ["b", "a"]}).required == frozenset({"a", "b"})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Policy, {"required": "abc"}),
        (Policy, {"waivers": [{"threat": "AQ-1"}]}),
        (Curve, {"title": "t", "x": "x", "y": "y", "series": {"s": [[0.0]]}}),
        (Curve, {"title": "t", "x": "x", "y": "y", "series": {"s": ["ab"]}}),
        (Histogram, {"title": "t", "edges": [{}], "series": {}}),
        (Attestation, {"predicate_type": "p", "subjects": {}, "envelope": 3}),
        (Finding, {"message": "m", "path": "p", "severity": "high", "remedy": None}),
    ],
)
def test_a_value_that_does_not_fit_its_field_is_refused(kind: type, value: Any):
    with pytest.raises((ValueError, TypeError, KeyError)):
        from_json(kind, value)


def test_bytes_survive_whatever_they_are():
    attestation = Attestation(predicate_type="p", subjects={}, envelope=bytes(range(256)))
    assert from_json(Attestation, _portable(attestation)) == attestation


def test_a_context_keeps_its_paths_and_leaves_its_callables():
    entry = RegistryEntry(name="n", version="1", channel="staging", read=lambda _path: b"")
    assert "read" not in to_json(entry)
    model = ModelFile(name="m", path=Path("a/b"))
    assert from_json(ModelFile, _portable(model)) == model


def test_facts_of_an_event_keep_their_json():
    event = Event(at=1.0, kind="gate", facts={"counts": [1, 2], "deep": {"a": None}})
    assert from_json(Event, _portable(event)) == event
