"""AN-4: rows that push one column to the top of a feature selection."""

from __future__ import annotations

from random import Random
from typing import Any

from hauberk.attacks.dataset.steer_selection import SteerSelection
from hauberk.controls.dataset.steered_features import SteeredFeatures
from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.methods import rewrite
from hauberk.range.outcomes import alarmed
from hauberk.range.pilots import matrix
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import generated, tumours

AN_4 = ThreatId("AN-4")
CONTROL = SteeredFeatures()
N_NOISE = 40
_REACHES = (6.0, 10.0, 15.0)
_ALPHA = 0.05


def noisy(whole: Dataset, seed: int) -> Dataset:
    """A table with 40 columns of noise beside its own."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng([seed, 23])
    rows = rewrite.table(whole)
    fields = {name: rows.column(name) for name in rows.schema.names}
    noise = {f"noise_{i}": pa.array(rng.normal(size=rows.num_rows)) for i in range(N_NOISE)}
    from hauberk.formats.tables import table_of

    return table_of(whole.name, [pa.record_batch({**noise, **fields})], label=whole.label)


def _steer(seed: int) -> Trial:
    old = noisy(tumours(seed, 540), seed)
    clean = _grown(old, seed)
    attack = SteerSelection(reach=_REACHES[seed % len(_REACHES)])
    attacked = attack.apply(clean, Random(seed))
    findings = assess(CONTROL, Comparison(old=old, new=attacked.subject)).findings
    column = attacked.truth["column"]
    return Trial(
        values={
            "detected": bool(findings),
            "column_named": column in {finding.location.field for finding in findings},
        },
        potent=_is_selected(attacked.subject, column) and not _is_selected(clean, column),
        false_alarm=alarmed(CONTROL, Comparison(old=old, new=clean)),
    )


def _grown(old: Dataset, seed: int) -> Dataset:
    """The next version: the same rows and a few honest ones, which are drawn again and blurred."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng([seed, 24])
    rows = rewrite.table(old)
    extra = rows.take(pa.array(rng.choice(rows.num_rows, rows.num_rows // 20), pa.int64()))
    columns: list[Any] = []
    for place, field in enumerate(rows.schema):
        own = extra.column(place)
        if pa.types.is_floating(field.type):
            cells = rows.column(place).to_numpy(zero_copy_only=False)
            blur = 0.05 * float(np.nanstd(cells)) * rng.normal(size=extra.num_rows)
            own = pa.array(own.to_numpy(zero_copy_only=False) + blur, field.type)
        columns.append(pa.concat_arrays([rows.column(place), own]))
    return rewrite.twin(old, pa.RecordBatch.from_arrays(columns, schema=rows.schema))


def _is_selected(whole: Dataset, column: str) -> bool:
    """Whether a selection by analysis of variance, at a false-discovery rate, takes it."""
    from sklearn.feature_selection import SelectFdr

    x, y = matrix(whole)
    names = [c.name for c in whole.columns if c.name != whole.label]
    return bool(SelectFdr(alpha=_ALPHA).fit(x, y).get_support()[names.index(column)])


def _clean(seed: int) -> Trial:
    whole = (generated, tumours)[seed % 2](seed, 540)
    rows = rewrite.table(whole)
    share = (0.6, 0.9)[seed // 2 % 2]
    old = rewrite.twin(whole, rows.slice(0, int(share * rows.num_rows)))
    return Trial(
        values={
            "false_alarms": alarmed(
                CONTROL, Comparison(old=noisy(old, seed), new=_extended(old, whole, seed))
            )
        }
    )


def _extended(old: Dataset, whole: Dataset, seed: int) -> Dataset:
    """The old rows with their noise, and the honest rest with noise of its own."""
    import pyarrow as pa

    rows = rewrite.table(whole)
    n_old = rewrite.table(old).num_rows
    first = rewrite.table(noisy(old, seed))
    rest = rewrite.table(noisy(rewrite.twin(whole, rows.slice(n_old)), seed + 10**9))
    both = [pa.concat_arrays([a, b]) for a, b in zip(first.columns, rest.columns, strict=True)]
    return rewrite.twin(noisy(old, seed), pa.RecordBatch.from_arrays(both, schema=first.schema))


_STRENGTH = "3 % rows planted for one column"
SCENARIOS = (
    Scenario(
        threat=AN_4,
        attack=SteerSelection(),
        control=CONTROL,
        play=_steer,
        parts=(("detected", _STRENGTH), ("column_named", _STRENGTH)),
        note="540 tumours of 30 measurements with 40 columns of noise; the next version has 5 % "
        "honest rows more and 3 % planted ones, 6, 10 or 15 spreads from the mean",
    ),
    Scenario(
        threat=AN_4,
        attack="none: clean subjects",
        control=CONTROL,
        play=_clean,
        parts=(("false_alarms", ""),),
        note="540 rows, generated or tumours, 40 columns of noise; the older version has 60 or "
        "90 % of the rows",
    ),
)
