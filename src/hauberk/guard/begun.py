"""The first step of something awaited, made at once.

Most requests have arrived as a whole when they are asked for, and then nothing has to be
waited for. A timer that is set for each of them costs more than reading it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any


class Begun:
    """Runs an awaitable up to where it first waits.

    Args:
        what: Awaited nowhere else.

    Example:
        >>> async def at_once():
        ...     return 1
        >>> Begun(at_once()).value
        1
    """

    __slots__ = ("_steps", "_waits_for", "is_done", "value")

    def __init__(self, what: Awaitable[Any]) -> None:
        self._steps = what.__await__()
        self.is_done = False
        self.value: Any = None
        self._waits_for: Any = None
        try:
            self._waits_for = next(self._steps)
        except StopIteration as end:
            self.is_done, self.value = True, end.value

    def __await__(self) -> Generator[Any, Any, Any]:
        """The rest of the way."""
        waits_for = self._waits_for
        while not self.is_done:
            try:
                try:
                    heard = yield waits_for
                except GeneratorExit:
                    self._steps.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - whoever waits below hears of it
                    waits_for = self._steps.throw(error)
                else:
                    waits_for = self._steps.send(heard)
            except StopIteration as end:
                self.is_done, self.value = True, end.value
        return self.value

    async def rest(self) -> Any:
        """The rest of the way, for a task."""
        return await self


async def in_task() -> None:
    """Go on in a task, where the first step was made without one.

    What has a time limit needs a task that the limit can end.
    """
    if asyncio.current_task() is None:
        await asyncio.sleep(0)
