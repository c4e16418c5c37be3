"""A repository with a long history, and what a scan of it costs.

    python benchmarks/code_history.py --blobs 20000

Writes a repository by ``git fast-import``: commits of ten changed files each, small texts of the
kinds that projects hold, all different, in 970 files, and a credential in every thousandth.
Prints processor and wall seconds of ``hauberk scan``, how many of those credentials were told,
and what 100,000 blobs would take if the cost grew evenly; two sizes show whether it does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

_PER_COMMIT = 10
_WORDS = (
    *("rows", "model", "train", "score", "split", "label", "batch", "epoch", "loss", "weight"),
    *("table", "column", "value", "name", "path", "file", "read", "write", "load", "save"),
    *("check", "sum", "mean", "first", "last", "key", "item", "group", "part", "step"),
)
_NAMES = ("src/{}.py", "conf/{}.yaml", "docs/{}.md", "scripts/{}.sh", "notes/{}.txt")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--blobs", type=int, default=20_000)
    parser.add_argument("--lines", type=int, default=40, help="lines of one blob")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "project"
        planted = write(root, asked.blobs, asked.lines)
        seconds, wall, told = scanned(root, Path(place))
    grown = 100_000 / asked.blobs
    print(f"{asked.blobs} blobs of {asked.lines} lines, {planted} credentials planted, {told} told")
    print(f"{seconds:.1f} processor seconds, {wall:.1f} s by the clock")
    print(f"100,000 blobs: {seconds * grown:.0f} processor seconds, {wall * grown:.0f} s if even")


def write(root: Path, blobs: int, lines: int) -> int:
    """Make the repository; how many credentials lie in its history."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    rng = Random(7)
    planted = 0
    words = ["git", "-C", str(root), "fast-import", "--quiet"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for number in range(blobs // _PER_COMMIT):
            body = b"".join(_file(rng, number, place, lines) for place in range(_PER_COMMIT))
            planted += body.count(b"AKIA")
            process.stdin.write(_commit(number) + body + b"\n")
    subprocess.run(["git", "-C", str(root), "reset", "-q", "--hard", "main"], check=True)
    return planted


def _commit(number: int) -> bytes:
    when = f"{1_700_000_000 + 600 * number} +0000"
    text = f"Change {number}\n".encode()
    author = f"commit refs/heads/main\ncommitter a b <a@b.org> {when}\ndata {len(text)}\n"
    return author.encode() + text


def _file(rng: Random, number: int, place: int, lines: int) -> bytes:
    name = _NAMES[place % len(_NAMES)].format(f"part_{place}_{number % 97}")
    text = "".join(_lines(rng, lines))
    if (number * _PER_COMMIT + place) % 1000 == 3:  # noqa: PLR2004 - any place will do
        text += f'key = "AKIA{"".join(rng.choices(_LETTERS, k=16))}"\n'
    data = text.encode()
    return f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n"


def _lines(rng: Random, lines: int) -> Iterator[str]:
    for _ in range(lines):
        one, two, three = rng.choices(_WORDS, k=3)
        yield f"{one}_{rng.randrange(10**6)} = {two}({three}, {rng.randrange(10**4)})\n"


def scanned(root: Path, place: Path) -> tuple[float, float, int]:
    """Processor seconds, wall seconds, and credentials told, of one scan with its history."""
    words = [str(Path(sys.executable).with_name("hauberk")), "scan", str(root)]
    homes = {"XDG_CACHE_HOME": str(place / "c"), "XDG_STATE_HOME": str(place / "s")}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*words, "--format", "json"], capture_output=True, check=False, env=os.environ | homes
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = json.loads(done.stdout)["findings"]
    return seconds, wall, sum("AWS" in item["message"] for item in found)


if __name__ == "__main__":
    main()
