"""EX-12: stores of models whose settings let strangers in."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.registry.open_bucket import WAYS, OpenBucket
from hauberk.controls.registry.open_store import OpenStore
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import stores

CONTROL = OpenStore()
ATTACK = OpenBucket()


def _opened(seed: int) -> Trial:
    """One mistake beside honest settings; potent where a server then lets a stranger in."""
    clean = stores.safe(seed)
    attack = replace(ATTACK, way=tuple(WAYS)[seed % len(WAYS)])
    attacked = attack.apply(clean, Random(seed)).subject
    return Trial(
        values={"detected": denied(CONTROL, attacked)},
        potent=stores.lets_in(attacked) and not stores.lets_in(clean),
    )


def _safe(seed: int) -> Trial:
    return Trial(values={"false_alarms": alarmed(CONTROL, stores.safe(seed))})


SCENARIOS = (
    Scenario(
        threat=ThreatId("EX-12"),
        attack=ATTACK,
        control=CONTROL,
        play=_opened,
        parts=(("detected", ""),),
        trials=len(WAYS),
        note="policies, access lists, bindings, exports, registries and modes, one mistake each; "
        "the server that is asked is a small evaluator of one request, and a real server of S3 in "
        "the tests of integrations",
    ),
    Scenario(
        threat=ThreatId("EX-12"),
        attack="safe settings",
        control=CONTROL,
        play=_safe,
        parts=(("false_alarms", ""),),
        note=f"{len(stores.SAFE)} sets of documents with ordinary modes, in turn",
    ),
)
