"""AQ-5: raw stores that are open to strangers, and grants used for another data set."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.registry.open_bucket import WAYS, OpenBucket
from hauberk.controls.registry.open_store import OpenStore
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import stores
from hauberk.trust.grants import DAY_S, Grants

AQ_5 = ThreatId("AQ-5")
CONTROL = OpenStore()
ATTACK = OpenBucket()
NOW = 1_700_000_000.0
_OUTSIDE = ("other set", "other field", "after its end", "changed token", "no token")


def _opened(seed: int) -> Trial:
    """One mistake; potent where a server then lets a stranger in."""
    clean = stores.safe(seed)
    attack = replace(ATTACK, way=tuple(WAYS)[seed % len(WAYS)])
    attacked = attack.apply(clean, Random(seed)).subject
    return Trial(values={"detected": denied(CONTROL, attacked)}, potent=stores.lets_in(attacked))


def _outside(seed: int) -> Trial:
    """One read outside of a step's grant; potent where the same grant is good inside of it."""
    rng = Random(seed)
    grants, token = Grants().with_new(
        "step", objects=("loans",), fields=("rows",), days=1 / 24, at=NOW
    )
    at = NOW + rng.random() * DAY_S / 25
    way = _OUTSIDE[seed % len(_OUTSIDE)]
    name = "claims" if way == "other set" else "loans"
    field = "traces" if way == "other field" else "rows"
    later = at + DAY_S if way == "after its end" else at
    place = rng.randrange(4, len(token))
    changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
    presented = {"changed token": changed, "no token": None}.get(way, token)
    held, inside = grants.find(presented), grants.find(token)
    return Trial(
        values={"refused": held is None or not held.allows(name, field, later)},
        potent=inside is not None and inside.allows("loans", "rows", at),
    )


SCENARIOS = (
    Scenario(
        threat=AQ_5,
        attack=ATTACK,
        control=CONTROL,
        play=_opened,
        parts=(("detected", ""),),
        trials=len(WAYS),
        note=f"{len(WAYS)} mistakes, one each",
    ),
    Scenario(
        threat=AQ_5,
        attack="a grant used for something else",
        control="grants for reading (trust/grants)",
        play=_outside,
        parts=(("refused", ""),),
        note="another data set, another field, after its end, a changed token, none; that steps "
        "reach no network is measured with isolation",
    ),
)
