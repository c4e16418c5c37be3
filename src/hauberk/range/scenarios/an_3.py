"""AN-3: generators that give away the rows they were fitted on."""

from __future__ import annotations

from random import Random

from hauberk.attacks.dataset.copy_real_rows import CopyRealRows
from hauberk.controls.dataset.synthetic_copies import SyntheticCopies
from hauberk.core.artifact import Dataset, Synthesis
from hauberk.core.threat import ThreatId
from hauberk.formats.tables import table_of
from hauberk.range.outcomes import alarmed, denied, recall_at, row_scores
from hauberk.range.scenario import Scenario, Trial

AN_3 = ThreatId("AN-3")
CONTROL = SyntheticCopies()
NEAR = CopyRealRows(share=0.05, noise=0.02)
EXACT = CopyRealRows(share=0.05)
N_ROWS = 1_500
N_FEW = 300
N_SOME = 800
_RATE = 0.01
_N_ORIGINALS = 75


def synthesis(seed: int, *, leaking: bool = False, n_rows: int = N_ROWS) -> Synthesis:
    """Real rows in two halves, and rows from a mixture fitted on one of them.

    Args:
        leaking: The generator draws around its training rows with little spread.
    """
    import numpy as np

    rng = np.random.default_rng([seed, 9])
    n_columns, n_groups = int(rng.integers(6, 12)), int(rng.integers(3, 7))
    centres = rng.normal(0, 2, (n_groups, n_columns))
    mixing = rng.normal(0, 1, (n_columns, n_columns)) / np.sqrt(n_columns)
    groups = rng.integers(0, n_groups, 2 * n_rows)
    real = centres[groups] + rng.normal(0, 1, (2 * n_rows, n_columns)) @ mixing
    train, control = real[:n_rows], real[n_rows:]
    if leaking:
        picked = train[rng.integers(0, n_rows, n_rows)]
        made = picked + rng.normal(0, 0.3, picked.shape) * train.std(axis=0)
    else:
        made = _mixture(train, rng, n_rows)
    parts = (("synthetic", made), ("train", train), ("control", control))
    return Synthesis(**{name: _table(name, rows) for name, rows in parts})


def _mixture(train: object, rng: object, n_rows: int) -> object:
    """An honest generator: a mixture of a few normals fitted on the training rows."""
    from sklearn.mixture import GaussianMixture

    seed = int(rng.integers(2**31))  # type: ignore[attr-defined] # NumPy's generator
    return GaussianMixture(5, random_state=seed).fit(train).sample(n_rows)[0]


def _table(name: str, rows: object) -> Dataset:
    import numpy as np
    import pyarrow as pa

    columns = {f"x{i}": column for i, column in enumerate(np.asarray(rows).T)}
    return table_of(name, [pa.record_batch(columns)])


def _copies(seed: int) -> Trial:
    clean = synthesis(seed)
    attacked = NEAR.apply(clean, Random(seed))
    recall, alarms = recall_at(row_scores(CONTROL, attacked.subject), attacked.rows, _RATE)
    return Trial(
        values={"row_recall": recall},
        potent=len(set(attacked.truth["originals"])) == _N_ORIGINALS,
        false_alarm=alarms,
    )


def _exact(seed: int) -> Trial:
    """One copied row is one trial."""
    clean = synthesis(seed, n_rows=N_FEW)
    attacked = CopyRealRows(share=1 / N_FEW).apply(clean, Random(seed))
    scores = row_scores(CONTROL, attacked.subject)
    (row,) = attacked.rows
    return Trial(
        values={"row_recall": denied(CONTROL, attacked.subject) and scores[row] == max(scores)},
        potent=True,
        false_alarm=alarmed(CONTROL, clean),
    )


def _generators(seed: int) -> Trial:
    """Whether the leaking one of two generators ranks before the honest one."""
    honest = synthesis(seed, n_rows=N_SOME)
    leaking = synthesis(seed, leaking=True, n_rows=N_SOME)
    return Trial(
        values={"generator_auroc": _lean(leaking) > _lean(honest)},
        potent=True,
        false_alarm=alarmed(CONTROL, honest),
    )


def _lean(subject: Synthesis) -> float:
    """Mean surprise of the rows: how near to training rows a generator draws."""
    scores = row_scores(CONTROL, subject)
    return sum(scores) / len(scores)


_NOTE = f"{N_ROWS:,} rows each of generated, training and control rows, 6 to 11 numbers"
SCENARIOS = (
    Scenario(
        threat=AN_3,
        attack=NEAR,
        control=CONTROL,
        play=_copies,
        parts=(("row_recall", "copies of 5 % of rows"),),
        trials=20,
        note=f"{_NOTE}; copies with noise of 2 % of each column's spread",
    ),
    Scenario(
        threat=AN_3,
        attack=EXACT,
        control=CONTROL,
        play=_exact,
        parts=(("row_recall", "exact copies"),),
        note=f"{N_FEW} rows in each part, one of them a copy",
    ),
    Scenario(
        threat=AN_3,
        attack="a generator with little spread around its training rows",
        control=CONTROL,
        play=_generators,
        parts=(("generator_auroc", ""),),
        note=f"{N_SOME} rows in each part, drawn around training rows with a spread of 30 %. "
        "A pair counts when the rows of the leaking generator are the more surprising ones on "
        "average; false alarms are honest generators that are refused",
    ),
)
