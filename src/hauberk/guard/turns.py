"""One after the other, for each principal.

Reading a large body takes a moment. Where many of them have come at once, all of them one after
the other would keep everybody else waiting; so each principal has one turn, and between two of its
turns whoever is next has one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator


class Turns:
    """Turns of principals; used from one event loop."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiting: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def of(self, principal: str) -> AsyncIterator[None]:
        """The turn of one principal; the next one begins when the block ends."""
        lock = self._locks.setdefault(principal, asyncio.Lock())
        self._waiting[principal] += 1
        try:
            async with lock:
                yield
        finally:
            self._waiting[principal] -= 1
            if not self._waiting[principal]:
                del self._waiting[principal], self._locks[principal]

    def __len__(self) -> int:
        """Principals that have or wait for a turn."""
        return len(self._locks)
