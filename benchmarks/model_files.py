"""Hauberk and other scanners of model files on the same files, in the same run.

Prints for each tool how many dangerous files of each family it flags (exit code of a finding), how
many ordinary files it flags, how many end with any other code, and the processor seconds of its
whole processes per file. Other tools are taken from a virtual environment of their own, ordinary
files from a folder that `ordinary_files.py` wrote with other versions of the libraries:

    python benchmarks/model_files.py [--peers VENV] [--good FOLDER] [--ordinary N] [--every K]

With ``--bad FOLDER`` the dangerous files are those of somebody else, which nothing was tuned on:
every entry of the folder is one subject, a file, or a folder that is scanned whole.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from hauberk.attacks.model.alter_graph import GRAFTS, AlterGraph
from hauberk.attacks.model.blind_scanner import WAYS as HIDING
from hauberk.attacks.model.blind_scanner import BlindScanner
from hauberk.attacks.model.bring_code import WAYS as BRINGING
from hauberk.attacks.model.bring_code import BringCode
from hauberk.attacks.model.plant_payload import VARIANTS
from hauberk.attacks.model.rewrite_template import PAYLOADS, RewriteTemplate
from hauberk.core.artifact import ModelFile, ModelFolder
from hauberk.range.ordinary import write_ordinary

TIMEOUT_S = 120.0
_QUIET = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "NO_ANALYTICS": "1"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A scanner as it is called on one file.

    Attributes:
        found: Exit codes that mean a finding.
    """

    name: str
    words: tuple[str, ...]
    found: tuple[int, ...] = (1,)


PEERS = (
    Tool("picklescan", ("picklescan", "-p")),
    Tool("modelscan", ("modelscan", "-p")),
    Tool("fickling", ("fickling", "--check-safety")),
    Tool("modelaudit", ("modelaudit", "scan")),
    Tool("aisbom", ("aisbom", "scan", "--strict"), (2,)),
)


Families = dict[str, list[Path]]


def main() -> int:
    """Write the files, run the tools, print a table."""
    parser = argparse.ArgumentParser(description="compare scanners of model files")
    parser.add_argument("--peers", type=Path, metavar="VENV")
    parser.add_argument("--good", type=Path, metavar="FOLDER")
    parser.add_argument("--bad", type=Path, metavar="FOLDER")
    parser.add_argument("--ordinary", type=int, default=40, metavar="N")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="each Kth dangerous file")
    args = parser.parse_args()
    ours = Tool("hauberk", (sys.executable, "-m", "hauberk.cli", "scan"))
    with tempfile.TemporaryDirectory() as name:
        bad = given(args.bad, args.every) if args.bad else dangerous(Path(name), args.every)
        good = ordinary(Path(name), args.ordinary, args.good)
        print(f"{sum(map(len, bad.values()))} dangerous files, {len(good)} ordinary files")
        families = "".join(f"{family:>12}" for family in bad)
        print(f"{'':12}{families}{'all':>10}{'false':>8}{'other exit':>12}{'CPU s a file':>14}")
        for tool in (ours, *installed(args.peers)):
            print(row(tool, bad, good), flush=True)
    return 0


def given(folder: Path, every: int) -> Families:
    """Dangerous files that somebody else wrote; a folder of one file stands for that file."""
    found = []
    for entry in sorted(folder.iterdir())[::every]:
        inside = sorted(entry.iterdir()) if entry.is_dir() else []
        found.append(inside[0] if len(inside) == 1 else entry)
    return {"given": found}


def dangerous(folder: Path, every: int) -> Families:
    """Variants of the attacks, each in a folder of its own; none is ever loaded."""
    made: Families = {"pickles": [], "hidden": [], "graphs": [], "templates": [], "folders": []}
    for label, variant in list(VARIANTS.items())[::every]:
        place = folder / "bad" / label
        place.mkdir(parents=True)
        made["pickles"].append(place / f"model{variant.suffix}")
        made["pickles"][-1].write_bytes(variant.make(str(place / "canary")))
    attacks: dict[str, list[Any]] = {
        "hidden": [BlindScanner(way=way) for way in HIDING],
        "graphs": [AlterGraph(variant=variant) for variant in GRAFTS],
        "templates": [RewriteTemplate(payload=payload) for payload in PAYLOADS],
        "folders": [BringCode(way=way) for way in BRINGING],
    }
    for family, variants in attacks.items():
        for number, attack in enumerate(variants[::every]):
            start = folder / family / str(number) / "model"
            start.parent.mkdir(parents=True)
            kind = ModelFolder if family == "folders" else ModelFile
            attacked = attack.apply(kind(name="m", path=start), Random(50_000 + number))
            made[family].append(attacked.subject.path)
    return made


def ordinary(folder: Path, count: int, given: Path | None) -> list[Path]:
    """Files as people write them, with seeds and library versions that nothing was tuned on."""
    if given is not None:
        found = sorted(path for path in given.rglob("*") if path.is_file())
        return found[:: max(1, len(found) // count)][:count]
    made = []
    for number in range(count):
        place = folder / "good" / str(number)
        place.mkdir(parents=True)
        made.append(write_ordinary(place, Random(50_000 + number)))
    return made


def installed(venv: Path | None) -> list[Tool]:
    """Peers that are there, called by their path."""
    if venv is None:
        print("(no --peers: Hauberk alone)")
        return []
    tools = []
    for peer in PEERS:
        program = venv / "bin" / peer.words[0]
        if program.exists():
            tools.append(Tool(peer.name, (str(program), *peer.words[1:]), peer.found))
    return tools


def row(tool: Tool, bad: Families, good: Sequence[Path]) -> str:
    """One line of the table."""
    before = _children()
    codes = {family: [exit_code(tool, path) for path in paths] for family, paths in bad.items()}
    codes_good = [exit_code(tool, path) for path in good]
    codes_bad = [code for found in codes.values() for code in found]
    seconds = (_children() - before) / max(1, len(codes_bad) + len(good))
    shares = "".join(f"{_share(tool, found):>12}" for found in codes.values())
    false = sum(code in tool.found for code in codes_good)
    other = sum(code not in (0, *tool.found) for code in codes_bad + codes_good)
    whole = f"{_share(tool, codes_bad):>10}{false:>8}{other:>12}{seconds:>14.2f}"
    return f"{tool.name:12}{shares}{whole}"


def _share(tool: Tool, codes: Sequence[int]) -> str:
    return f"{sum(code in tool.found for code in codes)}/{len(codes)}"


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def exit_code(tool: Tool, path: Path) -> int:
    """How the tool ends on one file; -1 where it takes too long."""
    try:
        done = subprocess.run(
            [*tool.words, str(path)],
            capture_output=True,
            cwd=tempfile.gettempdir(),  # some leave files where they are called
            env={**os.environ, **_QUIET},
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
