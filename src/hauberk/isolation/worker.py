"""The worker's side of `spawn`: load one function, call it once, write one frame.

Runs inside the level already. Standard output and error are the captured streams, so a
library that prints cannot disturb the frame.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback

from hauberk.errors import HauberkError, InternalError, LimitError, UnavailableError
from hauberk.isolation.frames import GREETING, error_frame, result_frame

_CHUNK_BYTES = 1 << 20


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _write(descriptor: int, frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(descriptor, view[:_CHUNK_BYTES]) :]


def _call(task: str, payload: bytes) -> bytes:
    module, _, name = task.partition(":")
    result = getattr(importlib.import_module(module), name)(payload)
    if not isinstance(result, bytes):
        raise InternalError("a task must return bytes", subject=task, found=type(result).__name__)
    return result


def _as_error(error: BaseException, task: str) -> HauberkError:
    """Any error as one of ours; foreign messages stay behind, they may hold rows."""
    if isinstance(error, HauberkError):
        return error
    if isinstance(error, MemoryError):
        return LimitError("the work needs more memory than its limit", subject=task)
    if isinstance(error, ImportError):
        return UnavailableError(
            "a library is missing",
            subject=error.name or task,
            found=type(error).__name__,
            hint="install the extra that brings it",
        )
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown place"
    return InternalError(
        "a task failed in a way it does not name",
        subject=task,
        found=f"{type(error).__name__} at {place}",
    )


def main() -> None:
    """Serve one task. Arguments: task, payload descriptor, result descriptor, roots."""
    task, payload, result = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sys.path.extend(sys.argv[4:])
    _write(result, GREETING)
    try:
        frame = result_frame(_call(task, _read(payload)))
    except BaseException as error:  # noqa: BLE001 - the border: every error becomes a frame
        frame = error_frame(_as_error(error, task))
    try:
        _write(result, frame)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)  # threads and exit handlers of what was loaded do not get a say
