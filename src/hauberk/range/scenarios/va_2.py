"""VA-2: rows of training and people's data in reports, and honest reports beside them."""

from __future__ import annotations

from random import Random

from hauberk.attacks.model.quote_people import QuotePeople
from hauberk.attacks.model.quote_rows import QuoteRows
from hauberk.controls.model.leaking_report import LeakingReport
from hauberk.core.artifact import Report
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.methods import rewrite
from hauberk.range.outcomes import alarmed
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.reports import honest_report

VA_2 = ThreatId("VA-2")
ROWS = QuoteRows()
PEOPLE = QuotePeople()
CONTROL = LeakingReport()


def _rows(seed: int) -> Trial:
    """One quoted row, which the finding must name."""
    clean = honest_report(seed)
    attacked = ROWS.apply(clean, Random(seed))
    named = {
        row for item in assess(CONTROL, attacked.subject).findings for row in item.location.rows
    }
    return Trial(
        values={"detected": set(attacked.rows) <= named},
        potent=_gives_away(attacked.subject, attacked.rows[0], str(attacked.truth["quoted"])),
        false_alarm=alarmed(CONTROL, clean),
    )


def _gives_away(subject: Report, row: int, quoted: str) -> bool:
    """Whether somebody who reads the values finds the row, and no other, in the table."""
    rows = rewrite.table(subject.train)
    names = [name for name in rows.schema.names if name != subject.train.label]
    fit = [
        i
        for i, record in enumerate(rows.select(names).to_pylist())
        if all(_stands(value, quoted) for value in record.values())
    ]
    return fit == [row]


def _stands(value: object, quoted: str) -> bool:
    if isinstance(value, float):
        return any(text in quoted for text in (str(value), f"{value:.4f}", f"{value:.3f}"))
    return str(value) in quoted


def _people(seed: int) -> Trial:
    clean = honest_report(seed)
    attacked = PEOPLE.apply(clean, Random(seed))
    return Trial(
        values={"detected": bool(assess(CONTROL, attacked.subject).findings)},
        potent=str(attacked.truth["item"]) in attacked.subject.text,
        false_alarm=alarmed(CONTROL, clean),
    )


SCENARIOS = (
    Scenario(
        threat=VA_2,
        attack=ROWS,
        control=CONTROL,
        play=_rows,
        parts=(("detected", "verbatim rows"),),
        note="one of 400 rows in one of seven forms, with 3, 4 or all decimals; "
        "honest reports hold scores, importances, summaries and five test rows",
    ),
    Scenario(
        threat=VA_2,
        attack=PEOPLE,
        control=CONTROL,
        play=_people,
        parts=(("detected", "personal data"),),
        note="one of five kinds of items in a line of one of five forms",
    ),
)
