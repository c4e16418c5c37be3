"""What a monitor asks for: only with two signals that do not come from the same hands.

A signal has an origin: what replicas report of inputs (``telemetry``), what labels say
(``labels``), what the guard's own log says (``log``). An action needs as many origins that
agree as policy demands, so that whoever holds one of them moves nothing. Among replicas the
median counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from hauberk.monitor.hours import Hour
from hauberk.monitor.judging import FALL, Judged
from hauberk.monitor.store import Sum

MIN_ORIGINS = 2
MIN_ERRORS = 0.05
"""Share of answers that are errors, by the median replica, from which on it is a signal."""


class Action(StrEnum):
    """What somebody else is asked to do."""

    RETRAIN = "retrain"
    ROLLBACK = "rollback"
    SCALE = "scale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One reason for an action.

    Attributes:
        origin: Whose word it is.
        text: What was seen.
    """

    action: Action
    origin: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An action with the signals that agree on it."""

    action: Action
    signals: tuple[Signal, ...]


def decide(signals: Iterable[Signal], *, min_origins: int = MIN_ORIGINS) -> tuple[Decision, ...]:
    """The actions on which enough origins agree."""
    found = list(signals)
    decisions = []
    for action in Action:
        agreed = tuple(signal for signal in found if signal.action is action)
        if len({signal.origin for signal in agreed}) >= min_origins:
            decisions.append(Decision(action=action, signals=agreed))
    return tuple(decisions)


def telemetry_signals(
    judged: Judged,
    parts: Mapping[str, Hour],
    *,
    origin: str = "telemetry",
    latency_s: float = 0.0,
) -> list[Signal]:
    """What replicas say together: columns that most of them see drift, errors of the middle one.

    Args:
        origin: Whose word it is.
        latency_s: Latency of the middle one above which more servers are wanted; 0 for never.
    """
    found = []
    drifted = [item.label for item in judged.distances if item.drifted]
    if drifted:
        text = f"columns drifted: {', '.join(drifted[:5])}"
        found.append(Signal(action=Action.RETRAIN, origin=origin, text=text))
    rates = [part.errors / part.requests for part in parts.values() if part.requests]
    if rates and median(rates) >= MIN_ERRORS:
        text = f"errors in {median(rates):.1%} of answers"
        found.append(Signal(action=Action.ROLLBACK, origin=origin, text=text))
    slow = [value for part in parts.values() if (value := part.latency_s(0.95)) is not None]
    if latency_s and slow and median(slow) > latency_s:
        text = f"5 % of the answers take longer than {latency_s:g} s"
        found.append(Signal(action=Action.SCALE, origin=origin, text=text))
    return found


def label_signals(days: Sequence[Sum], *, origin: str = "labels") -> list[Signal]:
    """What labels say: accuracy of the last days against that of the first ones."""
    known = [day.accuracy for day in days if day.accuracy is not None]
    if len(known) < 6:  # noqa: PLR2004 - three days against three
        return []
    before, now = median(known[: len(known) // 2]), median(known[-3:])
    if before - now < FALL:
        return []
    text = f"accuracy by labels fell from {before:.3f} to {now:.3f}"
    return [
        Signal(action=Action.RETRAIN, origin=origin, text=text),
        Signal(action=Action.ROLLBACK, origin=origin, text=text),
    ]
