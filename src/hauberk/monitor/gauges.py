"""Drift in the text format that Prometheus reads, worked out at most every few seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hauberk.monitor.comparison import Comparison, compare

if TYPE_CHECKING:
    from hauberk.monitor.live import Live
    from hauberk.sketches.profile import Profile

REFRESH_S = 15.0
"""A scrape interval that is common; comparing a hundred columns takes some milliseconds."""


@dataclass(slots=True, kw_only=True)
class Gauges:
    """The lines, kept until they are too old.

    Attributes:
        clock: Seconds, from any start.
    """

    training: Profile
    live: Live
    clock: Callable[[], float]
    _text: str = ""
    _next: float = field(default=float("-inf"))

    def __call__(self) -> str:
        """The lines; columns are those of training, so their number is bounded."""
        if self.clock() >= self._next:
            self._text = _lines(compare(self.training, self.live.window()))
            self._next = self.clock() + REFRESH_S
        return self._text


def _lines(found: Comparison) -> str:
    lines = [
        "# HELP hauberk_drift_distance Distance of live rows from training, 0 to 1.",
        "# TYPE hauberk_drift_distance gauge",
        *(f"hauberk_drift_distance{_labels(d.label)} {d.shape:.6f}" for d in found.distances),
        "# HELP hauberk_drifted Whether more than chance explains the distance.",
        "# TYPE hauberk_drifted gauge",
        *(f"hauberk_drifted{_labels(d.label)} {int(d.drifted)}" for d in found.distances),
    ]
    if found.prediction_shift is not None:
        lines += [
            "# HELP hauberk_prediction_shift Predictions against training's labels, 0 to 1.",
            "# TYPE hauberk_prediction_shift gauge",
            f"hauberk_prediction_shift {found.prediction_shift:.6f}",
        ]
    return "\n".join(lines) + "\n"


def _labels(column: str) -> str:
    escaped = column.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{column="{escaped}"}}'
