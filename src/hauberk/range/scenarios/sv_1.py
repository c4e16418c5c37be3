"""SV-1: copies trained through the guard, from made-up inputs and from honest ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.exchange.steal_model import StealModel, Thief
from hauberk.controls.exchange.synthetic_queries import SyntheticQueries
from hauberk.core.control import Watch
from hauberk.core.threat import ThreatId
from hauberk.methods.oracles import REFUSED, Heard, Listening, Oracle
from hauberk.methods.small_networks import Recipe
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import pictures, viewers
from hauberk.range.worlds.pictures import LabelsOnly, Prepared, Victim, Watched

ATTACK = StealModel(recipe=Recipe(hidden=64, epochs=25, batch=32))
CONTROL = SyntheticQueries()
WITHIN = 500
SYNTHETIC = ("random", "jacobian", "active", "knockoff")
ACCOUNTS = (1, 1, 1, 20)
"""One thief in four works from twenty accounts."""

MOST = 0.5
"""Share of its accounts that must be found for a group to count as found."""

COPIES = 0.4
"""Agreement from which on a copy is worth something; chance has about 0.1."""

N_PICTURES = 40
BACKGROUND = 10
N_PROBES = 1_000


def stealing(seed: int) -> StealModel:
    """Each technique in turn, alone and in a group."""
    return replace(
        ATTACK,
        technique=SYNTHETIC[seed // 2 % len(SYNTHETIC)],
        accounts=ACCOUNTS[seed // 8 % len(ACCOUNTS)],
        budget=WITHIN,
    )


def thief(model: Victim, oracle: Oracle) -> Thief:
    """Somebody with a few inputs of the subject and many of other things."""
    probes = model.honest.rows[:N_PROBES]
    return Thief(
        oracle=oracle,
        n_pixels=model.side**2,
        n_classes=pictures.N_CLASSES,
        seeds=model.foe.rows,
        strangers=pictures.strangers(model.name),
        probes=probes,
        truth=model.network.labels(probes),
    )


@cache
def populated(name: str) -> dict[tuple[str, str], bytes]:
    """Memory of a guard that honest clients have used."""
    state = Prepared({})
    watched = _watched(name, state)
    for number in range(BACKGROUND):
        watched.bothers(honest(watched.victim, number), f"b{number}")
    return state.all()


@cache
def _fitted(name: str) -> Watch:
    return CONTROL.fitted(pictures.bundle_of(name))


def _watched(name: str, state: Prepared) -> Watched:
    return Watched(victim=pictures.victim(name), control=_fitted(name), state=state)


def honest(model: Victim, seed: int) -> list[Any]:
    """What one honest client shows; all habits in turn."""
    kinds = viewers.kinds()
    rng = np.random.default_rng([seed, 8])
    seen = viewers.stream(
        kinds[seed // 2 % len(kinds)], model.honest.images, model.honest.labels, N_PICTURES, rng
    )
    return [picture.reshape(-1) for picture in seen]


@dataclass(frozen=True, slots=True)
class _UntilFound:
    """The guard, until it has found enough of the accounts; what follows decides nothing."""

    watched: Watched
    n_accounts: int

    @property
    def is_found(self) -> bool:
        """Whether enough of the accounts are suspects."""
        return len(self.watched.told) >= MOST * self.n_accounts

    def ask(self, row: Any, account: int = 0) -> Heard:
        """One row."""
        return REFUSED if self.is_found else self.watched.ask(row, account)


def _detected(seed: int) -> Trial:
    attack, name = stealing(seed), pictures.subject(seed)
    state = Prepared(populated(name))
    guarded = _UntilFound(_watched(name, state), attack.accounts)
    model = guarded.watched.victim
    attack.play(thief(model, guarded), Random(seed))
    bare = attack.play(thief(model, Listening(scores=model.network.scores)), Random(seed))
    return Trial(
        values={"detected": guarded.is_found},
        potent=bare.facts["agreement"] >= COPIES,
        false_alarm=_is_alarmed(seed, state),
    )


def _is_alarmed(seed: int, state: Prepared) -> bool:
    """Whether one honest client is taken for a thief, among those that were there before."""
    watched = _watched(pictures.subject(seed), Prepared(state.all()))
    return watched.bothers(honest(watched.victim, seed), f"c{seed}")


def _alarmed(seed: int) -> Trial:
    state = Prepared(populated(pictures.subject(seed)))
    return Trial(values={"false_alarms": _is_alarmed(seed, state)})


THOROUGH = Recipe(hidden=96, epochs=150, batch=20)
"""A thief with few answers looks at each of them for long; it pays with scores more than with
labels."""


def _cut(seed: int) -> Trial:
    """Agreement of a copy from honest inputs, with all scores and with labels only."""
    attack = replace(ATTACK, technique="in-distribution", budget=150, recipe=THOROUGH)
    model = pictures.victim(pictures.subject(seed))
    bare = attack.play(thief(model, Listening(scores=model.network.scores)), Random(seed))
    shaped = attack.play(thief(model, LabelsOnly(victim=model)), Random(seed))
    return Trial(
        values={"agreement_cut": bare.facts["agreement"] - shaped.facts["agreement"]},
        potent=bare.facts["agreement"] >= COPIES,
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("SV-1"),
        attack=ATTACK,
        control=CONTROL,
        play=_detected,
        parts=(("detected", "synthetic queries, within 500"),),
        note="promoted from shadow; noise, seeds moved along gradients, and pictures of other "
        "things, chosen at random and by doubt, on clothes and digits; every fourth thief is "
        "twenty accounts, of which half must be found; asked as the guard asks, without HTTP",
    ),
    Scenario(
        threat=ThreatId("SV-1"),
        attack="honest clients",
        control=CONTROL,
        play=_alarmed,
        parts=(("false_alarms", ""),),
        note="promoted from shadow; ten habits in turn, films, cameras and retries among them; "
        "40 pictures each, given to the control as the guard does; a hardened answer is an alarm",
    ),
    Scenario(
        threat=ThreatId("SV-1"),
        attack=replace(ATTACK, technique="in-distribution"),
        control="output policy: label",
        play=_cut,
        parts=(("agreement_cut", "in-distribution queries, equal budget"),),
        trials=20,
        note="a thief with 150 inputs of the model's own subject, which nothing in the stream "
        "tells from an honest client; answers are labels only",
    ),
)
