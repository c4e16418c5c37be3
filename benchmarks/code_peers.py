"""Own rules and other scanners over the same drawn faults and honest twins, in one run.

    python benchmarks/code_peers.py --trials 200 --tools /path/to/venv/bin

Writes each drawn fault of a group into a folder of its own kind and each twin into another,
runs every tool that is there over both, and prints the share of faulty files in which it tells
anything, the share of honest ones, and processor seconds. semgrep is left out: its rules come
from a server.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from hauberk.attacks.code.reword_fault import GROUPS, RewordFault
from hauberk.core.artifact import CodeTree

EMPTY = CodeTree(name="t", root=Path("/nowhere"), files=lambda: iter([]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--tools", type=Path, help="folder with the other scanners' programs")
    asked = parser.parse_args()
    print(f"{'group':9}{'tool':16}{'told':>7}{'twins':>7}{'cpu s':>8}")
    for group in GROUPS:
        with tempfile.TemporaryDirectory() as scratch:
            bad, good = draw(group, Path(scratch), asked.trials)
            for name, words, read in TOOLS:
                program = where(name, asked.tools)
                if program is None:
                    continue
                told, spent = files(program, words, read, bad)
                alarms, more = files(program, words, read, good)
                shares = f"{len(told) / asked.trials:7.2f}{len(alarms) / asked.trials:7.2f}"
                print(f"{group:9}{name:16}{shares}{spent + more:8.1f}", flush=True)


def draw(group: str, root: Path, trials: int) -> tuple[Path, Path]:
    """One folder with a folder for each fault, one with a folder for each twin."""
    for seed in range(10_000, 10_000 + trials):
        attacked = RewordFault(group=group).apply(EMPTY, Random(seed))
        (file,) = attacked.subject.files()
        for side, text in (("bad", file.text), ("good", attacked.truth["twin"])):
            path = root / side / f"case{seed}" / file.name
            path.parent.mkdir(parents=True)
            path.write_text(text, "utf-8")
    return root / "bad", root / "good"


def where(name: str, tools: Path | None) -> str | None:
    places = [str(Path(sys.executable).parent), *([str(tools)] if tools else [])]
    return shutil.which(name, path=os.pathsep.join(places))


def files(
    program: str, words: list[str], read: Callable[[str], set[str]], root: Path
) -> tuple[set[str], float]:
    """Cases in which a tool tells anything, and the processor seconds of its run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [program, *words, str(root)], capture_output=True, text=True, cwd=root, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {part for path in read(done.stdout) for part in Path(path).parts}
    return {part for part in found if part.startswith("case")}, spent


def of_hauberk(text: str) -> set[str]:
    return {
        item["path"]
        for item in json.loads(text)["findings"]
        if item["control"] != "code/told-places"
    }


def of_bandit(text: str) -> set[str]:
    return {
        item["filename"] for item in json.loads(text)["results"] if item["issue_severity"] != "LOW"
    }


def of_ruff(text: str) -> set[str]:
    mild = {"S101", "S110", "S112", "S311", "S404", "S403", "S603", "S607"}
    return {item["filename"] for item in json.loads(text) if item["code"] not in mild}


def of_zizmor(text: str) -> set[str]:
    runs = json.loads(text or '{"runs": []}')["runs"]
    return {
        place["physicalLocation"]["artifactLocation"]["uri"]
        for run in runs
        for result in run["results"]
        if result["level"] != "note"
        for place in result["locations"]
    }


def of_secrets(text: str) -> set[str]:
    return set(json.loads(text)["results"])


TOOLS: tuple[tuple[str, list[str], Callable[[str], set[str]]], ...] = (
    ("hauberk", ["scan", "--no-history", "--format", "json"], of_hauberk),
    ("bandit", ["-q", "-f", "json", "-r"], of_bandit),
    ("ruff", ["check", "--isolated", "--no-cache", "--select=S", "--output-format=json"], of_ruff),
    ("zizmor", ["--offline", "--no-config", "--format", "sarif", "--quiet"], of_zizmor),
    ("detect-secrets", ["scan", "--all-files"], of_secrets),
)  # fmt: skip

if __name__ == "__main__":
    main()
