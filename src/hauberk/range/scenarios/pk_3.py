"""PK-3: a split that loses rows of one class in one group."""

from __future__ import annotations

from random import Random
from typing import Any

from hauberk.attacks.dataset.thin_cell import ThinCell
from hauberk.controls.dataset.misdrawn_split import MisdrawnSplit
from hauberk.controls.dataset.skewed_cells import SkewedCells
from hauberk.core.artifact import Comparison, Dataset, Splits
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.formats.tables import table_of
from hauberk.lifecycle.data_engineering.preparation import SplitTable
from hauberk.lifecycle.data_engineering.splitting import drawn_again
from hauberk.methods import rewrite
from hauberk.range.outcomes import alarmed
from hauberk.range.scenario import Scenario, Trial

PK_3 = ThreatId("PK-3")
ATTACK = ThinCell(share=0.1, least=200)
CONTROL = SkewedCells()
N_ROWS = 4_000
N_SPLIT = 800
THIN = ThinCell(share=0.05, least=40)
REPLAYED = MisdrawnSplit()
_KEPT = 0.97


def credit(seed: int, n_rows: int = N_ROWS) -> Dataset:
    """Applicants with district and employment, and whether they were risky."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng([seed, 31])
    district = rng.choice(["north", "east", "south", "west"], n_rows, p=[0.4, 0.3, 0.2, 0.1])
    work = rng.choice(["employed", "self-employed", "none"], n_rows, p=[0.6, 0.25, 0.15])
    income = rng.lognormal(10, 0.5, n_rows).round()
    lean = 0.3 + 0.15 * (district == "south") + 0.2 * (work == "none")
    risk = np.where(rng.random(n_rows) < lean, "risky", "good")
    batch = pa.record_batch({"district": district, "work": work, "income": income, "risk": risk})
    return table_of(f"credit-{seed}", [batch], label="risk")


def prepared(whole: Dataset, seed: int) -> Dataset:
    """All parts of an honest preparation together: 3 % of the rows are left out at random."""
    import numpy as np
    import pyarrow as pa

    rows = rewrite.table(whole)
    order = np.random.default_rng([seed, 32]).permutation(rows.num_rows)
    left = np.sort(order[: int(_KEPT * rows.num_rows)])
    return rewrite.twin(whole, rows.take(pa.array(left)))


def _thin(seed: int) -> Trial:
    source = credit(seed)
    clean = prepared(source, seed)
    attacked = ATTACK.apply(clean, Random(seed))
    findings = assess(CONTROL, Comparison(old=source, new=attacked.subject)).findings
    truth = attacked.truth
    return Trial(
        values={
            "detected": bool(findings),
            "cell_named": any(_names(finding, truth) for finding in findings),
        },
        potent=_share(attacked.subject, truth) < _share(clean, truth),
        false_alarm=alarmed(CONTROL, Comparison(old=source, new=clean)),
    )


def _names(finding: Any, truth: Any) -> bool:
    facts = finding.evidence.facts
    return bool(
        facts["class"] == truth["label"] and facts["group"] == f"{truth['group']}={truth['level']}"
    )


def _share(part: Dataset, truth: Any) -> float:
    """Share of the class among the rows of the group: what a model learns of it."""
    rows = rewrite.table(part)
    levels, labels = (rows.column(name).to_pylist() for name in (truth["group"], str(part.label)))
    own = [label for level, label in zip(levels, labels, strict=True) if level == truth["level"]]
    return own.count(truth["label"]) / len(own)


def _clean(seed: int) -> Trial:
    """All parts of an honest preparation, or its training part alone."""
    import numpy as np
    import pyarrow as pa

    source = credit(seed, (1_000, 4_000)[seed % 2])
    new = prepared(source, seed)
    if seed // 2 % 2:
        rows = rewrite.table(new)
        order = np.random.default_rng([seed, 33]).permutation(rows.num_rows)
        new = rewrite.twin(new, rows.take(pa.array(np.sort(order[: int(0.7 * len(order))]))))
    return Trial(values={"false_alarms": alarmed(CONTROL, Comparison(old=source, new=new))})


def _drawn(seed: int) -> tuple[Dataset, Any]:
    """A table, and its parts as scikit-learn draws them of a frame, by the declared recipe."""
    import pyarrow as pa
    from sklearn.model_selection import train_test_split

    source = credit(seed, N_SPLIT)
    frame = rewrite.table(source).to_pandas()
    by_label = seed % 2 == 0
    parts = train_test_split(
        frame, test_size=0.2, random_state=seed % 97, stratify=frame.risk if by_label else None
    )
    batches = (pa.RecordBatch.from_pandas(part, preserve_index=False) for part in parts)
    train, test = (rewrite.twin(source, batch) for batch in batches)
    return source, Splits(train=train, test=test)


def _replayed(seed: int) -> Trial:
    source, honest = _drawn(seed)
    recipe = SplitTable(
        test=0.2,
        validation=0.0,
        stratify="risk" if seed % 2 == 0 else None,
        seed=seed % 97,
        by="sklearn",
    )

    def refused(parts: Splits) -> bool:
        return alarmed(REPLAYED, drawn_again(source, recipe, parts))

    attacked = THIN.apply(honest.train, Random(seed))
    biased = Splits(train=attacked.subject, test=honest.test)
    return Trial(
        values={"refused": refused(biased)},
        potent=_share(biased.train, attacked.truth) < _share(honest.train, attacked.truth),
        false_alarm=float(refused(honest)),
    )


_STRENGTH = "10 % skew in a cell of at least 200 rows"
SCENARIOS = (
    Scenario(
        threat=PK_3,
        attack=THIN,
        control=REPLAYED,
        play=_replayed,
        parts=(("refused", "replay mismatch"),),
        trials=120,
        note=f"{N_SPLIT:,} applicants; train_test_split of scikit-learn over a frame, with and "
        "without strata; 5 % of a cell of at least 40 rows missing in the training part",
    ),
    Scenario(
        threat=PK_3,
        attack=ATTACK,
        control=CONTROL,
        play=_thin,
        parts=(("detected", _STRENGTH), ("cell_named", _STRENGTH)),
        note=f"{N_ROWS:,} applicants with two groups; all parts of a preparation, which leaves "
        "out 3 % of the rows at random, against its source. In a random part alone chance "
        "hides as much as is dropped here",
    ),
    Scenario(
        threat=PK_3,
        attack="none: clean subjects",
        control=CONTROL,
        play=_clean,
        parts=(("false_alarms", ""),),
        note="1,000 or 4,000 applicants; all parts of an honest preparation or its training "
        "part alone",
    ),
)
