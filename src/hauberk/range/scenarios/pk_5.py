"""PK-5: identifiers and hidden bytes left in prepared tables, and honest columns beside them."""

from __future__ import annotations

from random import Random

from hauberk.attacks.dataset.leave_identifiers import LeaveIdentifiers
from hauberk.controls.dataset.embedded_identifiers import EmbeddedIdentifiers
from hauberk.core.artifact import Dataset
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.range.scenario import Scenario, Trial

PK_5 = ThreatId("PK-5")
ATTACK = LeaveIdentifiers()
CONTROL = EmbeddedIdentifiers()
N_ROWS = 900
_CLEAN = 10**6


def honest(seed: int) -> Dataset:
    """Columns that look a little like identifiers: amounts, codes, years, versions, notes."""
    import pyarrow as pa

    rng = Random(seed)
    rows = range(N_ROWS)
    words = ["late", "paid", "checked", "by post", "twice", "in full", "again", "no reply"]
    columns = {
        "amount": [round(rng.lognormvariate(5, 1), 2) for _ in rows],
        "year": [rng.randint(1950, 2024) for _ in rows],
        "postcode": [f"{rng.randint(10_000, 99_999)}" for _ in rows],
        "code": [f"{rng.choice('ABCD')}{rng.randint(10, 99)}.{rng.randint(0, 9)}" for _ in rows],
        "version": [f"{rng.randint(0, 3)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}" for _ in rows],
        "note": [" ".join(rng.choices(words, k=rng.randint(2, 9))) for _ in rows],
        "count": [rng.randint(0, 2_000) for _ in rows],
        "reading": [rng.gauss(0, 1) for _ in rows],
    }
    return table_of(f"prepared-{seed}", [pa.record_batch(columns)])


def _named(subject: Dataset) -> set[str]:
    return {f.location.field or "" for f in assess(CONTROL, subject).findings}


def _recall(seed: int) -> Trial:
    clean = honest(seed)
    attacked = ATTACK.apply(clean, Random(seed))
    column = attacked.truth["column"]
    return Trial(
        values={"recall": column in _named(attacked.subject)},
        potent=_tells(attacked.subject, column),
        false_alarm=len(_named(clean)) / len(clean.columns),
    )


def _precision(seed: int) -> Trial:
    """One flagged column of a table with one identifier among eight honest columns."""
    attacked = ATTACK.apply(honest(seed + _CLEAN), Random(seed + _CLEAN))
    named = sorted(_named(attacked.subject))
    chosen = Random(seed).choice(named) if named else ""
    return Trial(values={"precision": chosen == attacked.truth["column"]}, potent=bool(named))


def _tells(subject: Dataset, column: str) -> bool:
    """Whether the column tells rows apart, or spells more than noise does."""
    cells = rewrite.table(subject).column(column).to_pylist()
    return len(set(cells)) > 0.9 * len(cells) or isinstance(cells[0], int)


_NOTE = f"{N_ROWS} rows of eight honest columns and one of seven kinds of identifier"
SCENARIOS = (
    Scenario(
        threat=PK_5,
        attack=ATTACK,
        control=CONTROL,
        play=_recall,
        parts=(("recall", ""),),
        note=_NOTE,
    ),
    Scenario(
        threat=PK_5,
        attack=ATTACK,
        control=CONTROL,
        play=_precision,
        parts=(("precision", ""),),
        note=_NOTE,
    ),
)
