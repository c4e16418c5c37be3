"""Attacks on running steps, with the control off and on."""

from __future__ import annotations

from random import Random

import pytest

from hauberk.attacks.pipeline.hijack_step import HijackStep
from hauberk.attacks.pipeline.tamper_training import KINDS, TamperTraining
from hauberk.errors import UsageError
from hauberk.isolation import Limits
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
