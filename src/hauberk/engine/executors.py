"""Who works the parts of a profile out: threads here, isolated processes, or a Ray cluster.

The result is the same bytes whoever does it. Threads are trusted; whatever a process or a
cluster hands back is bytes that `ForeignSummaries` judges before any of it is used. A cluster is
spoken to by a driver in a sandbox of its own that holds no key and can write nothing: what its
workers send is unpickled there, by Ray's nature, and only there. No engine but threads is used
unless it was asked for.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hauberk.core.artifact import Dataset, Summaries
from hauberk.core.policy import Isolation
from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.isolation.grants import Grants
from hauberk.isolation.limits import Limits
from hauberk.sketches.parts import MAX_PART_BYTES, asked, merged, part_of
from hauberk.sketches.profile import Profile

TASK = "hauberk.sketches.parts:work"
"""What a worker does with what it is told; bytes to bytes."""

MAX_PARTS = 1_024
MAX_TOKEN_BYTES = 4_096
ENGINES = ("threads", "processes", "ray", "ray://HOST:PORT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Who works, and within what.

    Attributes:
        name: One of `ENGINES`.
        n_workers: Threads or processes at once.
        wall_s: Time for all parts together; a worker that hangs costs that much, no more.
        memory_bytes: For each process of an engine that has its own.
        token: File with the token of a cluster at an address; nobody else may read it.
        python: Interpreter of the workers; for Ray one that has it.
        task: What the workers do.
        import_roots: Folders that the task is found in, beside Hauberk's own.
    """

    name: str = "threads"
    n_workers: int = 2
    wall_s: float = 3_600.0
    memory_bytes: int = 4 << 30
    token: Path | None = None
    python: str = sys.executable
    task: str = TASK
    import_roots: tuple[Path, ...] = ()

    @property
    def limits(self) -> Limits:
        """What its processes may use."""
        cpu_s = self.wall_s * max(self.n_workers, 1)
        return Limits(
            wall_s=self.wall_s, cpu_s=cpu_s, memory_bytes=self.memory_bytes, processes=256
        )


def profiled(table: Dataset, engine: Engine, *, n_parts: int | None = None) -> Profile:
    """The profile of ``table``, worked out in parts by ``engine``.

    Raises:
        TrustError: An answer is not what an honest worker gives; nothing of any is used.
        UnavailableError: The engine is not to be had, died or took too long.
        UsageError: There is no such engine, or the table does not lie in a file.
    """
    from hauberk.controls.dataset.foreign_summaries import ForeignSummaries

    told = summaries(table, engine, n_parts=n_parts)
    if engine.name != "threads":
        for finding in ForeignSummaries().check(told):
            raise TrustError(
                finding.message,
                subject=engine.name,
                rule="an answer is used only if an honest worker could have given it",
                hint=finding.remedy,
            )
    return merged(told.parts, table)


def summaries(table: Dataset, engine: Engine, *, n_parts: int | None = None) -> Summaries:
    """What the workers of ``engine`` hand back, not yet believed."""
    n = n_parts or 2 * engine.n_workers
    if not 1 <= n <= MAX_PARTS or engine.n_workers < 1:
        raise UsageError(
            "a table is cut into some parts",
            subject="parts",
            expected=f"1 to {MAX_PARTS}",
            found=str(n),
        )
    return Summaries(
        name=table.name,
        table=table,
        parts=tuple(_work(engine)(table, n)),
        again=lambda place: part_of(table, place, n),
    )


def _work(engine: Engine) -> Callable[[Dataset, int], Sequence[bytes]]:
    if engine.name == "threads":
        return partial(_threads, engine)
    if engine.name == "processes":
        return partial(_processes, engine)
    if engine.name == "ray" or engine.name.startswith("ray://"):
        return partial(_cluster, engine)
    raise UsageError(
        "there is no such engine",
        subject="--engine",
        expected=", ".join(ENGINES),
        found=engine.name,
    )


def _threads(engine: Engine, table: Dataset, n: int) -> Sequence[bytes]:
    """One read, whose batches go to the parts in turn; a part takes in one batch at a time."""
    profiles = [Profile.start(table) for _ in range(n)]
    last: list[Future[None] | None] = [None] * n
    with ThreadPoolExecutor(engine.n_workers) as pool:
        for number, batch in enumerate(table.read()):
            before = last[number % n]
            if before is not None:
                before.result()  # which also bounds the batches that wait to one for each part
            last[number % n] = pool.submit(profiles[number % n].update, batch)
        for future in filter(None, last):
            future.result()
    return [profile.to_bytes() for profile in profiles]


def _processes(engine: Engine, table: Dataset, n: int) -> Sequence[bytes]:
    from hauberk.isolation.workers import spawn

    grants = Grants(read=(_file(table),))

    def worked(place: int) -> bytes:
        return spawn(
            engine.task,
            asked(table, place, n),
            grants=grants,
            limits=engine.limits,
            python=engine.python,
            import_roots=engine.import_roots,
            max_result_bytes=MAX_PART_BYTES,
        )

    with ThreadPoolExecutor(engine.n_workers) as pool:
        return list(pool.map(worked, range(n)))


def _cluster(engine: Engine, table: Dataset, n: int) -> Sequence[bytes]:
    from hauberk.isolation.workers import spawn

    address = engine.name.partition("://")[2]
    token = _token(engine) if address else ""
    order = {
        "address": address,
        "token": token,
        "task": engine.task,
        "n_workers": engine.n_workers,
        "wall_s": engine.wall_s,
        "roots": [str(root) for root in engine.import_roots],
        "shards": [asked(table, place, n).decode() for place in range(n)],
    }
    answer = spawn(
        "hauberk.engine.cluster:drive",
        json.dumps(order).encode(),
        grants=Grants(read=(_file(table),), network=(address,) if address else ()),
        limits=engine.limits,
        level=Isolation.FULL,  # it alone has a network of its own, where a cluster can live
        python=engine.python,
        import_roots=engine.import_roots,
        max_result_bytes=n * MAX_PART_BYTES,
    )
    return _unpacked(answer, n)


def _file(table: Dataset) -> Path:
    if table.path is None:
        raise UsageError(
            "only threads can work on a table in memory",
            subject=table.name,
            expected="a table in a file",
            hint="write it to Parquet first",
        )
    return table.path.resolve()


def _token(engine: Engine) -> str:
    """The token of a cluster, from a file that is its owner's alone.

    Raises:
        TrustError: Others can read the file, or it is not the user's own.
        UsageError: There is no file, or nothing like a token in it.
    """
    if engine.token is None:
        raise UsageError(
            "a cluster at an address is spoken to with a token only",
            subject=engine.name,
            expected="--engine-token FILE",
            found="none",
            hint="whoever reaches a cluster without a token runs code on it",
        )
    try:
        with engine.token.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(MAX_TOKEN_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"the token cannot be read: {reason}", subject=str(engine.token)) from None
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid != os.geteuid():
        raise TrustError(
            "the token of the cluster is open to others",
            subject=str(engine.token),
            rule="a token file is its owner's alone",
            expected="mode 0600, owned by the user",
            found=f"mode {mode:04o}, user {status.st_uid}",
            hint="make a new token: this one may be known; then chmod 600",
        )
    text = data.decode("ascii", "replace").strip()
    if not 16 <= len(text) <= MAX_TOKEN_BYTES or not text.isprintable():  # noqa: PLR2004 - as Ray's
        raise UsageError("the file holds no token", subject=str(engine.token))
    return text


def packed(parts: Sequence[bytes]) -> bytes:
    """Answers as one: a line of JSON with their sizes, then the answers."""
    return json.dumps([len(part) for part in parts]).encode() + b"\n" + b"".join(parts)


def _unpacked(answer: bytes, n: int) -> tuple[bytes, ...]:
    """The answers in what a driver wrote, which is read as hostile."""
    head, mark, body = answer.partition(b"\n")
    try:
        sizes = json.loads(head) if mark and len(head) <= 32 * (n + 1) else None
    except (ValueError, RecursionError):
        sizes = None
    is_whole = isinstance(sizes, list) and all(type(s) is int and s >= 0 for s in sizes)
    if not is_whole or len(sizes or ()) != n or sum(sizes or ()) != len(body):
        raise ArtifactError(
            "the driver of a cluster wrote something that is not its workers' answers",
            subject="ray",
            expected=f"{n} answers",
            found=f"{len(answer)} bytes",
            hint="a worker may have taken the driver over; nothing of it was used",
        )
    parts, start = [], 0
    for size in sizes or ():
        parts.append(body[start : start + size])
        start += size
    return tuple(parts)
