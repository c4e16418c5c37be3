"""From trials to scores.

    ====================  ==========================================================
    ``void``              the attack does not work well enough with the control off
    ``met``               the bound's bad end is on the right side, in at least the
                          target's number of trials, at no more false alarms than it allows
    ``missed``            the value itself is on the wrong side and enough trials say so,
                          or there are more false alarms than the target allows
    ``not enough trials`` anything else: more trials could still show it
    ====================  ==========================================================

A share of 1 (or of 0) is a refusal: one miss is ``missed``, and no miss in the target's
number of trials is ``met``, with the bound that this proves in the note.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hauberk.core.attack import Score
from hauberk.core.threat import Comparison, Statistic, Target
from hauberk.errors import InternalError
from hauberk.range.intervals import median_bounds, share_bounds
from hauberk.range.scenario import Scenario, Trial

MET = "met"
MISSED = "missed"
NOT_ENOUGH = "not enough trials"
VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    value: float
    interval: tuple[float, float] | None
    note: str


def judge(scenario: Scenario, trials: Sequence[Trial], *, seconds: float) -> tuple[Score, ...]:
    """A score for each part of ``scenario``.

    Args:
        trials: In the order of their seeds; at least one.
        seconds: Processor time of all of them; shared evenly among the parts.

    Raises:
        InternalError: The scenario left out a value or the false alarms it must give.
    """
    potency = _potency(trials)
    share = seconds / len(scenario.parts)
    return tuple(_score(scenario, target, trials, potency, share) for target in scenario.targets())


def _potency(trials: Sequence[Trial]) -> float | None:
    """Share of potent trials among those that attack something."""
    known = [trial.potent for trial in trials if trial.potent is not None]
    return sum(known) / len(known) if known else None


def _score(
    scenario: Scenario,
    target: Target,
    trials: Sequence[Trial],
    potency: float | None,
    seconds: float,
) -> Score:
    values = [trial.values[target.metric] for trial in trials if target.metric in trial.values]
    if not values:
        raise InternalError(
            "a scenario did not give a metric that it promised",
            subject=f"{scenario.threat}: {scenario.attack_id}",
            expected=target.metric,
            found="no value in any trial",
        )
    alarms = _false_alarms(scenario, target, trials)
    measured = _measure(target, values)
    void = potency is not None and potency < scenario.min_potency
    state = VOID if void else _state(target, measured, len(values), alarms)
    weak = f"potency {potency:.2f} is below {scenario.min_potency:.2f}" if void else ""
    return Score(
        threat=scenario.threat,
        attack=scenario.attack_id,
        control=scenario.control_id,
        metric=target.metric,
        comparison=target.comparison,
        target=target.value,
        unit=target.unit,
        trials=len(values),
        potency=potency,
        value=None if void else measured.value,
        interval=None if void else measured.interval,
        false_alarm_rate=None if alarms is None else statistics.fmean(alarms),
        met={MET: True, MISSED: False}.get(state),
        state=state,
        seconds=seconds,
        strength=target.strength or "",
        note="; ".join(filter(None, (weak, measured.note, _alarm_note(alarms), scenario.note))),
    )


def _false_alarms(
    scenario: Scenario, target: Target, trials: Sequence[Trial]
) -> list[float] | None:
    alarms = [trial.false_alarm for trial in trials if trial.false_alarm is not None]
    if target.false_alarm_rate is not None and not alarms:
        raise InternalError(
            "a rate is never shown without its false alarms",
            subject=f"{scenario.threat}: {scenario.attack_id}",
            expected=f"false alarms beside {target.metric}",
            found="none in any trial",
        )
    return alarms or None


def _measure(target: Target, values: Sequence[float]) -> _Measured:
    if target.statistic is Statistic.MEDIAN:
        spread = f"mean {statistics.fmean(values):.4g}, worst {_worst(target, values):.4g}"
        return _Measured(
            value=float(statistics.median(values)), interval=median_bounds(values), note=spread
        )
    successes = sum(map(bool, values))
    low, high = share_bounds(successes, len(values))
    return _Measured(
        value=successes / len(values),
        interval=(low, high),
        note=_proven(target, successes, len(values), (low, high)),
    )


def _worst(target: Target, values: Sequence[float]) -> float:
    return min(values) if target.comparison is Comparison.AT_LEAST else max(values)


def _proven(target: Target, successes: int, trials: int, bounds: tuple[float, float]) -> str:
    """What a row of trials without a miss proves."""
    if target.comparison is Comparison.AT_LEAST and successes == trials:
        return f"no miss in {trials} proves at least {bounds[0]:.4f}"
    if target.comparison is Comparison.AT_MOST and successes == 0:
        return f"none in {trials} proves at most {bounds[1]:.4f}"
    return ""


def _alarm_note(alarms: Sequence[float] | None) -> str:
    """The upper bound of the false alarms, where each trial had an alarm or none."""
    if alarms is None or not set(alarms) <= {0.0, 1.0}:
        return ""
    high = share_bounds(int(sum(alarms)), len(alarms))[1]
    return f"false alarms at most {high:.4f} over {len(alarms)} clean twins"


def _state(
    target: Target, measured: _Measured, n_trials: int, alarms: Sequence[float] | None
) -> str:
    allowed = target.false_alarm_rate
    if allowed is not None and alarms and statistics.fmean(alarms) > allowed:
        return MISSED
    if is_refusal(target):
        return _refusal_state(target, measured.value, n_trials)
    if measured.interval is None:
        return NOT_ENOUGH
    at_least = target.comparison is Comparison.AT_LEAST
    bad_end, good_end = measured.interval if at_least else measured.interval[::-1]
    enough = n_trials >= target.trials
    if enough and _reaches(target, bad_end):
        return MET
    if not _reaches(target, good_end) or (enough and not _reaches(target, measured.value)):
        return MISSED
    return NOT_ENOUGH


def is_refusal(target: Target) -> bool:
    """Whether the target leaves no room for a single miss."""
    sharp = 1.0 if target.comparison is Comparison.AT_LEAST else 0.0
    return target.statistic is Statistic.SHARE and target.value == sharp


def _refusal_state(target: Target, value: float, n_trials: int) -> str:
    if value != target.value:
        return MISSED
    return MET if n_trials >= target.trials else NOT_ENOUGH


def _reaches(target: Target, value: float) -> bool:
    return (
        value >= target.value if target.comparison is Comparison.AT_LEAST else value <= target.value
    )
