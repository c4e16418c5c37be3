"""Start-up of a step and of a worker at each level, as ratios to a bare interpreter.

Run: ``python benchmarks/isolation_start.py [--rounds N]``. Levels that this machine does
not have are printed with the probe's reason.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hauberk.core.policy import Isolation
from hauberk.isolation import Grants, Limits, interpreter_grants, probe, run, spawn

PYTHON = Path(sys.executable)
COMMAND = [str(PYTHON), "-I", "-S", "-c", "pass"]


def bare() -> None:
    subprocess.run(COMMAND, check=True)


def bare_with_site() -> None:
    subprocess.run([str(PYTHON), "-I", "-c", "import json"], check=True)


def step(level: Isolation) -> None:
    grants = Grants(read=interpreter_grants(PYTHON))
    done = run(COMMAND, cwd=Path("/"), grants=grants, limits=Limits(), level=level)
    assert done.exit_code == 0


def worker(level: Isolation) -> None:
    limits = Limits()
    spawn(
        "hauberk.isolation.trial:escape",
        b'{"file": "/missing", "port": 9}',
        grants=Grants(),
        limits=limits,
        level=level,
    )


def median_s(work: Callable[[], None], rounds: int) -> float:
    work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    base = median_s(bare, rounds)
    site = median_s(bare_with_site, rounds)
    print(f"median of {rounds}; 1.0 is a bare interpreter without site ({base * 1000:.0f} ms)")
    print(f"bare interpreter with site and json: {site / base:.1f}")
    for level, reason in probe().levels.items():
        if reason:
            print(f"{level.value:9} not here: {reason}")
            continue
        started = median_s(lambda level=level: step(level), rounds)
        called = median_s(lambda level=level: worker(level), rounds)
        print(f"{level.value:9} step {started / base:.1f}  worker {called / base:.1f}")


if __name__ == "__main__":
    main()
