"""AQ-4: pages that were written for the crawler."""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random

from hauberk.attacks.dataset.plant_pages import PlantPages
from hauberk.controls.dataset.planted_text import PlantedText
from hauberk.core.artifact import Dataset
from hauberk.core.finding import RowScores
from hauberk.core.threat import ThreatId
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.sites import crawl

AQ_4 = ThreatId("AQ-4")
ATTACK = PlantPages(share=0.02)
CONTROL = PlantedText()
N_PAGES = 2_000
FLOOD = 0.5
PER_CLEAN = 240
PER_CRAWL = 40
"""Planted and clean pages that are taken from one crawl."""


@cache
def _crawl(number: int) -> tuple[frozenset[int], tuple[int, ...], float]:
    """Rows flagged in an attacked crawl, the planted ones, and the false alarms of its twin."""
    clean = crawl(number, N_PAGES)
    attacked = ATTACK.apply(clean, Random(number))
    return _flagged(attacked.subject), attacked.rows, len(_flagged(clean)) / N_PAGES


def _flagged(subject: Dataset) -> frozenset[int]:
    for result in CONTROL.check(subject):
        if isinstance(result, RowScores):
            limit = result.flagged_above or 1.0
            scores = [score for _, part in result.read() for score in part]
            return frozenset(row for row, score in enumerate(scores) if score > limit)
    return frozenset()


def _planted(seed: int) -> Trial:
    """One planted page; neighbouring seeds share a crawl."""
    flagged, rows, alarms = _crawl(seed // PER_CRAWL)
    row = rows[seed % PER_CRAWL]
    return Trial(values={"detected": row in flagged}, potent=True, false_alarm=alarms)


def _clean(seed: int) -> Trial:
    """One clean page of a crawl; neighbouring seeds share it."""
    flagged, rows, _ = _crawl(seed // PER_CLEAN)
    others = [row for row in range(N_PAGES) if row not in set(rows)]
    row = others[Random(seed).randrange(len(others))]
    return Trial(values={"false_alarms": row in flagged})


def _capped(seed: int) -> Trial:
    """One domain that gives most pages of a small crawl; after quarantine it is at its cap."""
    import pyarrow as pa

    clean = crawl(seed, 120)
    pages = rewrite.table(clean).column("page")
    names = rewrite.table(clean).column("domain").to_pylist()
    taken = [
        name if Random(seed + row).random() > FLOOD else "flood.example"
        for row, name in enumerate(names)
    ]
    batch = pa.RecordBatch.from_arrays([pages, pa.array(taken)], names=["page", "domain"])
    flooded = table_of("flooded", [batch], source="domain")
    flagged = _flagged(flooded)
    left = [name for row, name in enumerate(taken) if row not in flagged]
    most = Counter(left).most_common(1)[0][1]
    cap = CONTROL.max_share * len(taken)
    return Trial(
        values={"domains_above_cap": most > cap},
        potent=Counter(taken)["flood.example"] > cap,
        false_alarm=len(_flagged(clean)) / len(names),
    )


_NOTE = f"crawls of {N_PAGES:,} pages of 60 domains, {PER_CRAWL} of them planted"
SCENARIOS = (
    Scenario(
        threat=AQ_4,
        attack=ATTACK,
        control=CONTROL,
        play=_planted,
        parts=(("detected", ""),),
        note=_NOTE,
    ),
    Scenario(
        threat=AQ_4,
        attack="none: clean pages",
        control=CONTROL,
        play=_clean,
        parts=(("false_alarms", ""),),
        note=_NOTE,
    ),
    Scenario(
        threat=AQ_4,
        attack="one domain gives half of the pages",
        control=CONTROL,
        play=_capped,
        parts=(("domains_above_cap", ""),),
        note="120 pages of 60 domains",
    ),
)
