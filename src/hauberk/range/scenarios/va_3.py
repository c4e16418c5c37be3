"""VA-3: a model that nobody attacked, on its way to production."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.registry.skip_examination import WAYS, SkipExamination
from hauberk.controls.registry.skipped_examination import SkippedExamination
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.examined import Examined

VA_3 = ThreatId("VA-3")
ATTACK = SkipExamination()


def played(seed: int, attack: SkipExamination) -> Trial:
    """One release by an insider, and an honest twin of it."""
    honest = Examined(guarded=True, rng=Random(seed))
    honest.examined(strength={}, age_s=seed % 89 * 86_400.0)
    return Trial(
        values={"refused": not _reached(seed, attack, guarded=True)},
        potent=_reached(seed, attack, guarded=False),
        false_alarm=float(not honest.promote()),
    )


def _reached(seed: int, attack: SkipExamination, *, guarded: bool) -> bool:
    world = Examined(guarded=guarded, rng=Random(seed))
    return attack.play(world, Random(seed)).succeeded


def _scenario(way: str) -> Scenario:
    attack = replace(ATTACK, way=way)
    return Scenario(
        threat=VA_3,
        attack=attack,
        control=SkippedExamination(),
        play=lambda seed: played(seed, attack),
        parts=(("refused", way),),
        note="releases that the runner and both owners genuinely signed; a gate that looks for a "
        "passing test takes every one; honest twins are 0 to 88 days old",
    )


SCENARIOS = tuple(_scenario(way) for way in WAYS)
