"""What a stranger meets in the first minute: install, then the first commands, every line read.

python scripts/first_minute.py WHEEL [--constraints FILE] [--environment DIR]

A home of its own, an empty working folder and no variables but the locale: what a new user
has. The wheel is installed into a new environment, or one that is there is taken. A line
fails that shows a traceback, a warning of some library, a path inside the installation, an
object's address or a control character, or that is too wide to read. Times are printed and
not judged: how busy the machine is says more about them than the project does.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAX_WIDTH = 160
FAULTS = {
    "a traceback": re.compile(r"^\s*Traceback \(most recent|^\s*File \"[^\"]+\", line \d+"),
    "a warning": re.compile(r"\b\w*Warning\b|^\s*warn(ing)?:", re.IGNORECASE),
    "a path of the installation": re.compile(r"site-packages"),
    "an address of an object": re.compile(r"\bat 0x[0-9a-f]{4,}"),
    "a control character": re.compile(r"[\x00-\x08\x0b-\x1f\x7f]"),
    "an unfilled word": re.compile(r"\{[a-z_]+\}|\bNone\b|\bnan\b"),
}
ROOT = "hauberk-try/configuration/roots/tumours.json"
STEPS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("--version",), 0),
    (("--help",), 0),
    (("try",), 0),
    (("verify", "hauberk-try/tumours", "--root", ROOT), 0),
    (("explain", "hauberk-try/tumours", "--root", ROOT), 0),
    (("report", "hauberk-try/tumours", "--format", "text"), 0),
    (("scan", "hauberk-try/tumours/data"), 0),
    (("run", "nowhere"), 2),
    (("scna", "."), 2),
)
"""What a stranger types, with the exit codes that are right."""


def main() -> int:
    """0 where every line of every command is fit to be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", nargs="?")
    parser.add_argument("--constraints")
    parser.add_argument("--environment", type=Path, help="an installation to take as it is")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch, "home")
        work = home / "work"
        work.mkdir(parents=True)
        started = time.monotonic()
        place = args.environment or install(Path(scratch), args.wheel, args.constraints)
        print(f"installed after {time.monotonic() - started:.0f} s")
        faults = [
            fault for words, code in STEPS for fault in tried(place.resolve(), words, code, home)
        ]
        print(f"all of it after {time.monotonic() - started:.0f} s")
    for fault in faults:
        print(f"first minute: {fault}", file=sys.stderr)
    return 1 if faults else 0


def install(scratch: Path, wheel: str | None, constraints: str | None) -> Path:
    """A new environment with the wheel and everything that `hauberk try` needs."""
    if wheel is None:
        sys.exit("name a wheel, or an environment with --environment")
    place = scratch / "environment"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    held = ["--constraint", constraints] if constraints else []
    asked = f"{Path(wheel).resolve()}[all]"
    subprocess.run([place / "bin" / "pip", "install", "--quiet", *held, asked], check=True)
    return place


def tried(place: Path, words: tuple[str, ...], code: int, home: Path) -> list[str]:
    """What is wrong with one command's exit code and lines."""
    variables = {
        "HOME": str(home),
        "PATH": f"{place / 'bin'}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
    }
    started = time.monotonic()
    done = subprocess.run(
        ["hauberk", *words],
        executable=str(place / "bin" / "hauberk"),
        cwd=home / "work",
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    shown = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    name = " ".join(("hauberk", *words))
    print(f"  {time.monotonic() - started:5.1f} s  {name}: {len(shown)} lines")
    found = [f"{name} ended with {done.returncode}, not {code}"] if done.returncode != code else []
    if not shown:
        found.append(f"{name} said nothing")
    return found + [f"{name}: {fault}" for line in shown for fault in faults_of(line)]


def faults_of(line: str) -> list[str]:
    """What makes a line unfit to be read."""
    found = [f"{what}: {line[:200]}" for what, form in FAULTS.items() if form.search(line)]
    return found + (
        [f"a line of {len(line)} characters: {line[:80]}"] if len(line) > MAX_WIDTH else []
    )


if __name__ == "__main__":
    sys.exit(main())
