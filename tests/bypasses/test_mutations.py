"""No damaged file crashes or hangs the readers, or loses its verdict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("mutations.py")


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_end_in_a_verdict(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(seed), "1000"],
        capture_output=True,
        text=True,
        check=True,
    )
    (last,) = done.stdout.splitlines()
    assert last.startswith("1000 mutations of ")
