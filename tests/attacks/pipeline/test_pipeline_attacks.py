"""Attacks on running steps, with the control off and on."""

from __future__ import annotations

from random import Random

import pytest

from hauberk.attacks.pipeline.hijack_step import HijackStep
from hauberk.attacks.pipeline.leak_secret import WAYS, LeakSecret
from hauberk.attacks.pipeline.tamper_training import KINDS, TamperTraining
from hauberk.errors import UsageError
from hauberk.isolation import Limits
from hauberk.range.worlds.secret_steps import SecretHost
from hauberk.range.worlds.steps import StepHost
from hauberk.range.worlds.trainings import training_host


def test_a_miner_works_within_wide_limits_and_is_killed_within_its_budget():
    attack = HijackStep(deed="processor")
    assert attack.play(StepHost(), Random(1)).succeeded
    held = attack.play(StepHost(limits=Limits(cpu_s=1.0)), Random(1))
    assert not held.succeeded
    assert held.facts["done"].killed_by == "cpu_s"


def test_a_step_reaches_no_host_that_nobody_granted():
    assert not HijackStep(deed="egress").play(StepHost(), Random(1)).succeeded


@pytest.mark.parametrize("kind", KINDS)
def test_a_bent_training_gives_another_model(kind):
    with training_host(3) as host:
        transcript = TamperTraining(kind=kind).play(host, Random(4))
    assert transcript.succeeded
    assert len(transcript.facts["tampered"]) == host.segments // 2


@pytest.mark.parametrize("attack", [HijackStep(deed="knit"), TamperTraining(kind="knit")])
def test_an_unknown_deed_is_a_usage_error(attack):
    with training_host(3) as host, pytest.raises(UsageError):
        attack.play(StepHost() if isinstance(attack, HijackStep) else host, Random(1))


SECRET = "kQ7/w+Zr2&vX=9s-Lm4TbY8"


@pytest.mark.parametrize("place", ["texts", "output"])
def test_every_way_gives_the_secret_where_nothing_is_masked_and_none_where_it_is(place):
    attack = LeakSecret(place=place)
    bare = attack.play(SecretHost(secret=SECRET, is_guarded=False), Random(1))
    assert set(WAYS) <= set(bare.facts["ways"])
    assert not attack.play(SecretHost(secret=SECRET), Random(1)).succeeded


@pytest.mark.parametrize("attack", [LeakSecret(ways=("knit",)), LeakSecret(place="knit")])
def test_an_unknown_way_or_place_of_leaking_is_a_usage_error(attack):
    with pytest.raises(UsageError):
        attack.play(SecretHost(secret=SECRET), Random(1))
