"""The process between: what it does when others fail, and what it keeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hauberk.isolation import Grants, Limits, run
from hauberk.isolation import warden as warden_module
from hauberk.isolation.processes import descendants, tree_usage

CALLER = """
import sys
from pathlib import Path
from hauberk.core.policy import Isolation
from hauberk.isolation import Grants, Limits, run
work = Path(sys.argv[1])
run(["sh", "-c", "touch started; while true; do echo . >> beats; sleep 0.02; done"],
    cwd=work, grants=Grants(write=(work,)), limits=Limits(), level=Isolation(sys.argv[2]))
"""


def wait_until(holds, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return False


def stands_still(path: Path) -> bool:
    before = path.stat().st_size
    time.sleep(0.2)
    return path.stat().st_size == before


@pytest.fixture
def caller(work, level, tmp_path):
    """Another process that runs an endless step."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(temporary)}
    command = [sys.executable, "-c", CALLER, str(work), level.value]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        assert wait_until((work / "beats").exists)
        yield process
        process.kill()


def test_a_step_dies_with_its_killed_caller(caller, work) -> None:
    caller.kill()
    caller.wait()
    assert wait_until(lambda: stands_still(work / "beats"))


def test_a_killed_caller_leaves_no_folder_behind(caller, work, tmp_path) -> None:
    caller.kill()
    caller.wait()
    assert wait_until(lambda: not list((tmp_path / "temporary").iterdir()))


def test_a_step_dies_with_its_interrupted_caller(caller, work) -> None:
    caller.send_signal(signal.SIGINT)
    caller.wait(30)
    assert stands_still(work / "beats")


def test_steps_side_by_side_keep_apart(work, level) -> None:
    def one(number: int) -> bytes:
        command = ["sh", "-c", f"sleep 0.05; echo {number}"]
        grants = Grants(write=(work,))
        return run(command, cwd=work, grants=grants, limits=Limits(), level=level).stdout

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(8))) == [b"%d\n" % number for number in range(8)]


def test_no_descriptor_and_no_child_is_left_with_the_caller(work, level) -> None:
    def now() -> tuple[int, int]:
        return sum(1 for _ in Path("/proc/self/fd").iterdir()), len(descendants(os.getpid()))

    before = now()
    run(["true"], cwd=work, grants=Grants(), limits=Limits(), level=level)
    assert now() == before


def test_a_step_may_be_started_from_any_thread(work, level) -> None:
    found = []

    def start() -> None:
        done = run(["echo", "x"], cwd=work, grants=Grants(), limits=Limits(), level=level)
        found.append(done.stdout)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert found == [b"x\n"]


def test_the_tail_never_holds_more_than_twice_its_limit() -> None:
    tail = warden_module.Tail(10)
    for _ in range(100):
        tail.add(b"0123456")
        assert len(tail._data) <= 20 + 7
    assert tail.value() == (b"0123456" * 100)[-10:]


def test_the_kernel_ends_a_step_before_its_warden_when_memory_is_short(python_step, level):
    done = python_step("print(open('/proc/self/oom_score_adj').read())", level)
    assert done.stdout == b"500\n\n"


def test_a_tree_is_seen_with_its_grandchildren() -> None:
    def is_seen(root: int) -> bool:
        count, _, rss = tree_usage(root)
        return count == 1 and rss > 0

    with subprocess.Popen(["sh", "-c", "sleep 30 & wait"]) as process:
        # While it turns from a copy of the shell into another program it has no memory.
        seen = wait_until(lambda: is_seen(process.pid))
        inner = descendants(process.pid)
        process.kill()
        os.kill(inner[0], signal.SIGKILL)
    assert seen
    assert len(inner) == 1


def test_an_enforced_step_cannot_end_its_warden(python_step, enforced) -> None:
    code = """
import os, signal
try:
    os.kill(os.getppid(), signal.SIGKILL)
except OSError:
    pass
print('alive')
"""
    assert python_step(code, enforced).stdout == b"alive\n"
