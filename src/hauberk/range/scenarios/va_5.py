"""VA-5: attacks that nobody ran, gradients that are hidden, and trees."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.model.hide_gradients import Candidate, HideGradients
from hauberk.controls.model.hidden_gradients import HiddenGradients
from hauberk.core.threat import ThreatId
from hauberk.methods import schema as schemas
from hauberk.methods.evasion import Space
from hauberk.methods.network_reading import of_sklearn
from hauberk.methods.networks import Network, cross_entropy_pull, margin_pull, straightened
from hauberk.methods.perturb import Ball
from hauberk.methods.stress import Budget, Stressed, stressed
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.networks import evaluation, perceptron, split

VA_5 = ThreatId("VA-5")
ATTACK = HideGradients()
CONTROL = HiddenGradients()
EPS = 0.1
REFERENCE = Budget(n_steps=100, n_queries=400, n_restarts=3, picture=(1, 8, 8), patience=0)
TREE_EPS, TREE_QUERIES = 0.25, 50


def _attacked(network: Network, seed: int, budget: Budget, rows: Any, labels: Any) -> Stressed:
    straight = straightened(network)
    return stressed(
        network.scores,
        rows,
        labels,
        Space(ball=Ball(eps=EPS, low=0.0, high=1.0)),
        np.random.default_rng(seed),
        slope=lambda some, truth: network.gradient(
            some, cross_entropy_pull(truth, is_probability=True)
        ),
        straight=lambda some, truth: straight.gradient(some, margin_pull(truth)),
        budget=budget,
    )


def _gap(seed: int) -> Trial:
    """The usual budget against fifteen times as much, on the same rows."""
    train, truth, test, labels = split(seed)
    network = of_sklearn(perceptron(train, truth, seed))
    usual = _attacked(network, seed, Budget(), test, labels)
    reference = _attacked(network, seed + 1, REFERENCE, test, labels)
    worst = usual.right & reference.right
    return Trial(
        values={"gap_to_reference": float(usual.right.mean() - worst.mean())},
        potent=usual.right.mean() < usual.n_clean / len(labels) - EPS,
    )


def _masked(seed: int) -> Trial:
    train, truth, test, labels = split(seed)
    network = of_sklearn(perceptron(train, truth, seed))
    candidate = Candidate(network=network)
    ATTACK.play(candidate, Random(seed))
    hidden = candidate.network
    return Trial(
        values={"detected": denied(CONTROL, evaluation(hidden, test, labels))},
        potent=_looks_robust(hidden, network, seed, test, labels),
        false_alarm=float(alarmed(CONTROL, evaluation(network, test, labels))),
    )


def _looks_robust(hidden: Network, honest: Network, seed: int, rows: Any, labels: Any) -> bool:
    """Whether gradient attacks alone spare what they would have fooled, at equal accuracy."""
    right = [_white(network, seed, rows, labels) for network in (hidden, honest)]
    answers = [network.scores(rows).argmax(axis=1) for network in (hidden, honest)]
    agree = float((answers[0] == answers[1]).mean())
    return right[0] > right[1] + 20 and agree > 0.95  # noqa: PLR2004 - a tenth of the rows


def _white(network: Network, seed: int, rows: Any, labels: Any) -> int:
    found = _attacked(network, seed, Budget(n_queries=1), rows, labels)
    return int(found.n_white or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trees:
    """A fitted ensemble, with the share of right rows that is fooled and of moved rows allowed."""

    success: float
    valid: float
    queries: float


def _ensemble(seed: int) -> Any:
    from sklearn import ensemble, tree

    kinds = (
        ensemble.RandomForestClassifier(60, random_state=seed % 2**32),
        ensemble.GradientBoostingClassifier(n_estimators=20, random_state=seed % 2**32),
        ensemble.ExtraTreesClassifier(60, random_state=seed % 2**32),
        tree.DecisionTreeClassifier(random_state=seed % 2**32),
    )
    return kinds[seed % len(kinds)]


def _on_pixels(seed: int) -> _Trees:
    train, truth, test, labels = split(seed, n_test=80)
    model = _ensemble(seed).fit(train, truth)
    space = Space(ball=Ball(eps=TREE_EPS, low=0.0, high=1.0))
    return _fooled(model, (test, labels), space, seed, lambda _moved, _rows: np.ones(1, bool))


def _fooled(model: Any, judged: tuple[Any, Any], space: Space, seed: int, keeps: Any) -> _Trees:
    rows, labels = judged
    found = stressed(
        model.predict_proba,
        rows,
        labels,
        space,
        np.random.default_rng(seed),
        budget=Budget(n_queries=TREE_QUERIES - 4),
    )
    asked = sum(tally.forward for tally in found.tally.values())
    return _Trees(
        success=1 - float(found.right.sum()) / max(found.n_clean, 1),
        valid=float(keeps(found.moved, rows).mean()),
        queries=asked / max(found.n_clean, 1),
    )


def _trees(seed: int) -> Trial:
    found = _on_pixels(seed)
    return Trial(values={"attack_success": found.success if found.queries <= TREE_QUERIES else 0.0})


def loans(seed: int, n: int = 700) -> tuple[tuple[str, ...], Any, Any]:
    """Applications: whole years, a choice in three columns, a switch, amounts, and a relation."""
    rng = np.random.default_rng(seed)
    income, debt = rng.lognormal(3, 0.4, n).round(2), rng.gamma(2, 2, n).round(2)
    age, years = rng.integers(18, 80, n), rng.integers(0, 12, n)
    years = np.minimum(years, age - 18)
    town = np.eye(3)[rng.integers(0, 3, n)]
    member = rng.integers(0, 2, n)
    rows = np.column_stack([income, debt, age, years, town, member]).astype(np.float64)
    score = income / 8 - debt / 2 + years / 4 + town[:, 0] + rng.normal(0, 0.6, n)
    names = ("income", "debt", "age", "years", "north", "south", "east", "member")
    return names, rows, (score > np.median(score)).astype(np.int64)


def _rows_kept(seed: int) -> Trial:
    names, rows, labels = loans(seed)
    learnt = schemas.learn(names, rows)
    schema = schemas.corrected(
        learnt,
        {
            "features": {"age": {"is_fixed": True}, "years": {"direction": 1}},
            "at_most": [["years", "age"]],
        },
    )
    model = _ensemble(seed).fit(rows[:500], labels[:500])
    test, truth = rows[500:], labels[500:]
    ball = Ball(
        eps=1.0,
        scale=schema.scale,
        low=np.array([one.low for one in schema.features]),
        high=np.array([one.high for one in schema.features]),
    )
    space = Space(ball=ball, repaired=schema.repaired)
    free = Space(ball=Ball(eps=1.0, scale=rows.std(axis=0)))
    kept = _fooled(model, (test, truth), space, seed, schema.keeps)
    loose = _fooled(model, (test, truth), free, seed, schema.keeps)
    return Trial(values={"rows_valid": kept.valid}, potent=loose.valid < 1.0 and kept.success > EPS)


SCENARIOS = (
    Scenario(
        threat=VA_5,
        attack="a cascade with fifteen times the budget",
        control=CONTROL,
        play=_gap,
        parts=(("gap_to_reference", ""),),
        note="networks of one hidden layer on 700 digits, L-inf 0.1 of the pixels' range, 200 "
        "rows; the reference has 100 steps, 4 starts, Square and 400 queries, over the same code",
    ),
    Scenario(
        threat=VA_5,
        attack=ATTACK,
        control=CONTROL,
        play=_masked,
        parts=(("detected", ""),),
        note="saturated logits and quantised inputs, by chance; the networks they were made of "
        "are the clean twins",
    ),
    Scenario(
        threat=VA_5,
        attack="search over corners",
        control="hauberk validate",
        play=_trees,
        parts=(("attack_success", "trees, 50 queries a point"),),
        trials=24,
        note="forests, boosted and single trees on digits, L-inf 0.25 of the pixels' range; rows "
        "that are right before, all calls counted",
    ),
    Scenario(
        threat=VA_5,
        attack="search over corners",
        control="hauberk validate",
        play=_rows_kept,
        parts=(("rows_valid", "trees, constraint schema"),),
        trials=24,
        note="made-up applications with whole, fixed, growing and one-hot features and a relation; "
        "the schema is learnt and corrected; without it the attack leaves it",
    ),
)
