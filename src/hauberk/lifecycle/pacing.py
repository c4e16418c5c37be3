"""How fast the machine was while a step ran, by a yardstick that is timed beside it.

Processor seconds of the same work differ from run to run: cores change their clock, and two
threads of one core share it with whoever else is there. A short fixed piece of work, done now
and then by the runner while the step runs, slows down with it; what the step used is counted in
lengths of that yardstick. It costs less than a hundredth of one processor.
"""

from __future__ import annotations

import threading
import time
from statistics import median
from types import TracebackType
from typing import Self

NOMINAL_S = 0.002
"""Length of the yardstick on a machine of pace 1."""

_EVERY_S = 0.2
_ROUNDS = 12_000
_AROUND = 5


class Pace:
    """Times the yardstick before, during and after what happens inside of the ``with``."""

    def __init__(self) -> None:
        self._lengths: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._lengths += [_yardstick() for _ in range(_AROUND)]
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._lengths += [_yardstick() for _ in range(_AROUND)]

    @property
    def factor(self) -> float:
        """Seconds that work took here, over those at pace 1; above 1 the machine was slow."""
        return median(self._lengths) / NOMINAL_S

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            self._lengths.append(_yardstick())


def _yardstick() -> float:
    """Processor seconds of this thread for a fixed piece of work."""
    began, total = time.thread_time(), 1
    for place in range(_ROUNDS):
        total = (total * 31 + place) & 0xFFFF_FFFF
    return max(time.thread_time() - began, 1e-6)
