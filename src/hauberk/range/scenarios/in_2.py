"""IN-2: two senders of twenty creep, over fifty windows, to where malicious rows lie."""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.dataset.boil_slowly import BoilSlowly
from hauberk.controls.dataset.steered_sources import SteeredSources
from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.intrusions import (
    N_COLUMNS,
    N_WINDOWS,
    ROWS,
    START,
    intrusions,
    passing,
    tables,
)

CONTROL = SteeredSources()
PASS = 0.1
_WORLD = (
    "20 senders that differ, 500 rows a window, 6 columns, all drifting together a little; a "
    "detector fitted anew in each window to what it let pass"
)


def _alarms(core: Dataset, live: Dataset) -> list[int]:
    found = CONTROL.check(Comparison(old=core, new=live))
    dates = [f.evidence.facts["window"] for f in found if "window" in f.evidence.facts]
    return sorted(int(np.datetime64(date).astype(int)) - START for date in dates)


def _boiled(seed: int) -> Trial:
    """Found before a tenth of malicious rows pass the detector that is fitted anew."""
    world = intrusions(seed)
    core, live = tables(world, world.windows)
    attack = BoilSlowly(direction=tuple(world.target.tolist()))
    twin = attack.apply(live, Random(seed)).subject
    through = np.flatnonzero(passing(world, _rows(twin), seed) >= PASS)
    alarms = _alarms(core, twin)
    in_time = bool(alarms) and bool(through.size) and alarms[0] < through[0]
    return Trial(values={"detected": in_time}, potent=bool(through.size))


def _rows(live: Dataset) -> Any:
    batch = next(iter(live.read()))
    columns = [np.asarray(batch.column(f"c{i}")) for i in range(N_COLUMNS)]
    return np.stack(columns, axis=1).reshape(-1, ROWS, N_COLUMNS)


@lru_cache(maxsize=4)
def _honest_alarms(seed: int) -> frozenset[int]:
    world = intrusions(seed)
    return frozenset(_alarms(*tables(world, world.windows)))


def _honest(seed: int) -> Trial:
    """One honest window; fifty of them share a world."""
    return Trial(values={"false_alarms": seed % N_WINDOWS in _honest_alarms(seed // N_WINDOWS)})


SCENARIOS = (
    Scenario(
        threat=ThreatId("IN-2"),
        attack=BoilSlowly(),
        control=CONTROL,
        play=_boiled,
        parts=(("detected", "before 10 % of malicious inputs pass"),),
        note=f"{_WORLD}; malicious rows lie 6.5 standard deviations away",
    ),
    Scenario(
        threat=ThreatId("IN-2"),
        attack="honest windows",
        control=CONTROL,
        play=_honest,
        parts=(("false_alarms", ""),),
        note=_WORLD,
    ),
)
