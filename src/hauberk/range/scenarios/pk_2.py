"""PK-2: rows of the training set in the test set."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

from hauberk.attacks.dataset.cross_splits import CrossSplits
from hauberk.attacks.dataset.leak_rows import LeakRows
from hauberk.controls.dataset.split_leakage import SplitLeakage
from hauberk.core.artifact import Dataset, Splits
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.formats.tables import table_of
from hauberk.range.outcomes import alarmed, found, recall_at, row_scores
from hauberk.range.pilots import accuracy, augmented, matrix, nearest
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import digits

PK_2 = ThreatId("PK-2")
CONTROL = SplitLeakage()
SHARE = 0.03
RATE = 0.01
N_TRAIN, N_TEST = 1000, 500
N_VISITS = 400


def splits(seed: int) -> Splits:
    """A clean split of digits: no picture stands twice in the pool they are drawn from."""
    batch = next(digits(seed, N_TRAIN + N_TEST).read())
    train, test = batch.slice(0, N_TRAIN), batch.slice(N_TRAIN)  # type: ignore[attr-defined] # Arrow's own
    return Splits(
        train=table_of("train", [train], label="digit"),
        test=table_of("test", [test], label="digit"),
    )


def _rows(attack: LeakRows) -> Callable[[int], Trial]:
    def play(seed: int) -> Trial:
        clean = splits(seed)
        attacked = attack.apply(clean, Random(seed))
        scores = row_scores(CONTROL, attacked.subject)
        recall, alarms = recall_at(scores, attacked.rows, RATE)
        surprising = math.log10(len(scores) / CONTROL.alpha)  # the control's own threshold
        flagged = [row for row, score in enumerate(scores) if score > surprising]
        hits = set(flagged) & set(attacked.rows)
        return Trial(
            values={
                "row_recall": recall,
                "row_precision": len(hits) / len(flagged) if flagged else 0.0,
                "all_found": found(CONTROL, attacked.subject) and len(hits) == len(attacked.rows),
            },
            potent=_flatters(clean, attacked.subject, attacked.rows),
            false_alarm=alarms if attack.disguise != "exact" else alarmed(CONTROL, clean),
        )

    return play


def _flatters(clean: Splits, twin: Splits, rows: tuple[int, ...]) -> bool:
    """Whether a model that remembers its rows knows the copies better than honest rows.

    It is trained as people train on pictures: with shifted, mirrored and brightened copies.
    """
    model = nearest(*augmented(*matrix(clean.train)))
    features, labels = matrix(twin.test)
    copies = accuracy(model, features[list(rows)], labels[list(rows)])
    return copies >= accuracy(model, *matrix(clean.test))


def _leak(strength: str, disguise: str, *metrics: str) -> Scenario:
    attack = LeakRows(share=SHARE, disguise=disguise)
    return Scenario(
        threat=PK_2,
        attack=attack,
        control=CONTROL,
        play=_rows(attack),
        parts=tuple((metric, strength) for metric in metrics),
        trials=0 if disguise == "exact" else 20,
        note=f"{SHARE:.0%} of {N_TEST} test digits are copies of {N_TRAIN} training digits",
    )


def visits(seed: int) -> Splits:
    """Visits of patients over time: the test part has other patients, all of them later."""
    import numpy as np

    rng = np.random.default_rng([seed, 4])
    train, test = _visits("train", 0, rng), _visits("test", N_VISITS, rng)
    return Splits(train=train, test=test, group="patient", time="day")


def _visits(name: str, start: int, rng: Any) -> Dataset:
    import pyarrow as pa

    patients = start + rng.integers(0, N_VISITS // 8, N_VISITS)
    columns = {
        "patient": patients,
        "day": start + rng.integers(0, 300, N_VISITS),
        **{f"x{place}": rng.normal(patients % 7, 1.0) for place in range(4)},
    }
    return table_of(name, [pa.record_batch(columns)])


def _crossed(by: str) -> Callable[[int], Trial]:
    attack = CrossSplits(by=by)

    def play(seed: int) -> Trial:
        clean = visits(seed)
        attacked = attack.apply(clean, Random(seed))
        named = {finding.location.field for finding in assess(CONTROL, attacked.subject).findings}
        return Trial(
            values={"detected": attacked.truth["column"] in named},
            potent=len(attacked.rows) > 0,
            false_alarm=alarmed(CONTROL, clean),
        )

    return play


def _cross(by: str) -> Scenario:
    return Scenario(
        threat=PK_2,
        attack=CrossSplits(by=by),
        control=CONTROL,
        play=_crossed(by),
        parts=(("detected", f"{by} leak"),),
        note=f"{N_VISITS} visits of {N_VISITS // 8} patients; 3 % of the test rows are exchanged "
        "with training rows",
    )


SCENARIOS = (
    _cross("group"),
    _cross("time"),
    _leak("exact copies", "exact", "all_found"),
    _leak("noise", "jitter", "row_recall", "row_precision"),
    _leak("shifted", "shift", "row_recall"),
    _leak("brightness", "brightness", "row_recall"),
    _leak("mirrored", "mirror", "row_recall"),
)
