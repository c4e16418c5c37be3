"""A test part of easy rows; see `EasyTest`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Splits
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods import embed
from hauberk.methods.opinions import case_of

MIN_CHANCE = 0.55
"""Chance of a test row to be surer than a training row from which on the part is easy.

In parts that were drawn alike it is a half, and at most .52 was seen."""

MAX_ROWS = 8_000
"""Rows of a part that are looked at, evenly spaced."""

_FOLDS, _TREES, _LEAF = 5, 60, 3
_MIN_TEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class EasyTest(Check[Splits]):
    """A test part without the rows that models are unsure of.

    Who picks the test rows can leave out what a model gets wrong: every row is genuine, no class
    is missing, and the score is too good. Trees are grown on parts of the training rows, and say
    of rows that they have not seen how sure they are. A test row of a part that was drawn as the
    training part was is as likely less sure than a training row as surer. It is reported where
    test rows are surer, clearly and beyond chance.

    Limits:
        Test rows of another time or place may be easier honestly: a finding is of level
        ``review``. Where a model is sure of nearly all rows there is nothing to leave out, and
        parts of fewer than some hundred rows prove nothing.

    Args:
        alpha: Chance of test rows so sure where both parts were drawn alike, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> xs = [i * 7919 % 1000 / 10 for i in range(900)]
        >>> ys = ["hi" if x + i * 6007 % 61 > 80 else "lo" for i, x in enumerate(xs)]
        >>> def part(name, rows):
        ...     columns = {"x": [xs[i] for i in rows], "y": [ys[i] for i in rows]}
        ...     return table_of(name, [pa.RecordBatch.from_pydict(columns)], label="y")
        >>> easy = [i for i in range(700, 900) if not 25 < xs[i] < 75]
        >>> splits = Splits(train=part("train", range(700)), test=part("test", easy))
        >>> found = EasyTest().check(splits)
        >>> [f.message.split(":")[0] for f in found]
        ['rows of test are easier than those it was parted from']

    References:
        Catalogue PK-3. Swayamdipta and others (2020), Dataset cartography, for what hard rows are
        to a model.
    """

    title: ClassVar[str] = "The test part is easy"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-3"),)
    subject: ClassVar[Any] = Splits

    alpha: float = 1e-6

    def check(self, subject: Splits) -> Iterator[Finding]:
        """At most one finding.

        Raises:
            NotApplicable: There is no label, it is no class, or there are too few rows.
            UsageError: The parts have other columns.
        """
        if subject.test.label is None:
            raise NotApplicable("the test part has no label")
        case = case_of(subject.train)
        test = embed.aligned(embed.load(subject.test), case.rows)
        train = embed.picked(case.rows, _spread(case.rows.n_rows))
        test = embed.picked(test, _spread(test.n_rows))
        if test.n_rows < _MIN_TEST:
            raise NotApplicable(f"{test.n_rows} test rows, and {_MIN_TEST} are needed")
        known, asked = _margins(train, test)
        from scipy.stats import mannwhitneyu

        told = mannwhitneyu(asked, known, alternative="greater")
        chance, p_value = float(told.statistic / (asked.size * known.size)), float(told.pvalue)
        if chance >= MIN_CHANCE and p_value < self.alpha:
            yield Finding(
                message=f"rows of {subject.test.name} are easier than those it was parted from: a "
                f"model is surer of one than of a training row in {chance:.0%} of the cases",
                path=subject.test.name,
                severity=Severity.HIGH,
                level=Level.REVIEW,
                threats=EasyTest.threats,
                confidence=0.9,
                remedy="Ask how the test rows were chosen; draw them anew from all rows, and "
                "measure again.",
                evidence=Evidence(
                    statistic="chance of a test row to be surer than a training row",
                    value=chance,
                    threshold=MIN_CHANCE,
                    n=int(asked.size),
                    facts={"p-value": f"{p_value:.2g}"},
                ),
            )


def _spread(n: int) -> Any:
    return np.unique(np.linspace(0, n - 1, min(n, MAX_ROWS)).astype(np.int64))


def _margins(train: embed.Rows, test: embed.Rows) -> tuple[Any, Any]:
    """How sure models are of training rows that they did not see, and of test rows."""
    from sklearn.ensemble import ExtraTreesClassifier

    both = embed.stacked(train, test)
    is_plain = both.images is None and both.texts is None
    x = embed.table_features(both, ranked=True) if is_plain else embed.features(both)
    mine, theirs = x[: train.n_rows], x[train.n_rows :]
    folds = np.random.default_rng(embed.seed_of(mine)).permutation(train.n_rows) % _FOLDS
    known, asked = np.zeros(train.n_rows), np.zeros(test.n_rows)
    for fold in range(_FOLDS):
        forest = ExtraTreesClassifier(
            _TREES, min_samples_leaf=_LEAF, random_state=fold, n_jobs=1
        ).fit(mine[folds != fold], train.labels[folds != fold])
        own = np.arange(test.n_rows) % _FOLDS == fold  # each by one model, as training rows are
        known[folds == fold] = _margin(forest, mine[folds == fold])
        asked[own] = _margin(forest, theirs[own])
    return known, asked


def _margin(forest: Any, x: Any) -> Any:
    chances = np.sort(forest.predict_proba(x), axis=1)
    return chances[:, -1] - chances[:, -2] if chances.shape[1] > 1 else np.ones(len(x))
