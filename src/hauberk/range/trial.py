"""One whole rehearsal: the sample project through its lifecycle, then attacked.

Two kinds of attack follow. Forgeries change the finished project and its store, and the
chain is verified against the pinned root. Scenarios of the range attack single controls,
a few trials each, as far as the time goes; their figures are honest but short of trials.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hauberk import catalogue
from hauberk.core.attack import Score
from hauberk.core.lifecycle import COMPONENTS
from hauberk.core.policy import Isolation
from hauberk.core.record import Event, RunRecord
from hauberk.core.threat import Comparison, ThreatId
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.lifecycle.signing import make_keys, pin_own_root
from hauberk.range import sample
from hauberk.range.forgeries import Forgery, Refusal, Site, forgeries, play
from hauberk.range.intervals import share_bounds
from hauberk.range.judge import NOT_ENOUGH
from hauberk.range.measure import measure
from hauberk.range.scenario import has_scenario, scenarios

TRIALS = 2
"""Trials of one scenario in a rehearsal; the range itself runs as many as targets need."""

SCENARIO_S = 4.0
"""A scenario whose first trial would take longer is left to the range."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One forgery and what became of it."""

    name: str
    deed: str
    threat: ThreatId
    refused: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Everything that a rehearsal gave.

    Attributes:
        record: The run, with the scores of the attacks in it.
    """

    record: RunRecord
    forgeries: tuple[Played, ...]
    scores: tuple[Score, ...]


def rehearse(folder: Path, *, clock: Callable[[], float], seconds: float, say: Say) -> Rehearsal:
    """Make the sample project below ``folder``, run it, attack it.

    Args:
        seconds: Time for the attacks; scenarios that do not fit are left out.
        say: Takes one line of progress at a time.
    """
    root, configuration = folder / sample.NAME, folder / "configuration"
    say(f"a small project from real data, in {root}")
    sample.write_project(root)
    for line in (*make_keys(configuration), *pin_own_root(sample.NAME, configuration)):
        say(f"  {line}")
    say("its lifecycle")
    settings = load(root)
    record = run(
        settings,
        Options(configuration=configuration, clock=clock, emit=lambda event: _show(event, say)),
    )
    if record.exit_code:
        return Rehearsal(record=record, forgeries=(), scores=())
    deadline = time.monotonic() + seconds
    site = Site(root=root, configuration=configuration, clock=clock, level=record.isolation)
    played = tuple(_forged(site, folder / "forged", say)) if _is_signed(record) else ()
    scores = tuple(_attacked(deadline, say))
    shown = (*(_score(item) for item in played), *scores)
    return Rehearsal(record=replace(record, scores=shown), forgeries=played, scores=scores)


def _is_signed(record: RunRecord) -> bool:
    return record.isolation is not Isolation.OBSERVE


def _show(event: Event, say: Say) -> None:
    if event.kind == "component-done" and event.component is not None:
        say(f"  {event.component:<16} {event.facts.get('state', '')!s:<8} {event.message}")


def _forged(site: Site, folder: Path, say: Say) -> Iterator[Played]:
    say("forgeries of the finished project")
    for forgery in forgeries(sample.RAW):
        found = _judged(forgery, play(forgery, site, folder))
        say(f"  {'refused' if found.refused else 'ACCEPTED':<8} {found.deed}")
        yield found


def _judged(forgery: Forgery, refusal: Refusal) -> Played:
    return Played(
        name=forgery.name,
        deed=forgery.deed,
        threat=forgery.threat,
        refused=refusal.refused,
        words=refusal.words,
    )


def _attacked(deadline: float, say: Say) -> Iterator[Score]:
    """A few trials of every scenario that there is time for, component by component."""
    say("attacks on single controls")
    for component in COMPONENTS:
        for threat in catalogue.by_component(component):
            if has_scenario(threat.id) and time.monotonic() < deadline:
                yield from _scored(threat.id, deadline, say)


def _scored(threat: ThreatId, deadline: float, say: Say) -> Iterator[Score]:
    for scenario in scenarios([threat])[threat][:1]:
        started = time.monotonic()
        first = measure(scenario, trials=1)
        took = time.monotonic() - started
        room = min(SCENARIO_S, deadline - time.monotonic())
        rows = measure(scenario, trials=TRIALS) if took * TRIALS < room else first
        for row in rows:
            told = "not measured, the attack did not work" if row.value is None else row.value
            say(f"  {row.threat:<5} {row.attack} against {row.control}: {row.metric} {told}")
        yield from rows


def _score(played: Played) -> Score:
    """A forgery as a score of one trial: honest, and short of trials."""
    return Score(
        threat=played.threat,
        attack=f"forgery/{played.name}",
        control="the verified chain",
        metric="refused",
        comparison=Comparison.AT_LEAST,
        target=1.0,
        unit="forgery",
        trials=1,
        potency=1.0,
        value=float(played.refused),
        interval=share_bounds(int(played.refused), 1),
        false_alarm_rate=0.0,
        met=None,
        state=NOT_ENOUGH,
        seconds=0.0,
        note=played.words,
    )
