"""Turning grants, limits and a level into a plan that the warden carries out."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.core.policy import Isolation
from hauberk.errors import UnavailableError
from hauberk.isolation import landlock, netns, seccomp
from hauberk.isolation.grants import Bind, Grants
from hauberk.isolation.interpreters import system_grants
from hauberk.isolation.limits import Limits

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_KERNEL_FACTS = (
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/version",
    "/proc/filesystems",
    "/proc/sys/vm",
    "/proc/sys/kernel/pid_max",
)
"""Libraries size their thread pools by these; no file of another process is among them."""

_PASSED_ON = (
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
_PATH = "/usr/local/bin:/usr/bin:/bin"
_SPARE_PROCESSES = 1024
_HOME_NAME = "home"
_BUBBLEWRAP_PROCESSES = 2  # the one that waits outside and the first one inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One thing to run, before a level has been chosen for it.

    Attributes:
        command: Program and arguments.
        scratch: A fresh folder on the host: the step's ``/tmp`` and home.
        descriptors: Open descriptors that the work inherits besides the three standard
            ones; only `workers` passes any.
        max_landlock_abi: Newest Landlock version to use; less is for trying out how an
            older kernel does.
    """

    command: tuple[str, ...]
    cwd: Path
    grants: Grants
    limits: Limits
    scratch: Path
    descriptors: tuple[int, ...] = ()
    max_landlock_abi: int = landlock.SIGNAL_ABI


def plan(work: Work, level: Isolation, *, warden: int) -> dict[str, Any]:
    """The warden's orders for ``work`` at ``level``.

    Args:
        work: What to run.
        level: At which level.
        warden: Process id of the warden, which the work must not be able to end.

    Raises:
        UnavailableError: The level is missing something that the grants ask for.
    """
    (work.scratch / _HOME_NAME).mkdir(exist_ok=True)
    builders: dict[Isolation, Callable[[Work, int], dict[str, Any]]] = {
        Isolation.FULL: _full,
        Isolation.LANDLOCK: _landlock,
        Isolation.OBSERVE: _observe,
    }
    written = [*work.grants.write, *(bind.source for bind in work.grants.binds if bind.writable)]
    limits = work.limits
    return {
        "descriptors": list(work.descriptors),
        "limits": {name: getattr(limits, name) for name in limits.__dataclass_fields__},
        "rlimits": _resource_limits(limits),
        "scratch": str(work.scratch),
        "watched": [str(path) for path in (*written, work.scratch) if path.is_dir()],
        "namespaces": False,
        "own_processes": 0,
        "landlock": None,
        "filter": "",
        "heard": None,
        "channel": None,
        **builders[level](work, warden),
    }


def _resource_limits(limits: Limits) -> dict[str, list[int]]:
    cpu_s = max(1, round(limits.cpu_s + 0.5))
    found = {
        "RLIMIT_CORE": [0, 0],
        "RLIMIT_CPU": [cpu_s, cpu_s + 1],
        "RLIMIT_DATA": [limits.memory_bytes, limits.memory_bytes],
        "RLIMIT_FSIZE": [limits.file_bytes, limits.file_bytes],
    }
    if os.geteuid() != 0:
        # Counts all threads of the user, so it only stops a fork bomb from taking the
        # machine; root is exempt. The exact number is held by the warden.
        threads = _threads_of_user()
        spare = _SPARE_PROCESSES + 16 * limits.processes
        found["RLIMIT_NPROC"] = [threads + spare, threads + spare]
    return found


def _threads_of_user() -> int:
    """Threads that count against the user's process limit now, roughly."""
    own, total = os.geteuid(), 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == own:
                total += sum(1 for _ in os.scandir(f"{entry.path}/task"))
        except OSError:
            continue
    return total


def _environment(work: Work, home: str, temporary: str) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    own = {"PATH": _PATH, "HOME": home, "TMPDIR": temporary, "PYTHONDONTWRITEBYTECODE": "1"}
    return {**passed, **own, **work.grants.env}


def _on_host(work: Work) -> dict[str, Any]:
    """What the levels without a file system view of their own share."""
    for bind in work.grants.binds:
        if bind.source != bind.target:
            raise UnavailableError(
                "this level cannot make a path appear elsewhere",
                subject=f"{bind.source} at {bind.target}",
                expected="source and target the same, or the level full",
                hint="stage a copy at the target inside a granted folder",
            )
    home = work.scratch / _HOME_NAME
    return {
        "argv": list(work.command),
        "env": _environment(work, str(home), str(work.scratch)),
        "start_in": str(work.cwd),
    }


def _observe(work: Work, _warden: int) -> dict[str, Any]:
    return _on_host(work)


def _refuse_network(grants: Grants, level: Isolation) -> None:
    if grants.network:
        raise UnavailableError(
            "only the level full can open the network to single hosts",
            subject=", ".join(grants.network),
            found=level.value,
            hint="fetch in an acquisition step with a pinned digest, or run without hosts",
        )


def _landlock(work: Work, warden: int) -> dict[str, Any]:
    _refuse_network(work.grants, Isolation.LANDLOCK)
    version = min(landlock.abi(), work.max_landlock_abi)
    if version < landlock.MIN_ABI:
        raise UnavailableError(
            "Landlock is missing or too old",
            found=f"ABI {version}",
            expected=f"ABI {landlock.MIN_ABI} (Linux 6.2) or later",
        )
    binds = work.grants.binds
    read = [*work.grants.read, *(bind.source for bind in binds if not bind.writable)]
    write = [*work.grants.write, *(bind.source for bind in binds if bind.writable), work.scratch]
    protected = () if version >= landlock.SIGNAL_ABI else (os.getpid(), os.getpgrp(), warden)
    rules = seccomp.landlock_rules(protected=protected)
    machine = os.uname().machine
    return {
        **_on_host(work),
        "landlock": {
            "abi": version,
            "read": [*map(str, system_grants()), *_KERNEL_FACTS, "/proc/self", *map(str, read)],
            "write": [str(path) for path in write],
            "devices": list(_DEVICES),
        },
        "filter": seccomp.assemble(rules, machine).hex(),
        "heard": _heard(seccomp.heard(rules), machine, refuse=True),
    }


def _heard(rules: tuple[seccomp.Rule, ...], machine: str, *, refuse: bool) -> dict[str, Any]:
    return {
        "program": seccomp.assemble(rules, machine).hex(),
        "names": seccomp.names_of(rules, machine),
        "refuse": refuse,
    }


def find_bubblewrap(folders: str = _PATH) -> str:
    """Path of ``bwrap``, looked for in the system's folders only, never in the caller's.

    Args:
        folders: Where to look, separated by colons.

    Raises:
        UnavailableError: It is not installed.
    """
    program = shutil.which("bwrap", path=folders)
    if program is None:
        raise UnavailableError(
            "bubblewrap is not installed",
            subject="bwrap",
            hint="install the package bubblewrap of your distribution",
        )
    return program


def _full(work: Work, _warden: int) -> dict[str, Any]:
    program = find_bubblewrap()
    front = (program, *_namespaces(), *_view(work))
    machine = os.uname().machine
    # A bubblewrap that is set-user-id needs the privileges that a listener gives up.
    set_id = Path(program).stat().st_mode & stat.S_ISUID
    home = f"/tmp/{_HOME_NAME}"  # noqa: S108 - inside the step's own view, private to it
    return {
        "argv": [*front, "--chdir", str(work.cwd), "--", *work.command],
        "env": {**_way_out(work.grants), **_environment(work, home, "/tmp")},  # noqa: S108 - as above
        "start_in": "/",
        "namespaces": True,
        "own_processes": _BUBBLEWRAP_PROCESSES,
        "filter": seccomp.assemble(seccomp.full_rules(), machine).hex(),
        "heard": None if set_id else _heard(seccomp.network_rules(), machine, refuse=False),
    }


def _way_out(grants: Grants) -> dict[str, str]:
    """Variables by which programs find the proxy; where nothing is granted there is none."""
    if not grants.network:
        return {}
    address = "http://{}:{}".format(*netns.ADDRESS)
    return dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), address)


def _namespaces() -> Iterator[str]:
    yield from ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net")
    yield from ("--unshare-uts", "--unshare-cgroup-try", "--hostname", "step")
    yield from ("--new-session", "--die-with-parent", "--cap-drop", "ALL")


def _view(work: Work) -> Iterator[str]:
    """The step's file system, outer mounts before inner ones."""
    yield from _system_view()
    # Settings of the kernel below /proc/sys obey the user id alone, so for root's steps
    # the whole of /proc is read-only: they could name a program that runs as root.
    yield from ("--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc")
    yield from ("--size", str(work.limits.memory_bytes), "--tmpfs", "/dev/shm")  # noqa: S108 - private
    yield from ("--remount-ro", "/dev")
    for fact in _KERNEL_FACTS:
        if fact.startswith("/sys/devices"):
            yield from ("--ro-bind-try", fact, fact)
    scratch = Bind(source=work.scratch, target=Path("/tmp"), writable=True)  # noqa: S108 - private
    for bind in sorted((scratch, *_mounts(work)), key=lambda bind: len(bind.target.parts)):
        source = str(bind.source.resolve())
        yield from (_mount_option(bind), source, str(bind.target))
    if not _is_visible(work.cwd, work):
        yield from ("--dir", str(work.cwd))
    yield from ("--remount-ro", "/")


def _system_view() -> Iterator[str]:
    for path in system_grants():
        if path.is_symlink() and len(path.parts) == 2:  # noqa: PLR2004 - /bin -> usr/bin
            yield from ("--symlink", str(path.readlink()), str(path))
        else:
            yield from ("--ro-bind", str(path.resolve()), str(path))


def _mounts(work: Work) -> Iterator[Bind]:
    grants = work.grants
    for writable, paths in ((False, grants.read), (True, grants.write)):
        for path in paths:
            yield Bind(source=path, target=path, writable=writable)
            if path.resolve() != path:
                yield Bind(source=path, target=path.resolve(), writable=writable)
    yield from grants.binds


def _mount_option(bind: Bind) -> str:
    if bind.source.is_relative_to("/dev"):
        return "--dev-bind"
    return "--bind" if bind.writable else "--ro-bind"


def _is_visible(path: Path, work: Work) -> bool:
    return any(path.is_relative_to(bind.target) for bind in _mounts(work))


def as_command(command: Sequence[str]) -> tuple[str, ...]:
    """A command that the kernel can take.

    Raises:
        UnavailableError: It is empty or holds a zero byte.
    """
    if not command or any("\0" in part for part in command):
        raise UnavailableError("there is no command to run", subject=repr(command)[:200])
    return tuple(command)
