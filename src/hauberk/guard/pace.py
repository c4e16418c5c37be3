"""How fast the model is, learnt while it runs.

A run that takes less time than changing threads costs is done in the event loop; anything
longer would keep other clients waiting and goes to a worker. Runs are timed by the wall: the
processor's own clock costs as much to read as a small model costs to run. The middle of the
last runs decides, which single interruptions do not move; two that were surely slow send the
next ones to a worker at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

QUICK_S = 0.001
"""A pause that other clients do not notice; changing threads costs about a tenth of it."""

_SURELY_SLOW_S = 20 * QUICK_S
_REST = 64
"""Runs that go to a worker after one that was surely slow."""

_KEPT = 15
_WARM_UP = 16


@dataclass(slots=True, kw_only=True)
class Pace:
    """Running estimate of seconds per row.

    Attributes:
        inline_rows: More rows than this never run in the event loop.
    """

    inline_rows: int
    n_runs: int = 0
    per_row_s: float = 0.0
    rest_until: int = 0
    last: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def is_quick(self, n_rows: int) -> bool:
        """Whether so few rows of this model may run in the event loop."""
        return (
            n_rows <= self.inline_rows
            and self.n_runs >= max(_WARM_UP, self.rest_until)
            and self.per_row_s * n_rows <= QUICK_S
        )

    def took(self, seconds: float, n_rows: int) -> None:
        """Learn from a run."""
        self.n_runs += 1
        self.last.append(seconds / n_rows)
        if self.n_runs % 4 == 0:
            self.per_row_s = sorted(self.last)[len(self.last) // 2]
        if seconds > _SURELY_SLOW_S and self._are_slow_ones():
            self.rest_until = self.n_runs + _REST

    def _are_slow_ones(self) -> bool:
        """Whether more than one of the last runs was; a single one was interrupted."""
        return sum(per_row_s > QUICK_S for per_row_s in self.last) > 1
