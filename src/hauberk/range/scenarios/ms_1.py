"""MS-1: a metadata index rewritten behind the log's back, and how fast a log is verified."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from random import Random

from hauberk.attacks.log.rewrite_metric import RewriteMetric
from hauberk.controls.log.rewritten_metrics import RewrittenMetrics
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import logs
from hauberk.trust.log import Log

CONTROL = RewrittenMetrics()
N_RECORDS = 100_000
MILLION = 1_000_000


def _rewritten(attack: RewriteMetric, seed: int) -> Trial:
    """One index with one change; potent where whoever asks the index hears another story."""
    honest = logs.honest_index(seed)
    twin = attack.apply(honest, Random(seed)).subject
    potent = list(twin.new.records()) != list(honest.new.records())
    return Trial(values={"detected": any(CONTROL.check(twin))}, potent=potent)


def _honest(seed: int) -> Trial:
    return Trial(values={"false_alarms": any(CONTROL.check(logs.honest_index(seed)))})


def _verified(seed: int) -> Trial:
    """The whole log read, hashed and held against its roots; scaled to a million records."""
    records = [Random(seed + at).randbytes(200) for at in range(1000)]
    with tempfile.TemporaryDirectory() as folder:
        log = Log.open(Path(folder) / "log")
        for _ in range(N_RECORDS // len(records)):
            log.append(records)
        start = time.perf_counter()
        is_clean = log.verify().is_clean
        seconds = (time.perf_counter() - start) * MILLION / N_RECORDS
    return Trial(values={"seconds_per_million_records": seconds if is_clean else float("inf")})


def _change(way: str, strength: str) -> Scenario:
    attack = RewriteMetric(way=way)
    return Scenario(
        threat=ThreatId("MS-1"),
        attack=attack,
        control=CONTROL,
        play=partial(_rewritten, attack),
        parts=(("detected", strength),),
        note="twelve runs; the index is rewritten, the log of events stays as it was signed",
    )


SCENARIOS = (
    _change("edit", "edited record"),
    _change("delete", "deleted record"),
    _change("reorder", "reordered records"),
    Scenario(
        threat=ThreatId("MS-1"),
        attack="honest indexes",
        control=CONTROL,
        play=_honest,
        parts=(("false_alarms", ""),),
        note="an index that repeats the log's runs and metrics",
    ),
    Scenario(
        threat=ThreatId("MS-1"),
        attack="verification",
        control=CONTROL,
        play=_verified,
        parts=(("seconds_per_million_records", ""),),
        timed=True,
        note=f"{N_RECORDS} records of 200 bytes, scaled",
    ),
)
