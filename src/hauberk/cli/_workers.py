"""Several processes behind one door: ``--workers N``.

The parent opens the door and keeps it; each worker is this command once more, takes connections
from the same socket, and verifies and loads for itself. What is remembered of clients is shared
through one database of this machine, so that a budget is one budget whichever worker answers;
and each worker shows the counts of all, whichever is asked for ``/metrics``.
A worker that dies is started again; a signal is passed on, and each worker ends its requests.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli import _scaling
from hauberk.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from hauberk.cli._scaling import Scaling
    from hauberk.core.ports import ClientState

MAX_WORKERS = 64
MAX_RESTARTS = 20
"""More say that something is wrong that starting again does not mend."""

_STATE = "clients.sqlite"
_KEY = "key"
_COUNTS = "counts-"
SHOWN_S = 0.5
"""How old the counts of another worker may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a worker is given by its parent.

    Attributes:
        number: 1 for the first worker.
        descriptor: Of the listening socket.
        folder: With what all workers share.
    """

    number: int
    descriptor: int
    folder: Path

    def listener(self) -> socket.socket:
        """The door."""
        return socket.socket(fileno=self.descriptor)

    def state(self) -> ClientState:
        """What is remembered of clients."""
        from hauberk.trust.client_state import SqliteClientState

        return SqliteClientState(self.folder / _STATE)

    def all_metrics(self, own: str) -> str:
        """The counts of all workers: this one's now, the others' of a moment ago."""
        from hauberk.guard.metrics import merged

        texts = [own]
        for file in sorted(self.folder.glob(f"{_COUNTS}*")):
            if file.name != f"{_COUNTS}{self.number}":
                with contextlib.suppress(OSError):
                    texts.append(file.read_text("utf-8"))
        return merged(texts)

    @contextlib.contextmanager
    def showing(self, text: Callable[[], str]) -> Iterator[None]:
        """Show the other workers what this one has counted, for as long as the block lasts."""
        over = threading.Event()

        def show() -> None:
            while not over.wait(SHOWN_S):
                self.show(text())

        self.show(text())
        thread = threading.Thread(target=show, name="hauberk-counts", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def show(self, text: str) -> None:
        """Write down what this worker has counted; readers see all of it or what was before."""
        new = self.folder / f"new-{self.number}"
        with contextlib.suppress(OSError):
            new.write_text(text, "utf-8")
            new.replace(self.folder / f"{_COUNTS}{self.number}")

    def key(self) -> bytes:
        """The secret that all workers shape answers with."""
        return (self.folder / _KEY).read_bytes()


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that answer")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    _scaling.configure(parser)


def share_of(args: argparse.Namespace) -> Share | None:
    """What this process was given, where it is a worker."""
    if args.worker is None:
        return None
    number, descriptor, folder = str(args.worker).split(":", 2)
    return Share(number=int(number), descriptor=int(descriptor), folder=Path(folder))


def is_parent(args: argparse.Namespace) -> bool:
    """Whether this process only looks after workers.

    Raises:
        UsageError: The number of workers cannot be.
    """
    if not 1 <= args.workers <= MAX_WORKERS or args.max_workers > MAX_WORKERS:
        raise UsageError(
            "the number of workers cannot be",
            subject="--workers",
            expected=f"1 to {MAX_WORKERS}",
            found=str(max(args.workers, args.max_workers)),
        )
    return max(args.workers, args.max_workers) > 1 and args.worker is None


def look_after(
    words: list[str], workers: int, door: socket.socket, *, scaling: Scaling | None = None
) -> int:
    """Run workers until a signal comes or all have ended.

    Args:
        words: The command line of this command.
        scaling: Says how many there should be meanwhile.

    Returns:
        130 after a signal, else the largest code of a worker.

    Raises:
        UnavailableError: A worker does not start.
    """
    with door, tempfile.TemporaryDirectory(prefix="hauberk-workers-") as name:
        folder = Path(name)
        (folder / _KEY).write_bytes(secrets.token_bytes(32))
        os.set_inheritable(door.fileno(), True)
        parent = _Parent(words=words, door=door, folder=folder, scaling=scaling)
        return parent.run(workers)


@dataclass(slots=True, kw_only=True)
class _Parent:
    words: list[str]
    door: socket.socket
    folder: Path
    scaling: Scaling | None = None
    leaving: set[int] = field(default_factory=set)
    ended: int = 0
    stopping: bool = False
    starting: bool = False
    restarts: int = 0
    running: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    relays: list[threading.Thread] = field(default_factory=list)

    def run(self, workers: int) -> int:
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        old = {number: signal.signal(number, self._pass_on) for number in numbers}
        try:
            for number in range(1, workers + 1):
                self._start(number, is_told=number == 1)
            if not self.stopping:
                print(f"{workers} workers", flush=True)
            codes = self._watch()
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
            self._end()
        return 130 if self.stopping else max(codes, default=0)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.stopping = self.stopping or number != signal.SIGHUP
        self._close()
        for process in list(self.running.values()):
            with contextlib.suppress(OSError):
                process.send_signal(number)

    def _close(self) -> None:
        """Hold the door no more, once all end: who knocks where nobody opens would be reset."""
        if self.stopping and not self.starting:
            self.door.close()

    def _start(self, number: int, *, is_told: bool) -> None:
        self.starting = True  # from here on the door stays open until the worker has it
        if self.stopping:
            self.starting = False
            return
        descriptor = self.door.fileno()
        given = f"{number}:{descriptor}:{self.folder}"
        process = subprocess.Popen(
            [sys.executable, "-m", "hauberk.cli", *self.words, "--worker", given],
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=(descriptor,),
            start_new_session=True,  # a Ctrl-C reaches it through its parent, once
        )
        self.running[number] = process
        self.starting = False
        self._close()
        if self.stopping:  # the signal came before there was anybody to pass it on to
            process.terminate()
        for line in process.stdout or ():
            if is_told or line.startswith("hauberk:"):
                print(line, end="", flush=True)
            if line.startswith("ready:"):
                break
        else:
            process.wait()
            if self.stopping:
                return
            raise UnavailableError("a worker does not start", subject=f"worker {number}")
        relay = threading.Thread(target=_relay, args=(number, process), daemon=True)
        relay.start()
        self.relays.append(relay)

    def _watch(self) -> list[int]:
        codes: list[int] = []
        while self.running:
            time.sleep(0.1)
            self._scale()
            for number, process in list(self.running.items()):
                code = process.poll()
                if code is None:
                    continue
                del self.running[number]
                if number in self.leaving:
                    self.leaving.discard(number)
                elif code < 0 and not self.stopping and self.restarts < MAX_RESTARTS:
                    self.restarts += 1
                    text = f"ALARM: worker {number} was ended by signal {-code}; it starts again"
                    print(text, file=sys.stderr, flush=True)
                    self._start(number, is_told=False)
                else:
                    codes.append(abs(code))
                    self.ended += 1
        return codes

    def _scale(self) -> None:
        """Start or end one worker where more or fewer are asked for."""
        if self.scaling is None or self.stopping or self.leaving:
            return
        wanted, there = self.scaling.wanted() - self.ended, len(self.running)
        if there < wanted:
            number = next(n for n in range(1, wanted + 1) if n not in self.running)
            self._start(number, is_told=False)
            print(f"{there + 1} workers: a monitor asks for more", flush=True)
        elif there > wanted:
            number = max(self.running)
            self.leaving.add(number)
            self.running[number].terminate()
            print(f"{there - 1} workers: requests for more have ended", flush=True)

    def _end(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait()
        for relay in self.relays:
            relay.join(5)


def _relay(number: int, process: subprocess.Popen[str]) -> None:
    for line in process.stdout or ():
        if line.strip():
            print(f"worker {number}: {line}", end="", flush=True)
