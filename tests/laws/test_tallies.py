"""Laws of every tally: its state is a value that may be cut, merged and carried around."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.laws import examples

from hauberk.core.artifact import Dataset
from hauberk.core.control import NotApplicable, Stream, Tally
from hauberk.engine import discover
from hauberk.errors import ArtifactError

STREAMS = [control for control in discover("controls") if isinstance(control, Stream)]
CASES = [
    pytest.param(control, build, id=f"{control.id}-{build.__name__}")
    for control in STREAMS
    for build in examples.of(examples.CLEAN, Dataset)
]
each = pytest.mark.parametrize(("control", "build"), CASES)


def started(control: Stream, subject: Dataset) -> Tally:
    try:
        return control.start(subject)
    except NotApplicable as reason:
        pytest.skip(str(reason))


def rows_of(subject: Dataset) -> list[Any]:
    """The rows one batch each way of cutting can start from."""
    return list(subject.read())


def fed(control: Stream, subject: Dataset, batches: list[Any]) -> Tally:
    """A tally after all its passes over ``batches``."""
    tally = started(control, subject)
    for turn in range(control.passes):
        if turn:
            tally.turn()
        for batch in batches:
            tally.update(batch)
    return tally


def cut(batches: list[Any], size: int) -> list[Any]:
    return [
        batch.slice(start, size) for batch in batches for start in range(0, batch.num_rows, size)
    ]


@each
def test_batch_borders_do_not_matter(control, build, tmp_path):
    subject = build(tmp_path)
    batches = rows_of(subject)
    whole = fed(control, subject, batches).to_bytes()
    assert fed(control, subject, cut(batches, 37)).to_bytes() == whole


@each
def test_the_state_survives_as_bytes_between_any_two_batches(control, build, tmp_path):
    subject = build(tmp_path)
    batches = cut(rows_of(subject), 113)
    carried = started(control, subject)
    for turn in range(control.passes):
        if turn:
            carried.turn()
        for batch in batches:
            carried.update(batch)
            carried = control.from_bytes(carried.to_bytes(), subject)
    straight = fed(control, subject, batches)
    assert carried.to_bytes() == straight.to_bytes()
    assert findings(carried, subject) == findings(straight, subject)


def findings(tally: Tally, subject: Dataset) -> list[str]:
    return [repr(getattr(item, "message", type(item))) for item in tally.findings(subject)]


@each
def test_merging_shards_equals_one_pass(control, build, tmp_path):
    subject = build(tmp_path)
    batches = cut(rows_of(subject), 101)
    whole = started(control, subject)
    for batch in batches:
        whole.update(batch)
    left, right = started(control, subject), started(control, subject)
    for position, batch in enumerate(batches):
        (left if position < len(batches) // 2 else right).update(batch)
    left.merge(right)
    assert left.to_bytes() == whole.to_bytes()


@pytest.mark.parametrize("control", STREAMS, ids=lambda control: control.id)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(raw=st.binary(max_size=300))
def test_bytes_that_are_no_state_are_refused(control, raw, tmp_path):
    with pytest.raises(ArtifactError):
        control.from_bytes(raw, examples.mixed_table(tmp_path))
