"""Seeing and ending a whole process tree through ``/proc``.

Loaded by the warden; standard library's small modules only.
"""

from __future__ import annotations

import os
import signal
import time

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_UTIME, _RSS = 11, 21  # fields of /proc/PID/stat counted after the name in parentheses
_PAUSE_S = 0.005


def _read(path: str) -> bytes:
    """A file of ``/proc``; empty where the process has ended or is hidden."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would double the warden's start
            return file.read()
    except OSError:
        return b""


def _children_of(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - as above
    except OSError:
        return []
    lists = (_read(f"/proc/{pid}/task/{task}/children") for task in tasks)
    return [int(child) for line in lists for child in line.split()]


def _parents() -> dict[int, int]:
    """Parent of every visible process, for kernels that do not list children."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - as above
        fields = _fields(int(name)) if name.isdigit() else []
        if fields:
            found[int(name)] = int(fields[1])
    return found


def _fields(pid: int) -> list[bytes]:
    """Fields of ``/proc/PID/stat`` after the name, which may itself hold parentheses."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _lists_children() -> bool:
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # noqa: PTH110 - as above


def descendants(root: int) -> list[int]:
    """All living descendants of ``root``, parents first; zombies are among them."""
    if _lists_children():
        children_of = _children_of
    else:
        parents = _parents()

        def children_of(pid: int) -> list[int]:
            return [child for child, parent in parents.items() if parent == pid]

    found: list[int] = []
    waiting = [root]
    while waiting:
        children = children_of(waiting.pop())
        found += children
        waiting += children
    return found


def tree_usage(root: int) -> tuple[int, float, int]:
    """Living processes below ``root``, their processor seconds, their resident bytes.

    Processor time includes that of children already waited for. Pages shared by several
    processes count in each of them; `private_bytes` is exact and slower.
    """
    count, ticks, pages = 0, 0, 0
    for pid in descendants(root):
        fields = _fields(pid)
        if not fields:
            continue
        count += fields[0] != b"Z"
        ticks += sum(int(value) for value in fields[_UTIME : _UTIME + 4])
        pages += int(fields[_RSS])
    return count, ticks * _TICK_S, pages * _PAGE_BYTES


def programs(root: int) -> list[tuple[int, str]]:
    """Every living descendant with the program that it runs, parents first.

    The program is the file that the kernel runs, which no process can rename; where it is
    hidden, the name that the process gave itself stands after ``hidden:``.
    """
    found = []
    for pid in descendants(root):
        try:
            found.append((pid, os.readlink(f"/proc/{pid}/exe")))  # noqa: PTH115 - as above
        except OSError:
            stat = _read(f"/proc/{pid}/stat")
            fields = stat.rpartition(b")")[2].split()
            if fields and fields[0] not in (b"Z", b"X"):
                name = stat.partition(b"(")[2].rpartition(b")")[0].decode("utf-8", "replace")
                found.append((pid, f"hidden:{name}"))
    return found


def private_bytes(root: int) -> int | None:
    """Proportional memory of the tree (shared pages divided); ``None`` if not readable."""
    total = 0
    for pid in descendants(root):
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                total += int(line.split()[1]) * 1024
    return total or None


def _signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            continue  # changed its user; the loop that calls this notices that it stays


def reap() -> dict[int, int]:
    """Wait status of every child that has ended, this process's adopted orphans included."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def kill_tree(root: int, *, patience_s: float) -> tuple[dict[int, int], int]:
    """Kill every descendant until none is left; ``root`` must be the caller, a subreaper.

    Everything is stopped before it is killed, so that a tree which forks faster than it
    is killed stands still first.

    Returns:
        Wait statuses of the children reaped, and how many descendants resisted.
    """
    ended: dict[int, int] = {}
    until = time.monotonic() + patience_s
    stopped: set[int] = set()
    while True:
        ended.update(reap())
        alive = descendants(root)
        if not alive or time.monotonic() > until:
            return ended, len(alive)
        fresh = [pid for pid in alive if pid not in stopped]
        if fresh:
            _signal_all(fresh, signal.SIGSTOP)
            stopped.update(fresh)
            continue
        _signal_all(alive, signal.SIGKILL)
        time.sleep(_PAUSE_S)
