"""How the level landlock does where the kernel's Landlock is older than this one's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hauberk.core.policy import Isolation
from hauberk.errors import UnavailableError
from hauberk.isolation import Grants, Limits, interpreter_grants
from hauberk.isolation.levels import Work
from hauberk.isolation.steps import completed
from hauberk.isolation.supervision import supervise

PYTHON = Path(sys.executable)


@pytest.fixture(params=[3, 4, 5, 6])
def at_abi(request, work, tmp_path, need_landlock):
    """Run a script with Landlock held back to a version."""

    def step(code: str, *arguments: str):
        scratch = tmp_path.resolve() / "scratch"
        scratch.mkdir()
        order = Work(
            command=(str(PYTHON), "-c", code, *arguments),
            cwd=work,
            grants=Grants(read=interpreter_grants(PYTHON), write=(work,)),
            limits=Limits(wall_s=30),
            scratch=scratch,
            max_landlock_abi=request.param,
        )
        report, _ = supervise(order, Isolation.LANDLOCK)
        return completed(report, Isolation.LANDLOCK)

    return step


def test_files_outside_stay_closed(at_abi, tmp_path) -> None:
    (tmp_path / "key").write_text("PRIVATE", "utf-8")
    assert at_abi("import sys; open(sys.argv[1])", str(tmp_path / "key")).exit_code == 1


def test_files_outside_cannot_be_emptied(at_abi, tmp_path) -> None:
    (tmp_path / "key").write_text("PRIVATE", "utf-8")
    at_abi("import os, sys; os.truncate(sys.argv[1], 0)", str(tmp_path / "key"))
    assert (tmp_path / "key").read_text("utf-8") == "PRIVATE"


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX"])
def test_no_socket_can_be_made(at_abi, family) -> None:
    done = at_abi(f"import socket; socket.socket(socket.{family})")
    assert b"PermissionError" in done.stderr


def test_neither_warden_nor_caller_can_be_signalled(at_abi) -> None:
    code = """
import os, sys
for process in (os.getppid(), int(sys.argv[1])):
    try:
        os.kill(process, 0)
    except PermissionError:
        print('refused')
"""
    assert at_abi(code, str(os.getpid())).stdout == b"refused\n" * 2


def test_children_can_still_be_signalled(at_abi) -> None:
    code = "import subprocess; p = subprocess.Popen(['sleep', '60']); p.kill(); print(p.wait())"
    assert at_abi(code).stdout == b"-9\n"


def test_a_kernel_before_the_oldest_has_no_such_level(work, tmp_path) -> None:
    order = Work(
        command=("true",),
        cwd=work,
        grants=Grants(),
        limits=Limits(),
        scratch=tmp_path,
        max_landlock_abi=2,
    )
    with pytest.raises(UnavailableError, match="ABI 2"):
        supervise(order, Isolation.LANDLOCK)
