"""Live windows held against the training profile."""

from __future__ import annotations

import doctest

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.dataset import input_drift
from hauberk.controls.dataset.input_drift import InputDrift
from hauberk.core.artifact import Window
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Level, Severity
from hauberk.errors import ArtifactError
from hauberk.formats.tables import table_of
from hauberk.sketches.profile import profile_of


def _table(seed: int, n_rows: int = 1000, shift: float = 0.0, red: float = 0.5):
    rng = np.random.default_rng(seed)
    colour = np.where(rng.random(n_rows) < red, "red", "blue")
    return table_of("t", [pa.record_batch({"age": rng.normal(shift, 1, n_rows), "colour": colour})])


_PROFILE = profile_of(_table(1, 5000)).to_bytes()


def _found(live, **options):
    return list(InputDrift(**options).check(Window(profile=_PROFILE, live=live)))


@pytest.mark.parametrize("seed", range(2, 12))
def test_another_draw_of_the_same_has_not_drifted(seed):
    assert _found(_table(seed)) == []


@pytest.mark.parametrize(
    ("live", "field"), [(_table(2, shift=0.5), "age"), (_table(2, red=0.7), "colour")]
)
def test_a_drifted_column_is_named_with_both_distributions(live, field):
    (finding,) = _found(live)
    assert (finding.location.field, finding.level) == (field, Level.REVIEW)
    assert set(finding.evidence.plots[0].series) == {"training", "live"}


def test_a_large_shift_is_severe():
    (finding,) = _found(_table(2, shift=2.0))
    assert finding.severity is Severity.HIGH


def test_a_shift_too_small_to_matter_passes():
    assert _found(_table(2, 50_000, shift=0.1), min_effect=0.2) == []


def test_few_rows_are_not_judged():
    with pytest.raises(NotApplicable, match="only 20 live rows"):
        _found(_table(2, 20))


def test_a_profile_that_is_none_is_refused():
    with pytest.raises(ArtifactError):
        list(InputDrift().check(Window(profile=b"[]", live=_table(2))))


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(input_drift).failed == 0
