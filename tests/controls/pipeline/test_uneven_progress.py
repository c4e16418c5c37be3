"""What only the control of uneven progress says."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.controls.pipeline.uneven_progress import UnevenProgress
from hauberk.core.artifact import Replay
from hauberk.core.finding import Level, Outcome
from hauberk.engine import assess

CONTROL = UnevenProgress()


def _replay(bump: float, states: int = 21, at: int = 14) -> Replay:
    rng = np.random.default_rng(5)
    usual = np.linspace(2.0, 0.3, states) + rng.normal(0, 0.01, (3, states))
    usual[1, at:] += bump
    losses = {name: tuple(map(float, line)) for name, line in zip("abc", usual, strict=True)}
    return Replay(name="train", committed={}, repeated={}, losses=losses, first_state=1)


def test_classes_that_learn_together_are_clean():
    assert assess(CONTROL, _replay(0.0)).outcome is Outcome.CLEAN


@pytest.mark.parametrize("bump", [1.5, -1.5])
def test_a_class_that_moves_alone_is_named_with_its_segment(bump):
    (finding,) = CONTROL.check(_replay(bump))
    assert finding.level is Level.REVIEW
    assert "segment 14 the loss of class 'b'" in finding.message


def test_a_change_of_all_classes_is_no_finding():
    base = _replay(0.0)
    worse = {n: (*line[:14], *(y + 2 for y in line[14:])) for n, line in base.losses.items()}
    assert not list(CONTROL.check(Replay(name="t", committed={}, repeated={}, losses=worse)))


@pytest.mark.parametrize("states", [0, 1, 5])
def test_too_few_states_are_not_judged(states):
    short = _replay(9.0, states=states, at=0)
    assert assess(CONTROL, short).outcome is Outcome.NOT_APPLICABLE


def test_classes_with_unequal_numbers_of_losses_are_not_judged():
    odd = Replay(name="t", committed={}, repeated={}, losses={"a": (1.0,) * 20, "b": (1.0,)})
    assert assess(CONTROL, odd).outcome is Outcome.NOT_APPLICABLE
