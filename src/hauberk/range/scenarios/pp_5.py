"""PP-5: outliers, other units, a column on another scale, and an edited scaler."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random
from typing import Any

from hauberk.attacks.dataset.edit_scaler import EditScaler
from hauberk.attacks.dataset.tamper_scale import TamperScale
from hauberk.controls.dataset.distorted_values import DistortedValues
from hauberk.controls.dataset.misfitted_transforms import MisfittedTransforms
from hauberk.controls.dataset.shifted_columns import ShiftedColumns
from hauberk.core.artifact import ColumnChange, ColumnKind, Comparison, Dataset, Transformation
from hauberk.core.threat import ThreatId
from hauberk.formats.tables import features_of, table_of
from hauberk.methods import rewrite
from hauberk.methods.replay import fitted, replayed
from hauberk.range.outcomes import alarmed, denied, found, recall_at, row_scores
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import tumours

PP_5 = ThreatId("PP-5")
CONTRACT = MisfittedTransforms()
ROWS = DistortedValues()
COLUMNS = ShiftedColumns()
RATE = 0.01
"""False alarms, as a share of clean rows, at which recall is reported."""

_N_SCALED = 3


def scaled(old: Dataset) -> Transformation:
    """Three columns standardised by an honest scaler, whose file is the contract."""
    names = [c.name for c in features_of(old) if c.kind is ColumnKind.NUMBER][:_N_SCALED]
    rows = rewrite.table(old)
    declared, new = [], old
    for name in names:
        cells = rows.column(name).to_numpy(zero_copy_only=False)
        draft = ColumnChange(column=name, deed="standardise", numbers={"mean": 0.0, "scale": 1.0})
        change = dataclasses.replace(draft, numbers=fitted(draft, cells)[0])
        declared.append(change)
        every = list(range(len(cells)))
        new = rewrite.with_cells(new, name, every, replayed(cells, [change]).tolist())
    return Transformation(old=old, new=new, declared=tuple(declared))


def _edited(seed: int) -> Trial:
    clean = scaled(tumours(seed, 300))
    attacked = EditScaler().apply(clean, Random(seed))
    column = attacked.truth["column"]
    return Trial(
        values={"refused": denied(CONTRACT, attacked.subject)},
        potent=_cells(attacked.subject.new, column) != _cells(clean.new, column),
        false_alarm=alarmed(CONTRACT, clean),
    )


def _cells(part: Dataset, name: str) -> Any:
    return rewrite.table(part).column(name).to_pylist()


def _rows(attack: TamperScale, *, trusted: bool = False) -> Callable[[int], Trial]:
    def play(seed: int) -> Trial:
        clean, vouched = _halves(seed) if trusted else (tumours(seed, 569), None)
        attacked = attack.apply(clean, Random(seed))
        judged = dataclasses.replace(attacked.subject, reference=vouched)
        recall, alarms = recall_at(row_scores(ROWS, judged), attacked.rows, RATE)
        return Trial(
            values={"row_recall": recall},
            potent=_moves(clean, attacked.subject),
            false_alarm=alarms,
        )

    return play


def _halves(seed: int) -> tuple[Dataset, Dataset]:
    whole = tumours(seed, 569)
    rows = rewrite.table(whole)
    return rewrite.twin(whole, rows.slice(0, 320)), rewrite.twin(whole, rows.slice(320))


def _moves(clean: Dataset, twin: Dataset) -> bool:
    """Whether the spread that a scaler would take differs by a tenth in some column."""
    import numpy as np

    names = [c.name for c in features_of(clean) if c.kind is ColumnKind.NUMBER]
    before, after = (
        np.array([np.nanstd(rewrite.table(part).column(n).to_numpy()) for n in names])
        for part in (clean, twin)
    )
    return bool((np.abs(after / before - 1) > 0.1).any())  # noqa: PLR2004 - a tenth


def transactions(seed: int, n_rows: int = 2_000) -> Dataset:
    """Payments: amount, balance, age of the account, hour, and whether they were fraud."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng([seed, 41])
    balance = rng.lognormal(7, 0.8, n_rows)
    amount = balance * rng.beta(1.5, 12, n_rows)
    age, hour = rng.gamma(3, 300, n_rows), rng.normal(14, 4, n_rows)
    fraud = np.where(rng.random(n_rows) < 0.02 + 0.2 * (amount > balance / 3), "yes", "no")
    batch = pa.record_batch(
        {"amount": amount, "balance": balance, "age": age, "hour": hour, "fraud": fraud}
    )
    return table_of(f"payments-{seed}", [batch], label="fraud")


def _scale(seed: int) -> Trial:
    old, clean = transactions(2 * seed, 4_000), transactions(2 * seed + 1, 4_000)
    attacked = TamperScale(pattern="scale", factor=(1.2, 1 / 1.2)[seed % 2]).apply(
        clean, Random(seed)
    )
    return Trial(
        values={"detected": found(COLUMNS, Comparison(old=old, new=attacked.subject))},
        potent=_moves(clean, attacked.subject),
        false_alarm=alarmed(COLUMNS, Comparison(old=old, new=clean)),
    )


def _pairs(seed: int) -> Trial:
    n_rows = (600, 2_000)[seed % 2]
    pair = Comparison(old=transactions(2 * seed, n_rows), new=transactions(2 * seed + 1, n_rows))
    return Trial(values={"false_alarms": alarmed(COLUMNS, pair)})


def _scenario(strength: str, attack: TamperScale, note: str, *, trusted: bool = False) -> Scenario:
    return Scenario(
        threat=PP_5,
        attack=attack,
        control=ROWS,
        play=_rows(attack, trusted=trusted),
        parts=(("row_recall", strength),),
        trials=60,
        note=note,
    )


_OUTLIERS = TamperScale(share=0.01, pattern="outliers")
_UNITS = TamperScale(share=0.03, pattern="units")
SCENARIOS = (
    Scenario(
        threat=PP_5,
        attack=EditScaler(),
        control=CONTRACT,
        play=_edited,
        parts=(("refused", "edited scaler"),),
        note="300 tumours, three columns standardised; one parameter edited by a quarter, and "
        "the output made to agree with it",
    ),
    _scenario("outliers", _OUTLIERS, "569 tumours of 30 measurements, 1 % of the rows"),
    _scenario("changed units", _UNITS, "569 tumours, 3 % of the rows, factors 0.1 to 1,000"),
    _scenario(
        "changed units, with reference", _UNITS, "320 tumours, 249 trusted ones", trusted=True
    ),
    Scenario(
        threat=PP_5,
        attack=TamperScale(pattern="scale"),
        control=COLUMNS,
        play=_scale,
        parts=(("detected", "scale shift of 20 %"),),
        note="4,000 payments against 4,000 earlier ones; one of four columns times 1.2 or "
        "divided by it",
    ),
    Scenario(
        threat=PP_5,
        attack="none: clean subjects",
        control=COLUMNS,
        play=_pairs,
        parts=(("false_alarms", ""),),
        note="two draws of 600 or 2,000 payments",
    ),
)
