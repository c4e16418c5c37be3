"""A whole scan of a folder of code, cold and warm: what the kept results of files save.

    python benchmarks/code_cache.py src --runs 5

Runs the command in a process of its own with an empty cache folder, then again and again, and
prints processor seconds of each, for the whole and for each 100,000 lines of Python.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    lines = sum(path.read_bytes().count(b"\n") for path in asked.folder.rglob("*.py"))
    print(f"{lines} lines of Python")
    with tempfile.TemporaryDirectory() as cache:
        empty = scan(Path(cache), Path(cache) / "results")
        tell("start", [empty], lines)
        tell("cold", [scan(asked.folder, Path(cache) / "results")], lines)
        tell(
            "warm", [scan(asked.folder, Path(cache) / "results") for _ in range(asked.runs)], lines
        )


def scan(folder: Path, cache: Path) -> float:
    """Processor seconds of one scan of the work tree."""
    words = [str(Path(sys.executable).with_name("hauberk")), "scan", str(folder), "--no-history"]
    places = {"XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(cache)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, capture_output=True, check=False, env=os.environ | places)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def tell(name: str, seconds: list[float], lines: int) -> None:
    middle = statistics.median(seconds)
    share = middle / max(lines, 1) * 100_000
    print(f"{name:6} {middle:7.2f} s {share:7.2f} s for 100,000 lines, {len(seconds)} runs")


if __name__ == "__main__":
    main()
