from dataclasses import replace
from random import Random

import pytest

from hauberk.attacks.registry.skip_examination import WAYS, SkipExamination
from hauberk.controls.registry.skipped_examination import SkippedExamination
from hauberk.core.control import NotApplicable
from hauberk.errors import TrustError
from hauberk.range.worlds.examined import Examined


def _honest(age_s: float = 3_600.0) -> Examined:
    world = Examined(guarded=True, rng=Random(1))
    world.examined(strength={}, age_s=age_s)
    return world


def test_an_honest_release_is_let_through():
    assert _honest().promote()


@pytest.mark.parametrize("way", WAYS)
def test_every_way_around_an_examination_works_only_without_the_control(way):
    for guarded in (False, True):
        world = Examined(guarded=guarded, rng=Random(4))
        assert SkipExamination(way=way).play(world, Random(4)).succeeded is not guarded


def test_the_control_can_only_be_stricter_than_the_pinned_policy():
    subject = _honest(age_s=40 * 86_400.0).entry()
    with pytest.raises(TrustError, match="too old"):
        list(SkippedExamination(max_age_days=30.0).check(subject))
    assert list(SkippedExamination(max_age_days=9e9).check(subject)) == []


def test_only_production_needs_an_examination():
    subject = _honest().entry()
    for other in (
        replace(subject, channel="staging"),
        replace(subject, trusted={}),
        replace(subject, trusted={"root": subject.trusted["root"]}),
    ):
        with pytest.raises(NotApplicable):
            list(SkippedExamination().check(other))
