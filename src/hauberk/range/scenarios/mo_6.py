"""MO-6: telemetry that nobody signed, that came before, and three replicas of ten that lie."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from functools import lru_cache
from random import Random

from hauberk.attacks.log.forge_telemetry import ForgeTelemetry
from hauberk.controls.log.forged_telemetry import ForgedTelemetry
from hauberk.core.artifact import LogSegment
from hauberk.core.threat import ThreatId
from hauberk.monitor.actions import MIN_ERRORS, Action, Signal, decide, telemetry_signals
from hauberk.monitor.hours import Hour, total
from hauberk.monitor.judging import judge
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.replicas import N_REPLICAS, ROWS, grid, hour, reported

CONTROL = ForgedTelemetry()
N_LIARS = 3
_LABELS = (
    Signal(action=Action.RETRAIN, origin="labels", text="given"),
    Signal(action=Action.ROLLBACK, origin="labels", text="given"),
)


@lru_cache(maxsize=200)
def _log(seed: int) -> LogSegment:
    return reported(seed)


def _refused(kind: str, seed: int) -> Trial:
    """Potent where a reader that checks nothing counts more than there was."""
    log = _log(seed)
    twin = ForgeTelemetry(kind=kind).apply(log, Random(seed)).subject
    found = {finding.location.rows for finding in CONTROL.check(twin)}
    place = (sum(1 for _ in log.records()),)
    return Trial(
        values={"refused": place in found},
        potent=_counted(twin) > _counted(log),
        false_alarm=bool(list(CONTROL.check(log))),
    )


def _counted(log: LogSegment) -> int:
    """Requests that a reader who believes everything adds up."""
    payloads = (json.loads(b64decode(json.loads(r)["payload"])) for r in log.records())
    return sum(int(payload["body"]["requests"]) for payload in payloads)


def _decided(parts: Mapping[str, Hour]) -> frozenset[str]:
    """Actions, given that labels agree to everything: all hangs on the replicas."""
    judged = judge(grid(), parts)
    return frozenset(d.action for d in decide([*telemetry_signals(judged, parts), *_LABELS]))


def _naive(parts: Mapping[str, Hour]) -> frozenset[str]:
    """The same of a sum that believes everybody."""
    merged = total(parts.values())
    drifted = any(item.drifted for item in judge(grid(), {"all": merged}).distances)
    has_errors = merged.errors / merged.requests >= MIN_ERRORS
    return frozenset(
        action
        for action, is_so in ((Action.RETRAIN, drifted), (Action.ROLLBACK, has_errors))
        if is_so
    )


def _liars(seed: int) -> Trial:
    """Three replicas report what is not so: drift and errors, or in odd trials that all is well."""
    is_bad = seed % 2 == 1
    truth = (0.8, 0.2) if is_bad else (0.0, 0.0)
    lie = (0.0, 0.0) if is_bad else (3.0, 0.9)
    honest = {f"r{i}": _hour(seed * 100 + i, truth) for i in range(N_REPLICAS)}
    liars = Random(seed).sample(sorted(honest), N_LIARS)
    told = honest | {
        name: _hour(seed * 100 + 50 + i, lie, rows=20_000) for i, name in enumerate(liars)
    }
    return Trial(
        values={"decisions_moved": _decided(told) != _decided(honest)},
        potent=_naive(told) != _naive(honest),
    )


def _hour(seed: int, world: tuple[float, float], rows: int = ROWS) -> Hour:
    return hour(seed, shift=world[0], errors=world[1], rows=rows)


def _scenario(kind: str, note: str) -> Scenario:
    return Scenario(
        threat=ThreatId("MO-6"),
        attack=ForgeTelemetry(kind=kind),
        control=CONTROL,
        play=lambda seed: _refused(kind, seed),
        parts=(("refused", kind),),
        note=note,
    )


SCENARIOS = (
    _scenario("unsigned", "thirty honest batches of ten replicas, then one without their key"),
    _scenario("replayed", "thirty honest batches of ten replicas, then one of them once more"),
    Scenario(
        threat=ThreatId("MO-6"),
        attack="three liars",
        control="median of replicas",
        play=_liars,
        parts=(("decisions_moved", "3 liars of 10 replicas"),),
        note="two columns, 400 rows each; a liar claims 20,000 rows; labels are taken to agree "
        "to every action, so that the replicas alone decide",
    ),
)
