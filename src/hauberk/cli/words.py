"""What several verbs share: where the project and the configuration are, how events read.

Not a verb; verbs are the modules that `hauberk.cli` lists.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hauberk.errors import UsageError


def project_folder(name: str) -> Path:
    """The folder of a project.

    Raises:
        UsageError: There is no such folder.
    """
    root = Path(name)
    if not root.is_dir():
        raise UsageError(
            "there is no such project folder",
            subject=name,
            expected="a folder",
            found="a file" if root.exists() else "nothing",
            hint="name the folder that holds hauberk.toml; hauberk try makes one to look at",
        )
    return root.resolve()


def configuration() -> Path:
    """The user's configuration folder of Hauberk."""
    from hauberk.trust.keys import config_folder

    return config_folder(os.environ, Path.home())


def colour(stream: object = None) -> bool:
    """Whether to colour: only on a terminal, and not under ``NO_COLOR``.

    Args:
        stream: Where the text goes; standard output where it is not given.
    """
    is_terminal = getattr(stream or sys.stdout, "isatty", lambda: False)()
    return bool(is_terminal) and not os.environ.get("NO_COLOR")


@contextlib.contextmanager
def working(what: str, *, every_s: float = 1.0) -> Iterator[None]:
    """Say on a terminal what takes long and since when; silent where nobody watches.

    The line is gone when the block ends. Standard output has to be a terminal too: whoever
    sends it elsewhere, or asked for quiet, wants none.
    """
    stream = sys.stderr
    if not (sys.stdout.isatty() and stream.isatty()):
        yield
        return
    stop, started = threading.Event(), time.monotonic()

    def tell() -> None:
        while not stop.wait(every_s):
            stream.write(f"\r\x1b[K{what}: {time.monotonic() - started:.0f} s")
            stream.flush()

    thread = threading.Thread(target=tell, name="hauberk-working", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        stream.write("\r\x1b[K")
        stream.flush()


def clock() -> float:
    """Seconds since the epoch."""
    return time.time()


def share_of(text: str) -> float:
    """An argument that is a share strictly between 0 and 1; argparse says why it is none."""
    value = float(text)
    if not 0 < value < 1:
        message = f"{text} is not between 0 and 1"
        raise argparse.ArgumentTypeError(message)
    return value


def seconds_of(text: str) -> float:
    """An argument that is a number of seconds from 0 on; argparse says why it is none."""
    value = float(text)
    if not 0 <= value < float("inf"):
        message = f"{text} is no number of seconds from 0 on"
        raise argparse.ArgumentTypeError(message)
    return value


def note_read(name: str, part: str, n_parts: int) -> None:
    """Note in the log of reads that the owner of this configuration reads a whole data set.

    Raises:
        UnavailableError: It cannot be noted, so nothing should be read.
    """
    from hauberk.lifecycle.production.metadata_door import OWNER, reads_log
    from hauberk.trust.reading import Read

    read = Read(at=clock(), reader=OWNER, name=name, part=part, n=n_parts, of=n_parts)
    reads_log(configuration()).append([read.to_record()])
