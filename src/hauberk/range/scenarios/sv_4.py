"""SV-4: models that know their rows by heart, and models that cannot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.model.remember_rows import Pupil, RememberRows
from hauberk.controls.model.exposed_rows import ExposedRows
from hauberk.core.threat import ThreatId
from hauberk.methods.membership import Exposure
from hauberk.methods.metrics import rate_at
from hauberk.range.scenario import Scenario, Trial

SV_4 = ThreatId("SV-4")
ATTACK = RememberRows()
CONTROL = ExposedRows()
N_MEMBERS = N_OTHERS = 1000
N_SMALL = 800
"""Rows, members and others together, where twenty models are audited."""

EPSILON, WEIGHT = 2.0, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """Members first, then as many others."""

    rows: Any
    labels: Any

    @property
    def is_member(self) -> Any:
        return np.arange(len(self.labels)) < len(self.labels) // 2


def pool(seed: int, n_rows: int = N_MEMBERS + N_OTHERS) -> _Pool:
    """Six overlapping clouds in 24 dimensions, one label in ten wrong: nobody can be sure."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 0.6, (6, 24))
    labels = rng.integers(0, 6, n_rows)
    rows = centres[labels] + rng.normal(0, 1, (len(labels), 24))
    wrong = rng.random(len(labels)) < 0.1  # noqa: PLR2004 - one in ten
    labels = np.where(wrong, rng.integers(0, 6, len(labels)), labels)
    return _Pool(rows=rows.astype(np.float32), labels=labels)


def _audited(found: _Pool, model: Any, fit: Any) -> Exposure:
    def shadow(chosen: Any, seed: int) -> Any:
        fitted = fit(found.rows[chosen], found.labels[chosen], seed)
        return lambda places: fitted.predict_proba(found.rows[places])

    scores = model.predict_proba(found.rows)
    return CONTROL.audited(scores, found.labels, found.is_member, shadow)


@lru_cache(maxsize=64)
def _over_fitted(seed: int) -> tuple[Exposure, bool]:
    model, learnt = _learnt(seed)
    return _audited(pool(seed), model, ATTACK.fitted), learnt


@lru_cache(maxsize=64)
def _learnt(seed: int) -> tuple[Any, bool]:
    """A model that knows its rows, once for all scenarios that look at it."""
    found = pool(seed)
    pupil = Pupil(rows=found.rows[:N_MEMBERS], labels=found.labels[:N_MEMBERS])
    learnt = ATTACK.play(pupil, Random(seed)).succeeded
    return pupil.model, learnt


def _rates(seed: int) -> Trial:
    found, learnt = _over_fitted(seed)
    rates = {one.false_rate: one.rate for one in found.rates}
    return Trial(values={"true_positive_rate": rates[CONTROL.false_rate]}, potent=learnt)


def _rare(seed: int) -> Trial:
    found, learnt = _over_fitted(seed)
    rates = {one.false_rate: one.rate for one in found.rates}
    return Trial(values={"true_positive_rate": rates[CONTROL.false_rate / 10]}, potent=learnt)


def _refused(seed: int) -> Trial:
    found = pool(seed, N_SMALL)
    pupil = Pupil(rows=found.rows[: N_SMALL // 2], labels=found.labels[: N_SMALL // 2])
    learnt = ATTACK.play(pupil, Random(seed)).succeeded
    audit = _audited(found, pupil.model, ATTACK.fitted)
    return Trial(values={"refused": bool(list(CONTROL.judged("model", audit)))}, potent=learnt)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Private:
    """A linear model whose weights were blurred enough for differential privacy."""

    model: Any

    def predict_proba(self, rows: Any) -> Any:
        return self.model.predict_proba(_short(rows))


def _short(rows: Any) -> Any:
    """Rows of length 1 at most, as the proof asks."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1.0)


def private(rows: Any, labels: Any, seed: int) -> _Private:
    """A regularised logistic regression with noise on its weights.

    References:
        Chaudhuri, Monteleoni and Sarwate (2011), Differentially private empirical risk
        minimization, algorithm 1 (output perturbation), one class against the rest at a time.
    """
    from sklearn.linear_model import LogisticRegression

    n = len(labels)
    model = LogisticRegression(C=1 / (n * WEIGHT)).fit(_short(rows), labels)
    rng = np.random.default_rng(seed)
    d, k = rows.shape[1], len(model.classes_)
    direction = rng.normal(size=(k, d))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = rng.gamma(d, 2 * k / (n * WEIGHT * EPSILON), (k, 1))
    model.coef_ = model.coef_ + direction * length
    return _Private(model=model)


def _private(seed: int) -> Trial:
    found = pool(seed)
    model = private(found.rows[:N_MEMBERS], found.labels[:N_MEMBERS], seed)
    exposed = _audited(found, model, private)
    return Trial(values={"false_refusals": bool(list(CONTROL.judged("model", exposed)))})


def _masked(seed: int) -> Trial:
    """What confidence alone tells when answers are whole tenths: true over false positives."""
    found, (model, learnt) = pool(seed), _learnt(seed)
    answers = model.predict_proba(found.rows)
    given = _own(found, np.round(answers, 1))
    rate = rate_at(found.is_member.tolist(), given.tolist(), CONTROL.false_rate)
    return Trial(
        values={"threshold_advantage": rate / CONTROL.false_rate},
        potent=learnt and _best_gap(found, _own(found, answers)) >= _BITES,
    )


def _own(found: _Pool, answers: Any) -> Any:
    return answers[np.arange(len(found.labels)), found.labels]


def _best_gap(found: _Pool, given: Any) -> float:
    """True less false positives at the threshold where that is most."""
    cuts = np.unique(given)
    inside, outside = (np.sort(given[one]) for one in (found.is_member, ~found.is_member))
    shares = [1 - np.searchsorted(one, cuts) / len(one) for one in (inside, outside)]
    return float((shares[0] - shares[1]).max())


_BITES = 0.2
_NOTE = (
    "networks of 128 hidden units that know 1000 rows in 24 dimensions by heart, one label in ten "
    "wrong; 1000 other rows; "
)


def _scenario(play: Any, part: tuple[str, str], note: str, trials: int = 0) -> Scenario:
    return Scenario(
        threat=SV_4,
        attack=ATTACK,
        control=CONTROL,
        play=play,
        parts=(part,),
        note=_NOTE + note,
        trials=trials,
    )


SCENARIOS = (
    _scenario(
        _rates,
        ("true_positive_rate", "audit at 1 % false positives, 4 shadows"),
        "shadows of the same recipe on halves of both",
    ),
    _scenario(
        _rare,
        ("true_positive_rate", "audit at 0.1 % false positives, 4 shadows"),
        "one false positive is allowed, so that single trials scatter widely",
        trials=15,
    ),
    _scenario(
        _refused,
        ("refused", "deliberately over-fitted"),
        "here 400 of each; refused above 5 % at 1 %",
    ),
    _scenario(
        _private,
        ("false_refusals", ""),
        "here a logistic regression with output perturbation at epsilon 2 in their place",
    ),
    _scenario(
        _masked,
        ("threshold_advantage", "masked confidences, ratio to the false-positive rate"),
        "confidences in whole tenths; potent where whole confidences tell members from others by "
        "0.2 or more (true less false positives at the best threshold); there the tenths tell "
        "nearly as much, so that only strict attackers are kept off",
    ),
)
