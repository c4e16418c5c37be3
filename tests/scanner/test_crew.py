"""The cases of `crew_cases`, in a process of one thread of their own.

Workers are forked from a process of one thread only, and some of the cases end the process that
reads a file: neither is for the process of all the other tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).with_name("crew_cases.py")
AT_LEAST = 14


def test_workers_read_files_for_a_process_of_one_thread(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--basetemp={tmp_path / 'cases'}", str(CASES)],
        cwd=CASES.parents[2],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(".") >= AT_LEAST, done.stdout
