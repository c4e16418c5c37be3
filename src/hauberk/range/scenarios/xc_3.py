"""XC-3: files that crash, stall or blind the scanner."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from hauberk.attacks.model.blind_scanner import WAYS, BlindScanner
from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.measured import scan_cost

XC_3 = ThreatId("XC-3")
MAX_WALL_S = 10.0


def _play(seed: int) -> Trial:
    way = tuple(WAYS)[seed % len(WAYS)]
    with tempfile.TemporaryDirectory() as folder:
        start = ModelFile(name="m", path=Path(folder) / "m")
        attacked = BlindScanner(way=way).apply(start, Random(seed))
        cost = scan_cost(attacked.subject.path)
    return Trial(
        values={
            "crashes": cost.exit_code not in {0, 1, 3},
            "passed": cost.exit_code == 0,
            "in_time": cost.cpu_s <= MAX_WALL_S,
        },
    )


SCENARIOS = (
    Scenario(
        threat=XC_3,
        attack=BlindScanner(),
        control=UnsafeOpcodes(),
        play=_play,
        parts=(("crashes", ""), ("passed", ""), ("in_time", "10 s")),
        note=f"{len(WAYS)} ways in turn with random content, by hauberk scan in a process of its "
        "own; exit code 0 counts as passed, 3 (not assessed) does not",
        timed=True,
    ),
)
