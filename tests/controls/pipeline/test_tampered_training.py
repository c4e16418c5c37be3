"""What only the control of tampered trainings says."""

from __future__ import annotations

import pytest

from hauberk.controls.pipeline.tampered_training import TamperedTraining
from hauberk.core.artifact import Digest, Replay
from hauberk.core.finding import Outcome
from hauberk.engine import assess

A, B = (Digest("sha256:" + letter * 64) for letter in "ab")
CONTROL = TamperedTraining()


def test_equal_results_are_clean():
    same = Replay(name="t", committed={"state 1": A}, repeated={"state 1": A})
    assert assess(CONTROL, same).outcome is Outcome.CLEAN


@pytest.mark.parametrize("repeated", [{"state 1": B}, {}])
def test_another_or_a_missing_result_is_found(repeated):
    (finding,) = CONTROL.check(Replay(name="t", committed={"state 1": A}, repeated=repeated))
    assert "state 1" in finding.message


def test_what_cannot_be_repeated_is_never_clean():
    bare = Replay(name="t", committed={}, repeated={}, unrepeatable="a GPU")
    assert assess(CONTROL, bare).outcome is Outcome.FAILED


def test_nothing_compared_is_never_clean():
    assert assess(CONTROL, Replay(name="t", committed={}, repeated={})).outcome is Outcome.FLAGGED
