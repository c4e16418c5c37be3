"""PP-4: a release that singles out people whom the one before it hid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from hauberk.attacks.dataset.keep_exact_values import KeepExactValues
from hauberk.controls.dataset.privacy_regression import PrivacyRegression
from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial

PP_4 = ThreatId("PP-4")
ATTACK = KeepExactValues(share=0.01)
CONTROL = PrivacyRegression()


def hospital(seed: int, n_rows: int) -> Dataset:
    """Patients with coarse age, district and week; the diagnosis is to be kept from others."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng([seed, 5])
    ages = rng.choice(["0-19", "20-39", "40-59", "60-79", "80+"], n_rows)
    columns = {
        "age": ages,
        "district": rng.choice([f"d{i}" for i in range(12)], n_rows),
        "quarter": rng.choice(["q1", "q2", "q3", "q4"], n_rows),
        "diagnosis": rng.choice(["flu", "fracture", "asthma", "none"], n_rows),
    }
    return table_of(
        f"release-{seed}",
        [pa.record_batch(columns)],
        label="diagnosis",
        sensitive=["age", "district", "quarter"],
    )


def _play(n_rows: int) -> Callable[[int], Trial]:
    def play(seed: int) -> Trial:
        clean = Comparison(old=hospital(2 * seed, n_rows), new=hospital(2 * seed + 1, n_rows))
        attacked = ATTACK.apply(clean, Random(seed))
        findings = assess(CONTROL, attacked.subject).findings
        named = {row for finding in findings for row in finding.location.rows}
        linked = _linked(attacked.subject.new, attacked.rows)
        is_refused = denied(CONTROL, attacked.subject)
        return Trial(
            values={
                "refused": is_refused,
                "rows_named": set(attacked.rows) <= named,
                "linkage_success": 0.0 if is_refused else float(linked > 0),
            },
            potent=linked == len(attacked.rows),
            false_alarm=alarmed(CONTROL, clean),
        )

    return play


def _linked(release: Dataset, rows: tuple[int, ...]) -> int:
    """How many of the exact people an attacker who knows their values finds again."""
    table = rewrite.table(release).select(list(release.sensitive))
    keys: list[Any] = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    counts = Counter(keys)
    return sum(counts[keys[row]] == 1 for row in rows)


def _scenario(n_rows: int, *metrics: str) -> Scenario:
    return Scenario(
        threat=PP_4,
        attack=ATTACK,
        control=CONTROL,
        play=_play(n_rows),
        parts=tuple((metric, "") for metric in metrics),
        note=f"{n_rows:,} patients a release; 1 % keep an exact value. A refused release is not "
        "published, so nobody is linked",
    )


SCENARIOS = (
    _scenario(20_000, "refused", "rows_named"),
    _scenario(3_000, "linkage_success"),
)
