"""Laws that every control obeys; found by discovery, so a new one is held to them at once."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any

import pytest
from tests.laws import examples

from hauberk import catalogue
from hauberk.core.control import Check, Control, NotApplicable, Stream, Watch
from hauberk.core.finding import Assessment, Finding, Level, Outcome
from hauberk.engine import assess, discover
from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.trust.client_state import MemoryClientState

TYPED = (NotApplicable, ArtifactError, TrustError, UnavailableError, UsageError)
"""What a control may raise; an error of ours or of the language is a broken law."""

CONTROLS = discover("controls")
each = pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)


def pairs(table: dict[Any, tuple[examples.Build, ...]], kind: type) -> Iterable[Any]:
    return [
        pytest.param(control, build, id=f"{control.id}-{build.__name__}")
        for control in CONTROLS
        if isinstance(control, kind)
        for build in examples.of(table, control.subject)
    ]


def judged(control: Control, subject: Any) -> Assessment:
    """An assessment without what differs from run to run."""
    result = dataclasses.replace(assess(control, subject), seconds=0.0)
    kept = [
        (part.path, part.n_rows, [(row, list(scores)) for row, scores in part.read()])
        for part in result.scores
    ]
    return dataclasses.replace(result, scores=tuple(kept))


@each
def test_a_control_is_frozen_data_with_defaults(control: Control):
    parameters = getattr(type(control), "__dataclass_params__", None)
    assert parameters is not None
    assert parameters.frozen
    assert type(control)() == control


@each
def test_a_control_is_called_what_its_path_says(control: Control):
    *_, subject, module = type(control).__module__.split(".")
    assert control.id == f"{subject}/{module}".replace("_", "-")
    assert control.title
    assert control.subject is not None


@each
def test_a_control_answers_threats_of_the_catalogue(control: Control):
    assert control.threats
    assert set(control.threats) <= set(catalogue.threats())


@each
def test_a_control_says_what_it_misses_and_whence_it_comes(control: Control):
    text = inspect.getdoc(type(control)) or ""
    assert "Limits:" in text
    assert "References:" in text


@each
def test_a_control_has_one_of_the_three_forms(control: Control):
    assert isinstance(control, (Check, Stream, Watch))


@pytest.mark.parametrize(("control", "build"), pairs(examples.CLEAN, (Check, Stream)))
def test_a_control_is_silent_on_clean_subjects(control, build, tmp_path):
    assessment = assess(control, build(tmp_path))
    silent = {Outcome.CLEAN, Outcome.NOT_APPLICABLE}
    allowed = silent | {Outcome.FAILED} if control.optional else silent  # what it needs may lack
    assert assessment.outcome in allowed, assessment.reason
    assert not assessment.findings


@pytest.mark.parametrize(("control", "build"), pairs(examples.CLEAN, (Check, Stream)))
def test_a_control_says_the_same_twice(control, build, tmp_path):
    subject = build(tmp_path)
    assert judged(control, subject) == judged(control, subject)


@pytest.mark.parametrize(("control", "build"), pairs(examples.HOSTILE, Check))
def test_a_check_answers_hostile_subjects_with_typed_errors(control, build, tmp_path):
    with contextlib.suppress(*TYPED):
        list(control.check(build(tmp_path)))


@pytest.mark.parametrize(("control", "build"), pairs(examples.HOSTILE, Stream))
def test_a_stream_answers_hostile_subjects_with_typed_errors(control, build, tmp_path):
    subject = build(tmp_path)
    with contextlib.suppress(*TYPED):
        tally = control.start(subject)
        for turn in range(control.passes):
            if turn:
                tally.turn()
            for batch in subject.read():
                tally.update(batch)
        list(tally.findings(subject))


@pytest.mark.parametrize(
    ("control", "build"),
    [*pairs(examples.CLEAN, (Check, Stream)), *pairs(examples.HOSTILE, (Check, Stream))],
)
def test_findings_say_what_to_do_and_carry_numbers_only(control, build, tmp_path):
    for finding in assess(control, build(tmp_path)).findings:
        assert isinstance(finding, Finding)
        assert finding.message
        assert finding.remedy
        assert finding.level in Level
        assert 0 <= finding.confidence <= 1
        assert set(finding.threats) <= set(catalogue.threats())


@pytest.mark.parametrize(("control", "build"), pairs(examples.HOSTILE, Watch))
def test_a_watch_answers_hostile_exchanges_without_an_error(control, build, tmp_path):
    signal = control.observe(build(tmp_path), MemoryClientState())
    assert signal is None or 0 <= signal.score <= 1


@pytest.mark.parametrize(("control", "build"), pairs(examples.CLEAN, Watch))
def test_a_watch_is_silent_on_honest_exchanges(control, build, tmp_path):
    assert control.observe(build(tmp_path), MemoryClientState()) is None
