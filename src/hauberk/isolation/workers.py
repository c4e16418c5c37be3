"""Running one of our functions over foreign bytes in a fresh isolated interpreter."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import LimitError, UnavailableError, UsageError
from hauberk.isolation import worker
from hauberk.isolation.frames import GREETING, open_frame
from hauberk.isolation.grants import Grants, check_grants
from hauberk.isolation.interpreters import interpreter_grants
from hauberk.isolation.levels import Work
from hauberk.isolation.limits import Completed, Limits
from hauberk.isolation.scratch import scratch_folder
from hauberk.isolation.steps import completed
from hauberk.isolation.supervision import IMPORT_OURS, PACKAGE, supervise

if TYPE_CHECKING:
    from hauberk.core.policy import Isolation

_TASK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_FATAL_SIGNALS = 128
_MAX_WORDS = 400


def spawn(
    task: str,
    payload: bytes,
    *,
    grants: Grants,
    limits: Limits,
    level: Isolation | None = None,
    python: str = sys.executable,
    import_roots: tuple[Path, ...] = (),
    max_result_bytes: int = 256 << 20,
) -> bytes:
    """Call ``task`` with ``payload`` in a fresh interpreter at a level.

    The interpreter needs no Hauberk installed: ours is lent to it, without our libraries.
    Its own paths are granted; what the task opens beyond them must stand in ``grants``.

    Args:
        task: ``package.module:function``, a function from bytes to bytes.
        payload: Handed over by descriptor, never by pickle; size is the caller's matter.
        grants: What it may touch besides the interpreter's own paths.
        limits: What it may use.
        level: ``None`` takes the strongest that works here.
        python: Absolute path of the interpreter.
        import_roots: Folders put at the end of its import path, and granted to read.
        max_result_bytes: A longer result is dropped unread.

    Raises:
        LimitError: A limit ended the work, or the result is too long.
        ArtifactError: As the task raised it; so are TrustError, UsageError and the rest.
        UnavailableError: The level is not to be had, or the worker died.
        InternalError: The task failed in a way it does not name, or wrote no frame.
    """
    if not _TASK.fullmatch(task):
        raise UsageError("a task is named by module and function", subject=task)
    if level is None:
        from hauberk.isolation.probing import best_level

        level = best_level()
    check_grants(grants)
    limits.check()
    reads = (*interpreter_grants(Path(python)), PACKAGE, *import_roots)
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        incoming = _payload_descriptor(payload)
        results, outgoing = os.pipe()
        stack.callback(os.close, results)
        work = Work(
            command=_command(python, task, (incoming, outgoing), import_roots),
            cwd=Path("/"),
            grants=grants.with_read(*reads),
            limits=limits,
            scratch=scratch,
            descriptors=(incoming, outgoing),
        )
        report, result = supervise(
            work, level, results=results, max_result_bytes=max_result_bytes + 16
        )
    return _outcome(task, completed(report, level), result)


def _payload_descriptor(payload: bytes) -> int:
    """A descriptor that is only read; nothing lies on disk."""
    writable = os.memfd_create("payload", os.MFD_CLOEXEC)
    with os.fdopen(writable, "wb") as file:
        file.write(payload)
        file.flush()
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)


def _command(
    python: str, task: str, descriptors: tuple[int, int], roots: tuple[Path, ...]
) -> tuple[str, ...]:
    code = f"{IMPORT_OURS}from {worker.__name__} import main;main()"
    numbers = [str(number) for number in descriptors]
    return (python, "-I", "-B", "-X", "utf8", "-c", code, task, *numbers, *map(str, roots))


def _outcome(task: str, done: Completed, result: bytes | None) -> bytes:
    if done.killed_by:
        raise LimitError(
            "a limit ended the work before it was done",
            subject=task,
            rule=done.killed_by,
            hint="raise the limit if the input is trusted to need that much",
        )
    if result is None:
        raise LimitError("the result is longer than its limit", subject=task)
    if not result.startswith(GREETING):
        raise _never_started(task, done)
    if result != GREETING or done.exit_code == 0:
        return open_frame(result)
    raise UnavailableError(
        "the worker died before it had a result",
        subject=task,
        found=_death(done.exit_code),
        hint="what it read may be damaged or hostile",
    )


def _never_started(task: str, done: Completed) -> UnavailableError:
    """Only our own code and the interpreter have spoken so far, so the words may be shown."""
    said = done.stderr.decode("utf-8", "replace").strip()[-_MAX_WORDS:]
    return UnavailableError(
        "the worker's interpreter did not start",
        subject=task,
        found=said or _death(done.exit_code),
        hint="check the interpreter and its grants",
    )


def _death(code: int) -> str:
    if code <= _FATAL_SIGNALS:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(code - _FATAL_SIGNALS).name}"
    except ValueError:
        return f"exit code {code}"
