"""EX-10: small files that claim or unpack to too much."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from hauberk.attacks.model.inflate_file import BOMBS, InflateFile
from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.measured import scan_cost

EX_10 = ThreatId("EX-10")
MAX_CPU_S = 0.5
MAX_MEMORY_BYTES = 256 << 20
_TOO_MUCH = 30
"""Levels, or bytes in a thousand millions, that a believing loader does not bear."""


def _play(seed: int) -> Trial:
    bomb = tuple(BOMBS)[seed % len(BOMBS)]
    with tempfile.TemporaryDirectory() as folder:
        start = ModelFile(name="m", path=Path(folder) / "m")
        attacked = InflateFile(bomb=bomb).apply(start, Random(seed))
        path = attacked.subject.path
        cost = scan_cost(path)
        size = path.stat().st_size
    claims = attacked.truth["claims"]
    return Trial(
        values={
            "refused": cost.exit_code == 1,
            "in_time": cost.cpu_s <= MAX_CPU_S,
            "in_memory": 0 < cost.memory_bytes <= MAX_MEMORY_BYTES,
        },
        potent=claims >= _TOO_MUCH and claims != size,
    )


SCENARIOS = (
    Scenario(
        threat=EX_10,
        attack=InflateFile(),
        control=UnsafeOpcodes(),
        play=_play,
        parts=(
            ("refused", ""),
            ("in_time", "0.5 s net of start-up"),
            ("in_memory", "256 MB"),
        ),
        trials=len(BOMBS),
        note=f"{len(BOMBS)} bombs, each once, by hauberk scan in a process of its own; processor "
        "seconds without start-up (tiny files are scanned before), peak memory with it",
        timed=True,
    ),
)
