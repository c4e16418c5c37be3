"""Every command in a ``console`` block of the tutorials runs and prints what the page shows.

A line that begins with ``$`` is a command, ``>`` continues it, the lines below it are of its
output, in order; ``...`` stands for anything. A comment above a block says what is different about it:
``<!-- exit 1 -->`` where that code is expected, ``<!-- not run: reason -->``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if "```console" in page.read_text("utf-8")
)
_BLOCK = re.compile(r"(?:<!-- (?P<note>[^\n]*) -->\n+)?```console\n(?P<body>.*?)```", re.DOTALL)
_TIMEOUT_S = 240


@dataclass(frozen=True)
class Command:
    """One command of a page with what it must give."""

    text: str
    shown: tuple[str, ...]
    exit_code: int


def commands(text: str) -> Iterator[Command]:
    """The commands of a page that are to be run."""
    for block in _BLOCK.finditer(text):
        note = block["note"] or ""
        if note.startswith("not run: "):
            continue
        code = int(note.removeprefix("exit ")) if note.startswith("exit ") else 0
        for part in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
            line, *rest = part.rstrip().split("\n")
            more = list(itertools.takewhile(lambda item: item.startswith("> "), rest))
            shown = tuple(item for item in rest[len(more) :] if item.strip() not in ("", "..."))
            yield Command("\n".join([line, *(item[2:] for item in more)]), shown, code)


def missing(shown: tuple[str, ...], printed: str) -> list[str]:
    """Lines that are shown but were not printed in this order."""
    lines = iter(printed.splitlines())
    return [line for line in shown if not any(_matches(line, candidate) for candidate in lines)]


def _matches(shown: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("..."))
    return re.fullmatch(pattern, printed.strip()) is not None


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """A folder with the examples in it; what a page left running there is ended."""
    folder = tmp_path / "work"
    shutil.copytree(ROOT / "examples", folder / "examples")
    yield folder
    for file in folder.glob("*.pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(file.read_text("utf-8")), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_do_what_it_shows(page: Path, tmp_path: Path, work: Path):
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
    }
    assert not Path(environment["HOME"], ".config", "hauberk").exists()
    for command in commands(page.read_text("utf-8")):
        if command.text.startswith("cd "):
            work = work / command.text.removeprefix("cd ")
            continue
        done = subprocess.run(
            ["bash", "-c", command.text],
            cwd=work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            timeout=_TIMEOUT_S,
        )
        printed = done.stdout
        assert done.returncode == command.exit_code, f"$ {command.text}\n{printed}"
        assert missing(command.shown, printed) == [], f"$ {command.text}\n{printed}"


def test_there_are_commands_to_run():
    assert any(commands(page.read_text("utf-8")) for page in PAGES)


def test_a_line_that_was_not_printed_is_missing():
    assert missing(("one ... three",), "one two three\n") == []
    assert missing(("b", "a"), "a\nb\n") == ["a"]


def test_notes_above_a_block_are_read():
    text = (
        "<!-- exit 1 -->\n```console\n$ false\n```\n<!-- not run: slow -->\n```console\n$ x\n```\n"
    )
    assert list(commands(text)) == [Command("false", (), 1)]
