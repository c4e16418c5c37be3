"""SV-2: copies trained on shaped answers, and the test that tells a copy from another model."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.exchange.steal_model import StealModel
from hauberk.core.threat import ThreatId
from hauberk.guard.shaping import Detail, Level
from hauberk.methods.fingerprints import Fingerprint, fingerprint
from hauberk.methods.oracles import Heard, Listening
from hauberk.methods.small_networks import Network, Recipe, one_hot, trained
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.scenarios.sv_1 import thief
from hauberk.range.worlds import pictures
from hauberk.range.worlds.pictures import Pictures, Victim, call_of, gallery

ATTACK = StealModel(
    technique="knockoff", budget=5_000, recipe=Recipe(hidden=64, epochs=5, batch=64)
)
SHAPED = replace(
    pictures.UNLIMITED,
    roles={"client": Detail(detail=Level.LABEL)},
    hardened=Detail(detail=Level.LABEL),
)
POLICY = "output policy: label"
TEST = "fingerprint of the model"
COPIES = 0.5
N_REFERENCES = 5
N_CANDIDATES = 12_000
ROWS_PER_CALL = 500
HALF = 0.5
N_INPUTS = 800
OK = 200


class _Answered:
    """Answers that were asked for in large requests before, one by one."""

    def __init__(self, rows: Any, scores: Any) -> None:
        self.known = {row.tobytes(): place for place, row in enumerate(rows)}
        self.scores = scores

    def ask(self, row: Any, account: int = 0) -> Heard:
        """What was answered to the row."""
        del account
        told = self.scores[self.known[row.tobytes()]]
        return Heard(label=int(told.argmax()), scores=told)


@cache
def _shaped(name: str) -> _Answered:
    """What the guard answers a thief, for all that the thief has."""
    served = gallery(name, policy=SHAPED)
    rows = pictures.strangers(name)
    parts = [
        _scores(served, rows[n : n + ROWS_PER_CALL]) for n in range(0, len(rows), ROWS_PER_CALL)
    ]
    return _Answered(rows, np.concatenate(parts))


def _scores(served: pictures.Gallery, rows: Any) -> Any:
    answer = served.call(call_of(rows, "a0"))
    output = json.loads(answer.body)["outputs"][0]
    return np.array(output["data"], np.float32).reshape(output["shape"])


def _copied(seed: int) -> Trial:
    """A copy from labels, which is all that is given, against one from all scores."""
    model = pictures.victim("clothes")
    loot = thief(model, Listening(scores=model.network.scores))
    full = ATTACK.play(loot, Random(seed)).facts
    shaped = replace(loot, oracle=_shaped("clothes"))
    hard = replace(ATTACK, labels_only=True).play(shaped, Random(seed)).facts["agreement"]
    stolen = full["student"].labels(_print().inputs)
    return Trial(
        values={"agreement_cut": full["agreement"] - hard, "p_value": _print().p_value(stolen)},
        potent=full["agreement"] >= COPIES,
    )


def _changed(seed: int) -> Trial:
    """One answer, shaped and not."""
    name = pictures.subject(seed)
    model = pictures.victim(name)
    rows = model.honest.rows
    row = rows[seed // 2 % len(rows)]
    told = gallery(name, policy=SHAPED).ask(row).label
    return Trial(values={"top1_changed": told != int(model.network.labels(row[None])[0])})


# Whose model is it -------------------------------------------------------------------


@cache
def _print() -> Fingerprint:
    """Of the model of clothes: its training rows mixed with each other and with noise."""
    model = pictures.victim("clothes")
    rng = np.random.default_rng(3)
    rows = model.train.rows
    first, second = rng.integers(len(rows), size=(2, N_CANDIDATES))
    share = rng.uniform(0.3, 0.7, (N_CANDIDATES, 1)).astype(np.float32)
    blocks = np.kron(rng.random((N_CANDIDATES, 7, 7)), np.ones((1, 2, 2)))
    noise = blocks.reshape(N_CANDIDATES, -1).astype(np.float32)
    partners = np.where(rng.random((N_CANDIDATES, 1)) < HALF, rows[second], noise)
    inputs = share * rows[first] + (1 - share) * partners
    references = [_other(model.honest, number).labels(inputs) for number in range(N_REFERENCES)]
    return fingerprint(inputs, model.network.labels(inputs), references, n_inputs=N_INPUTS)


def _other(known: Pictures, seed: int) -> Network:
    """A model of the same task that nobody copied, of a size and taste of its own."""
    rng = np.random.default_rng([seed, 21])
    places = rng.choice(len(known.labels), 4_000, replace=False)
    recipe = Recipe(hidden=int(rng.integers(48, 128)), epochs=int(rng.integers(4, 9)))
    return trained(known.rows[places], one_hot(known.labels[places], 10), recipe, rng)


def _independent(seed: int) -> Trial:
    """A model trained by somebody else on other pictures of the same things."""
    model: Victim = pictures.victim("clothes")
    answers = _other(model.foe, seed).labels(_print().inputs)
    return Trial(values={"p_value": _print().p_value(answers)})


SCENARIOS = (
    Scenario(
        threat=ThreatId("SV-2"),
        attack=ATTACK,
        control=f"{POLICY}; {TEST}",
        play=_copied,
        parts=(("agreement_cut", "5,000 queries"), ("p_value", "stolen")),
        note="a thief with 5,000 pictures of other things; the p-value is that of the copy "
        "from all scores",
    ),
    Scenario(
        threat=ThreatId("SV-2"),
        attack="honest requests",
        control=POLICY,
        play=_changed,
        parts=(("top1_changed", ""),),
        note="one picture each, through the guard",
    ),
    Scenario(
        threat=ThreatId("SV-2"),
        attack="independent models",
        control=TEST,
        play=_independent,
        parts=(("p_value", "independent"),),
        note="models of other sizes, trained on other pictures of clothes; five more, on yet "
        "other pictures, tell what chance does",
    ),
)
