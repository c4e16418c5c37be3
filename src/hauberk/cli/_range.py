"""Scores as rows and as text, and the progress line of a long measurement."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from hauberk.catalogue.load import threats
from hauberk.cli._text import WIDTH, wrapped
from hauberk.core.attack import Score

if TYPE_CHECKING:
    from hauberk.range.scenario import Scenario

_INDENT = " " * 10
_SECONDS_BETWEEN = 0.2  # drawing more often only costs time


def result(score: Score) -> dict[str, Any]:
    """One score in the stable JSON form."""
    return {
        "threat": score.threat,
        "kind": str(threats()[score.threat].kind),
        "attack": score.attack,
        "control": score.control,
        "metric": score.metric,
        "strength": score.strength,
        "potency": score.potency,
        "value": score.value,
        "interval": list(score.interval) if score.interval else None,
        "false_alarm_rate": score.false_alarm_rate,
        "comparison": str(score.comparison),
        "target": score.target,
        "met": score.met,
        "state": score.state,
        "trials": score.trials,
        "unit": score.unit,
        "seconds": round(score.seconds, 3),
        "note": score.note,
    }


def table(scores: Sequence[Score]) -> Iterator[str]:
    """Scores under their threats, two or three lines each, then a summary."""
    for threat_id, group in groupby(scores, key=lambda score: score.threat):
        threat = threats()[threat_id]
        yield f"{threat_id}  {threat.title}  ({threat.kind})"
        for score in group:
            yield from _lines(score)
        yield ""
    yield _summary(scores)


def _lines(score: Score) -> Iterator[str]:
    strength = f" ({score.strength})" if score.strength else ""
    head = f"{score.metric}{strength} {score.comparison} {score.target:g}"
    line = f"{score.state.upper() + ' ':<8}{head}: {_value(score)}"
    yield from wrapped(line, "  ", _INDENT)
    yield from wrapped(_ground(score), _INDENT, _INDENT)


def _value(score: Score) -> str:
    if score.value is None:
        return "no value"
    if score.interval is None:
        return f"{score.value:.4g}"
    return f"{score.value:.4g} [{score.interval[0]:.4g}, {score.interval[1]:.4g}]"


def _ground(score: Score) -> str:
    parts = [f"{score.attack} against {score.control}", f"{score.trials} x {score.unit}"]
    if score.false_alarm_rate is not None:
        parts.append(f"false alarms {score.false_alarm_rate:.4g}")
    if score.potency is not None:
        parts.append(f"potency {score.potency:.3g}")
    return "; ".join([*parts, *([score.note] if score.note else [])])


def _summary(scores: Sequence[Score]) -> str:
    states = [score.state for score in scores]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    seconds = sum(score.seconds for score in scores)
    return f"{len(scores)} parts: {counts or 'nothing measured'}; {seconds:.1f} s of processor time"


class Bar:
    """A line that says how far a measurement is; silent where nobody watches."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._watched = stream.isatty()
        self._drawn = 0.0

    def advance(self, scenario: Scenario, done: int, wanted: int) -> None:
        """Show trial ``done`` of ``wanted``."""
        now = time.monotonic()
        if self._watched and (done == wanted or now - self._drawn > _SECONDS_BETWEEN):
            self._drawn = now
            line = f"{scenario.threat} {scenario.attack_id} {done}/{wanted}"
            self._stream.write(f"\r\x1b[K{line[: WIDTH - 1]}")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._watched:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
