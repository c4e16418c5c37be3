"""Executors: a function over shards, results in the order of the shards."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


class SerialExecutor:
    """One shard after the other, in the caller's thread."""

    def map(self, task: Callable[[T], bytes], shards: Sequence[T]) -> Iterator[bytes]:
        """Yield ``task(shard)`` for each shard; a shard is begun when its result is asked for."""
        return (task(shard) for shard in shards)


class ThreadExecutor:
    """Several shards at once in threads of this process.

    It pays for tasks that leave Python's lock: hashing, Arrow, files.

    Args:
        workers: Threads.
        ahead: Shards begun or finished but not yet handed out; bounds the memory for
            results. Twice the workers where it is not given.
    """

    def __init__(self, workers: int = 2, *, ahead: int | None = None) -> None:
        self._workers = workers
        self._ahead = 2 * workers if ahead is None else max(ahead, 1)

    def map(self, task: Callable[[T], bytes], shards: Sequence[T]) -> Iterator[bytes]:
        """Yield ``task(shard)`` for each shard; the first error ends the work."""
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="hauberk-shard")
        try:
            yield from self._ordered(pool, task, iter(shards))
        finally:
            pool.shutdown(cancel_futures=True)

    def _ordered(
        self, pool: ThreadPoolExecutor, task: Callable[[T], bytes], shards: Iterator[T]
    ) -> Iterator[bytes]:
        flying: deque[Future[bytes]] = deque()
        flying.extend(pool.submit(task, shard) for shard in islice(shards, self._ahead))
        while flying:
            yield flying.popleft().result()
            flying.extend(pool.submit(task, shard) for shard in islice(shards, 1))
