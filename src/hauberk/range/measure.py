"""Run scenarios over seeds.

Seeds below `REPORTING_SEED` are for tuning: parameters of controls may be chosen on them.
Figures are reported on seeds from there on, which no parameter was chosen on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from hauberk.core.attack import Score
from hauberk.core.threat import ThreatId
from hauberk.errors import UnavailableError
from hauberk.range.judge import VOID, judge
from hauberk.range.scenario import Scenario, scenarios

REPORTING_SEED = 10_000
"""First seed that figures are reported on; the ones below are for tuning."""

Progress = Callable[[Scenario, int, int], None]
"""Called after each trial with the scenario, trials done and trials to do."""


CANNOT_RUN = "cannot run here"
"""How the note of a row begins whose scenario lacks something on this machine."""


def run(
    threats: Iterable[ThreatId],
    *,
    trials: int | None = None,
    seed: int = REPORTING_SEED,
    progress: Progress | None = None,
) -> Iterator[Score]:
    """Scores of all scenarios of ``threats``, each as soon as its trials are done.

    Args:
        trials: Trials of every scenario; by default as many as its targets need.
        seed: First seed; trial number ``i`` has seed ``seed + i``.
        progress: Told after every trial.
    """
    for group in scenarios(threats).values():
        for scenario in group:
            yield from measure(scenario, trials=trials, seed=seed, progress=progress)


def measure(
    scenario: Scenario,
    *,
    trials: int | None = None,
    seed: int = REPORTING_SEED,
    progress: Progress | None = None,
) -> tuple[Score, ...]:
    """Scores of one scenario; void ones where this machine lacks what it needs."""
    wanted = trials or scenario.trials or max(t.trials for t in scenario.targets())
    started = _processor_s()
    played = []
    try:
        for done in range(wanted):
            played.append(scenario.play(seed + done))
            if progress:
                progress(scenario, done + 1, wanted)
    except UnavailableError as error:
        return _unavailable(scenario, len(played), error)
    return judge(scenario, played, seconds=_processor_s() - started)


def _unavailable(scenario: Scenario, n_played: int, error: UnavailableError) -> tuple[Score, ...]:
    return tuple(
        Score(
            threat=scenario.threat,
            attack=scenario.attack_id,
            control=scenario.control_id,
            metric=target.metric,
            comparison=target.comparison,
            target=target.value,
            unit=target.unit,
            trials=n_played,
            potency=None,
            value=None,
            interval=None,
            false_alarm_rate=None,
            met=None,
            state=VOID,
            seconds=0.0,
            strength=target.strength or "",
            note=f"{CANNOT_RUN}: {error}",
        )
        for target in scenario.targets()
    )


def _processor_s() -> float:
    """Processor time of this process and of the workers that have ended."""
    return sum(os.times()[:4])
