"""How fast the model is, learnt while it runs.

A run that takes less time than changing threads costs is done in the event loop; anything
longer would keep other clients waiting and goes to a worker.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

QUICK_S = 0.001
"""A pause that other clients do not notice; changing threads costs about a tenth of it."""

_FORGET = 0.1
_WARM_UP = 16


@dataclass(slots=True, kw_only=True)
class Pace:
    """Running estimate of seconds per run and per row.

    Attributes:
        inline_rows: More rows than this never run in the event loop.
    """

    inline_rows: int
    n_runs: int = 0
    run_s: float = 0.0
    worst_s: float = 0.0

    def is_quick(self, n_rows: int) -> bool:
        """Whether so few rows of this model may run in the event loop."""
        return (
            n_rows <= self.inline_rows
            and self.n_runs >= _WARM_UP
            and max(self.run_s, self.worst_s) * n_rows <= QUICK_S
        )

    @contextmanager
    def measured(self, n_rows: int) -> Iterator[None]:
        """Take the time of a run of ``n_rows``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._learn((time.perf_counter() - started) / n_rows)

    def _learn(self, per_row_s: float) -> None:
        """A slow run is remembered at once and forgotten slowly."""
        self.n_runs += 1
        self.run_s += _FORGET * (per_row_s - self.run_s)
        if self.n_runs > _WARM_UP:
            self.worst_s = max(per_row_s, self.worst_s * (1 - _FORGET))
