"""What the warden says of the programs that ran beside a step."""

from __future__ import annotations

import shutil
from pathlib import Path

SLEEP = Path(str(shutil.which("sleep"))).resolve().name
SLEEP_A_WHILE = """
import shutil, subprocess
subprocess.run(["kworker", "0.8"], executable=shutil.which("sleep"), check=True)
"""
FORK_A_WHILE = """
import os, time
child = os.fork()
if child == 0:
    time.sleep(0.8)
    os._exit(0)
os.waitpid(child, 0)
"""
HIDE_A_WHILE = """
import ctypes, os, time
child = os.fork()
if child == 0:
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    time.sleep(0.8)
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_step_alone_has_no_children(python_step, level):
    assert python_step("import time; time.sleep(0.3)", level).children == {}


def test_a_child_is_named_by_the_file_that_runs_and_not_by_itself(python_step, level):
    children = python_step(SLEEP_A_WHILE, level).children
    assert [Path(name).name for name in children] == [SLEEP]


def test_a_forked_child_of_the_same_program_counts(python_step, level):
    assert list(python_step(FORK_A_WHILE, level).children.values()) == [1]


def test_a_child_that_hides_its_file_is_seen_all_the_same(python_step, level):
    assert sum(python_step(HIDE_A_WHILE, level).children.values()) == 1
