"""Worker processes that look at files, so that a hostile one can at worst end its own worker.

Workers are forked from a process of one thread and answer in JSON; nothing that they say is
executed. Answers come back in the order of the questions whatever the number of workers, so
a report does not depend on it. A file whose worker dies or never answers is told as such, and
the questions behind it go to another worker.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Self

from hauberk.errors import UnavailableError

MEMORY_BYTES = 2 << 30
"""What one worker may take beyond what it begins with; reading a file takes a fraction of it."""

PATIENCE_S = 900.0
"""Seconds in which one file must be read, whatever else the machine does; more for large ones."""

_SLOWEST_BYTES_PER_S = 1 << 20
_MAX_WAITING = 32
_MAX_WAITING_BYTES = 4 << 20
_MAX_ASKED_BYTES = 16 << 10
_READ_BYTES = 1 << 16
_GLANCE_MS = 5000
_LAST_BREATH_S = 5.0
_MAX_AHEAD = 4096
"""Answers kept while an earlier one is not there yet."""

Answer = Mapping[str, Any]


class _Question(NamedTuple):
    number: int
    path: str
    size: int
    line: bytes


class _Worker:
    __slots__ = ("answers", "ask", "buffer", "pid", "since", "waiting")

    def __init__(self, pid: int, ask: int, answers: int) -> None:
        self.pid = pid
        self.ask = ask
        self.answers = answers
        self.waiting: deque[_Question] = deque()
        self.buffer = bytearray()
        self.since = 0.0

    def takes(self, question: _Question) -> bool:
        """Whether one more question may wait here; a large file waits for an idle worker."""
        if not self.waiting:
            return True
        size = question.size + sum(item.size for item in self.waiting)
        asked = len(question.line) + sum(len(item.line) for item in self.waiting)
        is_room = len(self.waiting) < _MAX_WAITING and asked <= _MAX_ASKED_BYTES
        return is_room and size <= _MAX_WAITING_BYTES

    def is_late(self) -> bool:
        """Whether the first question has waited longer than anything may take."""
        if not self.waiting:
            return False
        patience = PATIENCE_S + self.waiting[0].size / _SLOWEST_BYTES_PER_S
        return time.monotonic() - self.since > patience


class Crew:
    """Up to ``jobs`` workers, started when there is work for them.

    Args:
        jobs: Most processes beside this one; 0 does everything here.
        work: What is made of a path: a mapping of JSON values.
    """

    def __init__(self, jobs: int, work: Callable[[str], Answer]) -> None:
        self._jobs = jobs if _may_fork() else 0
        self._work = work
        self._workers: list[_Worker] = []
        self._answers: dict[int, tuple[str, Answer]] = {}
        self._asked = self._told = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers:
            with _uninterrupted():
                for worker in tuple(self._workers):
                    self._dismiss(worker)

    def each(self, paths: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        """What is made of each path, in the order of ``paths``.

        An answer with ``died`` says how the worker ended that had the file.
        """
        if not self._jobs:
            yield from ((path, self._work(path)) for path in paths)
            return
        for path in paths:
            question = _Question(self._asked, path, _size(path), json.dumps(path).encode() + b"\n")
            self._asked += 1
            while self._is_far_ahead(question) or not self._hand_out(question):
                self._collect()
                yield from self._ready()
        while self._told < self._asked:
            self._collect()
            yield from self._ready()

    def _is_far_ahead(self, question: _Question) -> bool:
        return question.number - self._told >= _MAX_AHEAD

    def _ready(self) -> Iterator[tuple[str, Answer]]:
        while self._told in self._answers:
            answer = self._answers.pop(self._told)
            self._told += 1
            yield answer

    def _hand_out(self, question: _Question) -> bool:
        """Whether somebody takes the question now."""
        free = [worker for worker in self._workers if worker.takes(question)]
        chosen = min(free, key=lambda worker: len(worker.waiting), default=None)
        if (chosen is None or chosen.waiting) and len(self._workers) < self._jobs:
            chosen = self._start()
        if chosen is not None:
            _put(chosen, question)
        return chosen is not None

    def _collect(self) -> None:
        """Wait for an answer, or for the end of a worker."""
        poll = select.poll()
        for worker in self._workers:
            poll.register(worker.answers, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(_GLANCE_MS)}
        for worker in tuple(self._workers):
            if worker.answers in ready:
                self._hear(worker)
            elif worker.is_late():
                self._bury(worker, "did not come to its end in time")

    def _hear(self, worker: _Worker) -> None:
        data = os.read(worker.answers, _READ_BYTES)
        if not data:
            self._bury(worker)
            return
        worker.buffer += data
        *lines, rest = worker.buffer.split(b"\n")
        worker.buffer = rest
        for line in lines:
            question = worker.waiting.popleft()
            worker.since = time.monotonic()
            self._answers[question.number] = (question.path, json.loads(line))

    def _bury(self, worker: _Worker, reason: str = "") -> None:
        """Take the end of a worker for the answer about the file that it had."""
        waiting = worker.waiting
        ended = self._dismiss(worker, patience_s=0.0 if reason else _LAST_BREATH_S)
        reason = reason or "ended before it had read the file"
        if waiting:
            lost = waiting.popleft()
            self._answers[lost.number] = (lost.path, {"died": f"its worker {reason}{ended}"})
        if waiting:
            heir = self._start()
            for question in waiting:
                _put(heir, question)

    def _dismiss(self, worker: _Worker, *, patience_s: float = 0.0) -> str:
        """End a worker; by which signal it had ended before.

        Args:
            patience_s: How long one that fell silent is waited for: its pipes close before it
                has ended for good.
        """
        self._workers.remove(worker)
        os.close(worker.ask)
        os.close(worker.answers)
        deadline = time.monotonic() + patience_s
        gone, status = os.waitpid(worker.pid, os.WNOHANG)
        while not gone and time.monotonic() < deadline:
            time.sleep(0.005)
            gone, status = os.waitpid(worker.pid, os.WNOHANG)
        if not gone:
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
            return ""
        code = os.waitstatus_to_exitcode(status)
        return f" ({signal.Signals(-code).name})" if code < 0 else ""

    def _start(self) -> _Worker:
        asked, ask = os.pipe()
        answers, answer = os.pipe()
        with _uninterrupted():  # a worker that nobody has noted would outlive the scan
            try:
                pid = _fork()
            except OSError as error:
                raise UnavailableError(
                    f"no worker can be started: {error.strerror}",
                    hint="scan with --jobs 1, or later",
                ) from error
            if pid == 0:
                others = [end for item in self._workers for end in (item.ask, item.answers)]
                _live(self._work, asked, answer, (ask, answers, *others))
            worker = _Worker(pid, ask, answers)
            self._workers.append(worker)
        os.close(asked)
        os.close(answer)
        return worker


def apart(work: Callable[[], Answer], path: str = "") -> Answer:
    """What ``work`` gives, made of JSON values, or ``died`` with how its process ended.

    It is done in this process where none can be forked from it: where it has several threads.

    Args:
        path: The largest file that is read, for how long is waited.
    """
    with Crew(1, lambda _: work()) as crew:
        (found,) = crew.each([path])
    return found[1]


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """An interruption waits until the context is left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _may_fork() -> bool:
    """Whether this process has one thread, so that a copy of it can hold nobody's lock."""
    threads = sys.modules.get("threading")
    return hasattr(os, "fork") and (threads is None or threads.active_count() == 1)


def _fork() -> int:
    import warnings

    with warnings.catch_warnings():  # threads of numeric libraries: a worker uses none of those
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _put(worker: _Worker, question: _Question) -> None:
    if not worker.waiting:
        worker.since = time.monotonic()
    worker.waiting.append(question)
    with suppress(BrokenPipeError):  # its end is met when its answers are read
        os.write(worker.ask, question.line)


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _live(
    work: Callable[[str], Answer], asked: int, answer: int, others: Iterable[int]
) -> NoReturn:
    """The life of a worker; nothing of the process that it was copied from goes on in it."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks ends it
        for descriptor in others:
            os.close(descriptor)
        _limit()
        buffer = b""
        while data := os.read(asked, _READ_BYTES):
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                _write(answer, json.dumps(work(json.loads(line))).encode() + b"\n")
    finally:
        os._exit(0)


def _limit() -> None:
    import resource

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with Path("/proc/self/statm").open("rb") as file:
            pages = int(file.read().split()[0])
        room = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
