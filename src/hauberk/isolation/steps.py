"""Running a command of the user at a level."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from hauberk.core.policy import Isolation
from hauberk.errors import UnavailableError, UsageError
from hauberk.isolation.grants import Grants, check_grants
from hauberk.isolation.levels import Work, as_command
from hauberk.isolation.limits import Completed, Limits, Usage
from hauberk.isolation.scratch import scratch_folder
from hauberk.isolation.supervision import Report, supervise

_NOT_FOUND, _NOT_EXECUTABLE, _SIGNAL_BASE = 127, 126, 128
_LIMIT_OF_SIGNAL: dict[int, str] = {signal.SIGXCPU: "cpu_s", signal.SIGXFSZ: "file_bytes"}


def run(
    command: Sequence[str], *, cwd: Path, grants: Grants, limits: Limits, level: Isolation
) -> Completed:
    """Run a command; its whole process tree is dead when this returns.

    Standard input is empty, no descriptor is inherited, the environment holds a handful
    of variables and ``grants.env``, home and ``/tmp`` are fresh and gone afterwards.

    Args:
        command: Program and arguments; programs are looked up in the step's ``PATH``.
        cwd: Absolute; the step sees of it what the grants say.
        grants: What it may touch.
        limits: What it may use.
        level: Exactly this level; nothing weaker is tried.

    Raises:
        UsageError: The grants or limits cannot mean what they say.
        UnavailableError: The level is not to be had here, with the reason.
        InternalError: The tree could not be ended.
    """
    check_grants(grants)
    limits.check()
    if not cwd.is_absolute() or not cwd.is_dir():
        raise UsageError("a step needs an existing absolute folder to run in", subject=str(cwd))
    with scratch_folder() as scratch:
        work = Work(
            command=as_command(command), cwd=cwd, grants=grants, limits=limits, scratch=scratch
        )
        report, _ = supervise(work, level)
    return completed(report, level)


def completed(report: Report, level: Isolation) -> Completed:
    """Read a report: set-up failures raise, everything else is how the step ended.

    Raises:
        UnavailableError: The level could not be put on.
    """
    stderr, code = report.stderr, _exit_code(report.status)
    if report.trouble:
        code = _code_of_trouble(report, level)
        stderr = (json.loads(report.trouble)[2] + "\n").encode()
    elif level is Isolation.FULL and not report.killed_by:
        code = _code_in_namespaces(report, code)
    killed_by = report.killed_by or _LIMIT_OF_SIGNAL.get(code - _SIGNAL_BASE, "")
    usage = Usage(wall_s=report.wall_s, cpu_s=report.cpu_s, max_rss_bytes=report.max_rss)
    return Completed(
        exit_code=code,
        stdout=report.stdout,
        stderr=stderr,
        usage=usage,
        denials=None if report.denials is None else tuple(report.denials),
        children={str(name): int(count) for name, count in report.children},
        level=level,
        timed_out=killed_by == "wall_s",
        killed_by=killed_by,
    )


def _exit_code(status: int | None) -> int:
    if status is None:
        return _SIGNAL_BASE + signal.SIGKILL
    if os.WIFSIGNALED(status):
        return _SIGNAL_BASE + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def _code_of_trouble(report: Report, level: Isolation) -> int:
    stage, number, message = json.loads(report.trouble)
    if stage == "exec" and level is not Isolation.FULL:
        return _NOT_FOUND if number == errno.ENOENT else _NOT_EXECUTABLE
    raise UnavailableError(
        f"the level {level.value} could not be put on",
        subject=stage,
        found=message,
        hint="see `hauberk.isolation.probe()` for what this machine allows",
    )


def _code_in_namespaces(report: Report, code: int) -> int:
    """Tell a set-up that failed from a command that did.

    Bubblewrap ends with 1 in both cases and names itself on standard error. A step that
    imitates it only makes its own result unavailable.
    """
    started = '"child-pid"' in report.namespaces
    if started and not (code == 1 and report.stderr.startswith(b"bwrap: ")):
        return code
    if started and report.stderr.startswith(b"bwrap: execvp "):
        return _NOT_FOUND if b"No such file" in report.stderr else _NOT_EXECUTABLE
    found = report.stderr.decode("utf-8", "replace").strip()[-400:]
    raise UnavailableError(
        "the level full could not be put on",
        subject="bwrap",
        found=found or "no message",
        hint="see `hauberk.isolation.probe()` for what this machine allows",
    )
