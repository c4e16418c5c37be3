"""Work behind the back of whoever hands it over: in a thread, many pieces at a time.

Counting a thousand rows into sketches takes longer than answering ten requests. Whoever answers
only notes what is to be counted; a thread does it once enough has come, and whoever wants to see
the counts does what is left. Pieces are done in the order in which they came.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

MAX_WAITING: Final = 50_000
"""Pieces of work; where the thread is so far behind, whoever brings the next does them."""


class Behind:
    """Calls that are made later.

    Args:
        lock: Held while they are made; never taken by `put`.
        enough: So much is worth a turn of the thread.
    """

    def __init__(self, lock: threading.Lock, enough: int) -> None:
        self._lock = lock
        self._enough = enough
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._held = 0
        self._pool: ThreadPoolExecutor | None = None
        self._is_running = False

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, weight: int, call: Callable[..., None], *arguments: Any) -> None:
        """Note a call; from one thread only."""
        self._calls.append((call, arguments))
        self._held += weight
        if self._held >= self._enough and not self._is_running:
            self._held = 0
            self._is_running = True
            self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="hauberk-counting")
            self._pool.submit(self._turn)
        elif len(self._calls) > MAX_WAITING:
            with self._lock:
                self.catch_up()

    def _turn(self) -> None:
        try:
            with self._lock:
                self.catch_up()
        except Exception:  # the boundary of the thread: nobody waits for it
            logging.getLogger("hauberk.monitor").exception("a count was lost")
        finally:
            self._is_running = False

    def catch_up(self) -> None:
        """Make all calls that were put so far; the caller holds the lock."""
        calls = self._calls
        while calls:
            call, arguments = calls.popleft()
            call(*arguments)
