"""How fast the model is, learnt while it runs.

A run that takes less time than changing threads costs is done in the event loop; anything
longer would keep other clients waiting and goes to a worker. Processor time is what counts:
a run that was only interrupted was no slow one.
"""

from __future__ import annotations

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

    def took(self, seconds: float, n_rows: int) -> None:
        """Learn from a run: a slow one is remembered at once and forgotten slowly."""
        per_row_s = seconds / n_rows
        self.n_runs += 1
        self.run_s += _FORGET * (per_row_s - self.run_s)
        if self.n_runs > _WARM_UP:
            self.worst_s = max(per_row_s, self.worst_s * (1 - _FORGET))
