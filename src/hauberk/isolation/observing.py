"""Watching an unmodified project run: what it reads, writes and talks to.

Nothing is refused and nothing is proved: what is seen here proposes a lifecycle file, it
is no evidence of isolation. `strace` sees every process and every system call; where it
cannot be used, an audit hook in every Python process sees what Python itself does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hauberk.core.policy import Isolation
from hauberk.errors import UnavailableError, UsageError
from hauberk.isolation import audit_shim, auditing, tracing
from hauberk.isolation.activity import Activity, ObservedProcess, summarise
from hauberk.isolation.grants import Grants
from hauberk.isolation.levels import Work, as_command
from hauberk.isolation.limits import Completed, Limits
from hauberk.isolation.scratch import scratch_folder
from hauberk.isolation.steps import completed
from hauberk.isolation.supervision import supervise

_TRIAL_S = 10.0


class Means(StrEnum):
    """Who watches."""

    STRACE = "strace"
    AUDIT_HOOK = "python audit hook"


_BLIND: dict[Means, tuple[str, ...]] = {
    Means.STRACE: (
        "host names found without a plain DNS query (a caching daemon, DNS over TLS)",
        "files handed over as open descriptors, and input and output through io_uring",
    ),
    Means.AUDIT_HOOK: (
        "programs that are not Python, and Python started with -I, -E or -S",
        "files and sockets opened by native libraries (Arrow, HDF5, CUDA and the like)",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen of a run.

    Attributes:
        reads: Files that were there before the run wrote them, sorted.
        writes: Files that the run made or changed and left, sorted.
        hosts: Names looked up, ``address:port`` of connections, ``unix:`` sockets.
        processes: Programs that touched any of these, in the order of their start.
        left_out: How many paths of the distribution and of Python environments were seen
            and are not listed.
        means: Who watched.
        blind: What this watcher cannot see, one sentence each.
        completed: How the command ended.
    """

    reads: tuple[Path, ...]
    writes: tuple[Path, ...]
    hosts: tuple[str, ...]
    processes: tuple[ObservedProcess, ...]
    left_out: int
    means: Means
    blind: tuple[str, ...]
    completed: Completed


def observe_run(
    command: Sequence[str],
    cwd: Path,
    limits: Limits,
    *,
    env: Mapping[str, str] | None = None,
    means: Means | None = None,
) -> Observation:
    """Run a command as its user would, and watch it.

    Args:
        command: Program and arguments.
        cwd: Absolute folder to run in.
        limits: Held as for any step; the tree is dead when this returns.
        env: The command's environment; the caller's own by default, because the project
            shall run as it always does.
        means: Who watches; by default strace where it works here.

    Raises:
        UsageError: The folder is missing or the limits cannot be.
        UnavailableError: The watcher asked for does not work here.
    """
    limits.check()
    if not cwd.is_absolute() or not cwd.is_dir():
        raise UsageError("a run needs an existing absolute folder", subject=str(cwd))
    chosen = _choose(means)
    given = dict(os.environ if env is None else env)
    with scratch_folder() as scratch:
        watch = {Means.STRACE: _by_strace, Means.AUDIT_HOOK: _by_audit_hook}[chosen]
        done, activity = watch(as_command(command), cwd, limits, given, scratch)
    return Observation(
        reads=activity.reads,
        writes=activity.writes,
        hosts=activity.hosts,
        processes=activity.processes,
        left_out=activity.left_out,
        means=chosen,
        blind=_BLIND[chosen],
        completed=done,
    )


def _choose(means: Means | None) -> Means:
    works = means is not Means.AUDIT_HOOK and _strace_works()
    if means is Means.STRACE and not works:
        raise UnavailableError(
            "strace cannot watch here",
            subject="strace",
            found="not installed" if _strace() is None else "installed, but tracing is refused",
            hint="install strace 5.3 or later, or let the audit hook watch",
        )
    return Means.STRACE if works else Means.AUDIT_HOOK


def _strace() -> str | None:
    return shutil.which("strace", path="/usr/local/bin:/usr/bin:/bin")


def _strace_command(log: str) -> tuple[str, ...]:
    calls = ",".join(f"?{name}" for name in tracing.TRACED.split())
    quiet = ("-qq", "-e", "signal=none", "-s", "4096")
    # The kernel filter stops only at the traced calls, which is what keeps this usable.
    return (_strace() or "strace", "-f", "--seccomp-bpf", "-yy", *quiet, "-e", calls, "-o", log)


def _strace_works() -> bool:
    if _strace() is None:
        return False
    trial = subprocess.run(
        [*_strace_command(os.devnull), "--", "/bin/true"],
        capture_output=True,
        check=False,
        timeout=_TRIAL_S,
    )
    return trial.returncode == 0


_Watched = tuple[Completed, Activity]
_Watcher = Callable[[tuple[str, ...], Path, Limits, dict[str, str], Path], _Watched]


def _by_strace(
    command: tuple[str, ...], cwd: Path, limits: Limits, env: dict[str, str], scratch: Path
) -> _Watched:
    log = scratch / "trace"
    done = _run((*_strace_command(str(log)), "--", *command), cwd, limits, env, scratch)
    if not log.exists():
        return done, summarise(())
    with log.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        return done, summarise(tracing.deeds_in(lines, str(cwd)))


def _by_audit_hook(
    command: tuple[str, ...], cwd: Path, limits: Limits, env: dict[str, str], scratch: Path
) -> _Watched:
    log, shim = scratch / "deeds", scratch / "shim"
    shim.mkdir()
    auditing.write_shim(shim)
    before = env.get("PYTHONPATH")
    env["PYTHONPATH"] = str(shim) if not before else f"{shim}{os.pathsep}{before}"
    env[audit_shim.LOG] = str(log)
    done = _run(command, cwd, limits, env, scratch)
    if not log.exists():
        return done, summarise(())
    with log.open("rb") as lines:
        return done, summarise(auditing.deeds_in(lines))


def _run(
    command: tuple[str, ...], cwd: Path, limits: Limits, env: dict[str, str], scratch: Path
) -> Completed:
    work = Work(command=command, cwd=cwd, grants=Grants(), limits=limits, scratch=scratch)
    report, _ = supervise(work, Isolation.OBSERVE, env=env)
    return completed(report, Isolation.OBSERVE)
