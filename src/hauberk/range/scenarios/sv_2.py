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
from hauberk.methods.fingerprints import Fingerprint, fingerprint, pieced, smooth
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
ORIGINALS = (2, 3, 4)
"""Victims whose copies are told; the test was chosen on others."""

N_REFERENCES = 30
N_INPUTS = 2_000
"""Of each of two kinds."""

ROWS_PER_CALL = 500


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
    full = ATTACK.play(loot, Random(seed)).facts["agreement"]
    shaped = replace(loot, oracle=_shaped("clothes"))
    hard = replace(ATTACK, labels_only=True).play(shaped, Random(seed)).facts["agreement"]
    return Trial(values={"agreement_cut": full - hard}, potent=full >= COPIES)


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
def _print(number: int) -> Fingerprint:
    """Of a model of clothes, beside models of the same recipe from other draws of its data."""
    model = pictures.victim("clothes", number)
    rng = np.random.default_rng([number, 3])
    made = (pieced(model.train.images, N_INPUTS, rng), smooth(model.side, N_INPUTS, rng))
    inputs = np.concatenate(made).astype(np.float32)
    rows = np.concatenate([model.train.rows, model.honest.rows])
    labels = np.concatenate([model.train.labels, model.honest.labels])
    scores = []
    for _ in range(N_REFERENCES):
        places = rng.choice(len(rows), len(model.train.labels), replace=False)
        reference = trained(rows[places], one_hot(labels[places], 10), pictures.CLOTHES, rng)
        scores.append(reference.scores(inputs))
    return fingerprint(inputs, model.network.scores(inputs), scores)


def _stolen(seed: int) -> Trial:
    """A copy from all scores, of one of three originals."""
    number = ORIGINALS[seed % len(ORIGINALS)]
    model = pictures.victim("clothes", number)
    full = ATTACK.play(thief(model, Listening(scores=model.network.scores)), Random(seed)).facts
    print_ = _print(number)
    return Trial(
        values={"p_value": print_.p_value(full["student"].scores(print_.inputs))},
        potent=full["agreement"] >= COPIES,
    )


def _other(known: Pictures, seed: int) -> Network:
    """A model of the same task that nobody copied, of a size and taste of its own."""
    rng = np.random.default_rng([seed, 21])
    places = rng.choice(len(known.labels), int(rng.choice((4_000, 8_000))), replace=False)
    recipe = Recipe(hidden=int(rng.integers(48, 128)), epochs=int(rng.integers(4, 9)))
    return trained(known.rows[places], one_hot(known.labels[places], 10), recipe, rng)


def _independent(seed: int) -> Trial:
    """A model trained by somebody else on other pictures of the same things."""
    number = ORIGINALS[seed % len(ORIGINALS)]
    model: Victim = pictures.victim("clothes", number)
    print_ = _print(number)
    answers = _other(model.foe, seed).scores(print_.inputs)
    return Trial(values={"p_value": print_.p_value(answers)})


SCENARIOS = (
    Scenario(
        threat=ThreatId("SV-2"),
        attack=ATTACK,
        control=POLICY,
        play=_copied,
        parts=(("agreement_cut", "5,000 queries"),),
        note="a thief with 5,000 pictures of other things",
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
        attack=ATTACK,
        control=TEST,
        play=_stolen,
        parts=(("p_value", "stolen"),),
        trials=15,
        note="copies of three models by a thief with 5,000 pictures of other things and all "
        "scores; a copy from labels is not told; 30 models of the same recipe, from other draws of "
        "the owner's data, tell what chance does; 4,000 inputs made for it",
    ),
    Scenario(
        threat=ThreatId("SV-2"),
        attack="independent models",
        control=TEST,
        play=_independent,
        parts=(("p_value", "independent"),),
        trials=100,
        note="100 models of other sizes, trained on other pictures of clothes, held against three "
        "originals; the least of 100 p-values of chance lies near 0.007",
    ),
)
