"""Was a model trained on a set of rows? Told by rows of the same draw that were held back.

A model is surer of rows that it was trained on than of other rows like them, if only a little.
Over some hundred rows a little is enough: the set's rows and rows of the same draw that nobody
was given are held against each other. Were the model trained elsewhere, both kinds would be new
to it and alike, whatever kind of model it is.

How hard a row is hides most of the difference, so it is taken out first: models of the
examiner's own, each of which did not see the row, say how sure one can be of it, and what they
explain of the suspect's sureness is subtracted. They see rows of both kinds alike, so that they
cannot make a difference where there is none.

References:
    Maini, Yaghini and Papernot (2021), Dataset inference: ownership resolution in machine
    learning. Watson, Guo, Cormode and Sablayrolles (2022), On the importance of difficulty
    calibration in membership inference attacks. Mann and Whitney (1947).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset, Evaluation
from hauberk.core.control import NotApplicable
from hauberk.formats.rows import row_digests
from hauberk.methods import embed
from hauberk.methods.beliefs import crossed
from hauberk.methods.scoring import judge_rows
from hauberk.methods.statistics import rank_sum_p

_FLOOR = 1e-12
_SLACK = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sureness:
    """How sure the suspect is of each row beyond what the row explains.

    Attributes:
        own: Of rows of the set.
        held_back: Of rows that nobody was given.
        n_shared: Held-back rows that were left out, because the set has them as well.
    """

    own: Any
    held_back: Any
    n_shared: int

    @property
    def p_value(self) -> float:
        """Chance that a model which saw neither kind is so much surer of the set's rows."""
        return rank_sum_p(self.held_back, self.own)

    @property
    def surer(self) -> float:
        """Chance that it is surer of a row of the set than of one held back; 0.5 is none."""
        from hauberk.methods.metrics import roc_auc

        truth = [True] * len(self.own) + [False] * len(self.held_back)
        return roc_auc(truth, [*self.own.tolist(), *self.held_back.tolist()])


def sureness(subject: Evaluation, *, max_rows: int, seed: int) -> Sureness:
    """How sure the model is of ``subject.train``, the set, and of ``subject.data``, held back.

    Args:
        max_rows: Rows of each kind that are looked at, drawn by ``seed``.

    Raises:
        NotApplicable: The model gives no classes or no probabilities.
        UsageError: The two files have other columns.
    """
    if subject.train is None:
        raise NotApplicable("the rows of the set are not given")
    new = _is_new(subject.train, subject.data)
    rng = np.random.default_rng(seed)
    chosen = [
        _drawn(np.arange(_size(subject.train)), max_rows, rng),
        _drawn(np.flatnonzero(new), max_rows, rng),
    ]
    odds = [_log_odds(subject, data) for data in (subject.train, subject.data)]
    rows = _rows(subject.train, subject.data, chosen)
    own = np.arange(rows.n_rows) < len(chosen[0])
    given = np.concatenate([part[places] for part, places in zip(odds, chosen, strict=True)])
    known = np.isfinite(given) & (rows.labels >= 0)
    places = np.flatnonzero(known)
    left = _unexplained(given[places], _expected(embed.picked(rows, places)))
    return Sureness(own=left[own[places]], held_back=left[~own[places]], n_shared=int((~new).sum()))


def _size(data: Dataset) -> int:
    return sum(batch.num_rows for batch in data.read())


def _is_new(own: Dataset, held_back: Dataset) -> Any:
    """Which rows held back are none of the set."""
    given = {digest for batch in own.read() for digest in row_digests(batch)}
    digests = (digest for batch in held_back.read() for digest in row_digests(batch))
    return np.array([digest not in given for digest in digests], bool)


def _drawn(places: Any, n: int, rng: np.random.Generator) -> Any:
    return places if len(places) <= n else np.sort(rng.choice(places, n, replace=False))


def _rows(own: Dataset, held_back: Dataset, chosen: list[Any]) -> embed.Rows:
    first = embed.load(own)
    second = embed.aligned(embed.load(held_back), first)
    return embed.stacked(embed.picked(first, chosen[0]), embed.picked(second, chosen[1]))


def _log_odds(subject: Evaluation, data: Dataset) -> Any:
    """``(n,)`` log odds of the true class; NaN where the model does not know it."""
    judged = judge_rows(subject.predictor, data)
    if not judged.classes:
        raise NotApplicable("the model gives numbers, not classes")
    if judged.scores.min() < -_SLACK or judged.scores.max() > 1 + _SLACK:
        raise NotApplicable("the model's scores are no probabilities")
    place = {name: index for index, name in enumerate(judged.classes)}
    at = np.array([place.get(name, -1) for name in judged.truth])
    sure = np.clip(judged.scores[np.arange(len(at)), at], _FLOOR, 1 - _FLOOR)
    return np.where(at >= 0, np.log(sure / (1 - sure)), np.nan)


def _expected(rows: embed.Rows) -> Any:
    """``(n, k)``: how sure models are of each row that did not see it, in log odds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    classes, labels = np.unique(rows.labels, return_inverse=True)
    if len(classes) < 2:  # noqa: PLR2004 - nothing to be sure of
        raise NotApplicable("all rows are of one class")
    x = embed.features(rows)
    kinds = (
        lambda: LogisticRegression(max_iter=200),
        lambda: MLPClassifier((32,), max_iter=60, random_state=0),
    )
    found = [crossed(kind, x, labels, len(classes)) for kind in kinds]
    sure = [np.clip(one[np.arange(len(labels)), labels], 1e-4, 1 - 1e-4) for one in found]
    return np.stack([np.log(one / (1 - one)) for one in sure], axis=1)


def _unexplained(given: Any, expected: Any) -> Any:
    """What remains of ``given`` after the best square polynomial of each expectation."""
    terms = np.concatenate([np.ones((len(given), 1)), expected, expected**2], axis=1)
    return given - terms @ np.linalg.lstsq(terms, given, rcond=None)[0]
