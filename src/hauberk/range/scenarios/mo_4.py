"""MO-4: ten thousand refused requests an hour around one real extraction."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import islice
from random import Random

from hauberk.attacks.log.drown_alert import DrownAlert
from hauberk.controls.log.drowned_alerts import DrownedAlerts
from hauberk.core.threat import ThreatId
from hauberk.methods.alerting import Alert
from hauberk.methods.decisions import alerts_of, decision_of
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.decisions import DEED, HOUR_S, decided_hour

ATTACK = DrownAlert()
CONTROL = DrownedAlerts()
LATE_S = 300.0
MAX_SHOWN = 20
_NOTE = (
    "one hour, some 720 honest decisions, 10,000 refusals of eight rules and of two other "
    "detectors from 2,000 keys; the real sender is seen three times"
)


@lru_cache(maxsize=1000)
def _outcome(seed: int) -> tuple[bool, bool, bool]:
    """Whether the real one is shown in time, all within the cap, and hidden in a plain list."""
    log = ATTACK.apply(decided_hour(seed), Random(seed)).subject
    shown = [alert for _, alert in CONTROL.shown(log) if alert is not None]
    records = [record for record in log.records() if DEED.encode() in record]
    first = min(alert.at for record in records for alert in _alerts(record))
    real = [alert.at for alert in shown if alert.kind == DEED]
    times = sorted(alert.at for alert in shown)
    most = max(sum(at <= other < at + HOUR_S for other in times) for at in times)
    every = (alert for record in log.records() for alert in _alerts(record))
    is_hidden = all(alert.kind != DEED for alert in islice(every, MAX_SHOWN))
    return bool(real) and real[0] - first <= LATE_S, most <= MAX_SHOWN, is_hidden


def _play(metric: str, seed: int) -> Trial:
    """Potent where a plain list of at most twenty an hour does not have the real one."""
    in_time, within, is_hidden = _outcome(seed)
    value = in_time if metric == "shown_in_time" else within
    return Trial(values={metric: value}, potent=is_hidden)


def _alerts(record: bytes) -> list[Alert]:
    value = decision_of(record)
    return [] if value is None else list(alerts_of(value, model="model", record=""))


SCENARIOS = tuple(
    Scenario(
        threat=ThreatId("MO-4"),
        attack=ATTACK,
        control=CONTROL,
        play=partial(_play, metric),
        parts=((metric, strength),),
        note=_NOTE,
    )
    for metric, strength in (
        ("shown_in_time", "5 minutes, 10,000 alerts an hour"),
        ("within_cap", "20 alerts an hour"),
    )
)
