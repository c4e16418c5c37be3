"""The process between us and the work.

Started by `steps` and `workers` as a fresh isolated interpreter with one thread, so that
``fork`` is safe whatever threads the caller has. Protocol, all lengths little-endian
``u64``: the caller writes one length-prefixed JSON plan to the control pipe and keeps it
open; the warden answers on the report pipe with a length-prefixed JSON header and the two
output tails named in it. When the control pipe closes early, the caller is gone or has
given up: the tree is killed.

The plan is trusted, what the tree writes is not: outputs are cut to their limits here.
Loaded modules are kept few because their start is paid by every step.
"""

from __future__ import annotations

import _socket
import json
import os
import resource
import select
import signal
import sys
import time

from hauberk.isolation import landlock, netns, notices, privileges, processes

TYPE_CHECKING = False  # importing typing would cost a third of the start
if TYPE_CHECKING:
    from typing import Any, NoReturn

_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.1
_LOOK_AT_DISK_S = 1.0
_PATIENCE_S = 10.0
_EXIT_SETUP = 125
_MAX_SETUP_MESSAGE_BYTES = 4096
_MAX_STATUS_BYTES = 4096
_MAX_PROGRAMS, _MAX_PROCESSES = 64, 4096  # children must not fill memory or report
_SURE_LOOKS = 2
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the control pipe says when to stop
_RESTORED = (*_IGNORED, signal.SIGPIPE, signal.SIGXFSZ)  # ignoring outlives exec


def read_frame(descriptor: int) -> bytes:
    """One length-prefixed message from a pipe whose writer is trusted.

    Raises:
        EOFError: The pipe ended early.
    """
    return _read_exactly(descriptor, int.from_bytes(_read_exactly(descriptor, 8), "little"))


def _read_exactly(descriptor: int, size: int) -> bytes:
    parts = []
    while size > 0:
        part = os.read(descriptor, min(size, _CHUNK_BYTES))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything to a blocking pipe."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class Tail:
    """The last bytes of a stream; memory stays below twice the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()

    def add(self, part: bytes) -> None:
        """Append and forget what is too old."""
        self._data += part
        if len(self._data) > 2 * self._limit:
            del self._data[: -self._limit]

    def value(self) -> bytes:
        """The tail, at most the limit long."""
        return bytes(self._data[-self._limit :])


class Watch:
    """Limits of a tree over time; `exceeded` names the first one broken."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._limits = plan["limits"]
        self._own_processes = plan["own_processes"]
        self._processes = plan["limits"]["processes"] + self._own_processes
        self._folders = plan["watched"]
        self._next_disk = 0.0
        self._disk_at_start: int | None = None
        self.started = time.monotonic()
        self.max_rss = 0
        self.cpu_s = 0.0
        self._shell = os.path.realpath(plan["argv"][0]) if plan["namespaces"] else ""
        self._ran: dict[int, tuple[str, int]] = {}

    def children(self) -> list[list[str | int]]:
        """Programs that ran beside the step's own first process, with how many of each.

        A process between its start and the program that it goes on to run still shows its
        parent's, so one that shows the step's own program counts only when seen three times.
        """
        own = next(iter(self._ran.values()), ("", 0))[0]
        counted: dict[str, int] = {}
        for name, looks in list(self._ran.values())[1:]:
            if (name != own or looks > _SURE_LOOKS) and (
                name in counted or len(counted) < _MAX_PROGRAMS
            ):
                counted[name] = counted.get(name, 0) + 1
        return [[name, count] for name, count in sorted(counted.items())]

    def _note_programs(self) -> None:
        # Parents come first: of bubblewrap's own, which may hide their file while they set up.
        for pid, name in processes.programs(os.getpid())[self._own_processes :]:
            if name == self._shell:
                self._ran.pop(pid, None)
                continue
            before, looks = self._ran.get(pid, ("", 0))
            if not looks and len(self._ran) >= _MAX_PROCESSES:
                continue
            self._ran[pid] = (name, looks + 1 if name == before else 1)

    def exceeded(self) -> str:
        """Name of the limit that the tree is over now, or empty."""
        self._note_programs()
        count, cpu_s, rss = processes.tree_usage(os.getpid())
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_s = max(self.cpu_s, cpu_s + own.ru_utime + own.ru_stime)
        self.max_rss = max(self.max_rss, rss)
        limits = self._limits
        if time.monotonic() - self.started > limits["wall_s"]:
            return "wall_s"
        if self.cpu_s > limits["cpu_s"]:
            return "cpu_s"
        if count > self._processes:
            return "processes"
        if rss > limits["memory_bytes"] and self._memory_exceeded(rss):
            return "memory_bytes"
        return "disk_bytes" if self._disk_exceeded() else ""

    def _memory_exceeded(self, rss: int) -> bool:
        exact = processes.private_bytes(os.getpid())
        return bool((rss if exact is None else exact) > self._limits["memory_bytes"])

    def _disk_exceeded(self) -> bool:
        now = time.monotonic()
        if now < self._next_disk:
            return False
        size = sum(_folder_bytes(folder) for folder in self._folders)
        if self._disk_at_start is None:
            self._disk_at_start = size
        # A walk over many files may take at most a twentieth of the time.
        self._next_disk = now + max(_LOOK_AT_DISK_S, 20 * (time.monotonic() - now))
        return bool(size - self._disk_at_start > self._limits["disk_bytes"])


def _folder_bytes(path: str) -> int:
    """Allocated bytes beneath a path; what vanishes or is closed meanwhile counts nothing."""
    total, waiting = 0, [path]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            try:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
            except OSError:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
    return total


def _close_others(keep: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - pathlib costs start-up
        descriptor = int(name)
        if descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:
                continue  # the listing's own descriptor


def _restrict(plan: dict[str, Any], channel: int) -> None:
    """Put the level on; whatever fails here ends the child before any foreign code."""
    if plan["landlock"] is not None:
        rules = plan["landlock"]
        privileges.drop_capabilities()
        landlock.restrict(rules["abi"], rules["read"], rules["write"], rules["devices"])
    if plan["heard"] is not None and _listen(plan["heard"], channel):
        return
    if plan["landlock"] is not None:
        privileges.install_filter(bytes.fromhex(plan["filter"]))


def _listen(heard: dict[str, Any], channel: int) -> bool:
    """Whether refusals will be heard; where not, the filter refuses on its own."""
    landlock.no_new_privileges()
    try:
        listener = notices.install_listener(bytes.fromhex(heard["program"]))
    except OSError:
        return False
    notices.send_descriptor(channel, listener)
    os.close(listener)
    return True


def _child(
    plan: dict[str, Any], streams: tuple[int, int, int, int, int], argv: list[str]
) -> NoReturn:
    """From fork to exec; reports the stage that failed through the last stream."""
    null, out, err, trouble, channel = streams
    stage = "session"
    try:
        os.setsid()
        privileges.die_with_parent()
        privileges.offer_to_memory_killer()
        for number in _RESTORED:
            signal.signal(number, signal.SIG_DFL)
        for source, target in ((null, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        _close_others({0, 1, 2, trouble, channel, *plan["descriptors"]})
        for descriptor in plan["descriptors"]:
            os.set_inheritable(descriptor, True)
        stage = "working folder"
        os.chdir(plan["start_in"])
        stage = "limits"
        privileges.set_limits(plan["rlimits"])
        stage = "isolation"
        _restrict(plan, channel)
        stage = "exec"
        os.execvpe(argv[0], argv, plan["env"])  # noqa: S606 - the whole purpose
    except OSError as error:
        os.write(trouble, json.dumps([stage, error.errno, str(error)]).encode())
    except BaseException as error:  # noqa: BLE001 - nothing of the warden may run on as a second one
        os.write(trouble, json.dumps([stage, 0, repr(error)]).encode())
    os._exit(_EXIT_SETUP)


def _namespace_arguments(plan: dict[str, Any], status: int, hold: int | None) -> list[str]:
    """The command line with the descriptors that only the warden knows."""
    program = os.memfd_create("filter", 0)
    write_all(program, bytes.fromhex(plan["filter"]))
    os.lseek(program, 0, os.SEEK_SET)
    plan["descriptors"] += [program, status]
    front, rest = plan["argv"][0], plan["argv"][1:]
    held = []
    if hold is not None:
        plan["descriptors"].append(hold)
        held = ["--block-fd", str(hold)]
    return [front, "--seccomp", str(program), "--json-status-fd", str(status), *held, *rest]


class Work:
    """The running tree: its streams, its first process, and what became of it."""

    def __init__(self, plan: dict[str, Any], control: int) -> None:
        self._plan = plan
        self._control = control
        limit = plan["limits"]["output_bytes"]
        self.tails = (Tail(limit), Tail(limit))
        self._streams: dict[int, Tail] = {}
        self.status: int | None = None
        self.trouble = b""
        self.namespaces_status = b""
        self.killed_by = ""
        self.left = 0
        self.notices: notices.Notices | None = None

    def start(self) -> None:
        """Fork, restrict, exec; returns when the new program runs or has failed to."""
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        trouble_read, trouble_write = os.pipe()
        status_read, status_write = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        ours, theirs = _socket.socketpair()
        hold_read, hold_write = os.pipe()
        argv = self._plan["argv"]
        if self._plan["namespaces"]:
            hold = hold_read if self._plan["channel"] is not None else None
            argv = _namespace_arguments(self._plan, status_write, hold)
        self._pid = os.fork()
        if self._pid == 0:
            streams = (null, out_write, err_write, trouble_write, theirs.fileno())
            _child(self._plan, streams, argv)
        theirs.close()
        used = {out_write, err_write, trouble_write, status_write, null, hold_read}
        for descriptor in used.union(self._plan["descriptors"]):
            os.close(descriptor)
        self._status_read = status_read
        self.trouble = os.read(trouble_read, _MAX_SETUP_MESSAGE_BYTES)
        self._hear(notices.receive_descriptor(ours.fileno()))
        ours.close()
        if self._plan["channel"] is not None and not self.trouble:
            self._open_network(self._plan["channel"])
        os.close(hold_write)
        for descriptor, tail in zip((out_read, err_read), self.tails, strict=True):
            os.set_blocking(descriptor, False)
            self._streams[descriptor] = tail

    def _open_network(self, channel: int) -> None:
        """Put the way out into the step's network; the step waits until it is there."""
        said = os.read(self._status_read, _MAX_STATUS_BYTES)
        self.namespaces_status = said
        found = said.partition(b'"child-pid":')[2].split(b",")[0].strip(b" }\n")
        if found.isdigit() and not netns.listen_in(int(found), channel):
            self.trouble = json.dumps(["network", 0, "no way out could be made"]).encode()
        os.close(channel)

    def _hear(self, listener: int | None) -> None:
        if listener is not None:
            heard = self._plan["heard"]
            self.notices = notices.Notices(listener, heard["names"], refuse=heard["refuse"])

    def watch(self) -> Watch:
        """Until the first process ends, a limit is broken or the caller is gone."""
        watch = Watch(self._plan)
        poll = select.poll()
        end = _process_descriptor(self._pid)
        listeners = [self.notices.listener] if self.notices else []
        for descriptor in (self._control, *self._streams, *end, *listeners):
            poll.register(descriptor, select.POLLIN)
        next_look = 0.0
        while not (self._over() or self.killed_by):
            ready = [descriptor for descriptor, _ in poll.poll(_LOOK_S * 1000)]
            if self._control in ready:
                self.killed_by = "caller"
            if self.notices and self.notices.listener in ready:
                self.notices.answer()
            for descriptor in self._drain(ready):
                poll.unregister(descriptor)
            self._note(processes.reap())
            if not self._over() and time.monotonic() >= next_look:
                self.killed_by = self.killed_by or watch.exceeded()
                next_look = time.monotonic() + _LOOK_S
        return watch

    def finish(self) -> None:
        """Kill what is left, then take what the pipes still hold."""
        ended, self.left = processes.kill_tree(os.getpid(), patience_s=_PATIENCE_S)
        self._note(ended)
        self._drain(list(self._streams))
        os.set_blocking(self._status_read, False)
        try:
            self.namespaces_status += os.read(self._status_read, _MAX_STATUS_BYTES)
        except BlockingIOError:
            return  # it was killed before it could say more

    def _over(self) -> bool:
        return self.status is not None

    def _note(self, ended: dict[int, int]) -> None:
        self.status = ended.get(self._pid, self.status)

    def _drain(self, ready: list[int]) -> list[int]:
        """Read what is there, one bounded round per stream; returns streams that ended."""
        ended = []
        for descriptor in ready:
            tail = self._streams.get(descriptor)
            if tail is not None and not _pump(descriptor, tail):
                ended.append(descriptor)
                del self._streams[descriptor]
        return ended


def _pump(descriptor: int, tail: Tail) -> bool:
    """Move up to a pipe's content into the tail; False at the end of the stream."""
    for _ in range(32):  # a pipe holds 64 KiB, 1 MiB at most by default
        try:
            part = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        if not part:
            return False
        tail.add(part)
    return True


def _process_descriptor(pid: int) -> list[int]:
    try:
        return [os.pidfd_open(pid)]
    except OSError:
        return []  # the poll's own interval finds the end instead


def _report(work: Work, watch: Watch | None) -> bytes:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    out, err = (tail.value() for tail in work.tails)
    header = json.dumps(
        {
            "status": work.status,
            "trouble": work.trouble.decode("utf-8", "replace"),
            "namespaces": work.namespaces_status.decode("utf-8", "replace"),
            "killed_by": work.killed_by,
            "left": work.left,
            "wall_s": time.monotonic() - watch.started if watch else 0.0,
            "cpu_s": max(usage.ru_utime + usage.ru_stime, watch.cpu_s if watch else 0.0),
            "max_rss": max(usage.ru_maxrss * 1024, watch.max_rss if watch else 0),
            "denials": work.notices.value() if work.notices else None,
            "children": watch.children() if watch else [],
            "out": len(out),
            "err": len(err),
        }
    ).encode()
    return len(header).to_bytes(8, "little") + header + out + err


def _clear(scratch: str) -> None:
    """Do what the caller would have done, had it lived."""
    from pathlib import Path

    from hauberk.isolation.scratch import remove_tree

    remove_tree(Path(scratch))


def main() -> None:
    """Serve one plan. Arguments: control descriptor, report descriptor."""
    control, report = int(sys.argv[1]), int(sys.argv[2])
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        plan = json.loads(read_frame(control))
    except EOFError:
        return  # the caller found that the level is not to be had
    os.setsid()  # signals to the caller's group are not for the warden
    privileges.become_subreaper()
    work = Work(plan, control)
    work.start()
    watch = None if work.trouble else work.watch()
    work.finish()
    if work.killed_by == "caller":
        _clear(plan["scratch"])
    try:
        write_all(report, _report(work, watch))
    except BrokenPipeError:
        return  # the caller is gone; the tree is dead, which is what mattered
