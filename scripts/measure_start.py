"""Measure how long the command takes to start, as a ratio to a bare interpreter.

python scripts/measure_start.py            print the ratios
python scripts/measure_start.py --limit    exit 1 where one is above its limit three times

Runs alternate, the best of several counts: a busy machine makes single runs slower, never
faster.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

BARE = (sys.executable, "-c", "import argparse, dataclasses")
COMMANDS = ((("--help",), 3.0), (("threats",), 6.0))
RUNS = 15
TRIES = 3


def main() -> int:
    """Print the ratios; 1 where a limit is demanded and missed in every try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", action="store_true")
    limited = parser.parse_args().limit
    return 1 if any(not held(words, limit) for words, limit in COMMANDS) and limited else 0


def held(words: tuple[str, ...], limit: float) -> bool:
    """Whether one of the tries stays within the limit."""
    for _ in range(TRIES):
        bare, ours = best((BARE, (sys.executable, "-m", "hauberk.cli", *words)))
        print(
            f"hauberk {' '.join(words)}: {1000 * ours:.0f} ms, {ours / bare:.1f} times a bare"
            f" interpreter ({1000 * bare:.0f} ms); at most {limit:g}"
        )
        if ours <= limit * bare:
            return True
    return False


def best(commands: tuple[tuple[str, ...], ...]) -> list[float]:
    """The shortest wall-clock time of each command in seconds, runs alternating."""
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(RUNS):
        for command, taken in zip(commands, times, strict=True):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


if __name__ == "__main__":
    sys.exit(main())
