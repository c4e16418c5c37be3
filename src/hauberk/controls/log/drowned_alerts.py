"""Alerts that a flood of others would hide: see `DrownedAlerts`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.methods.alerting import FLOOD_KIND, MAX_SHOWN, Alert, Board
from hauberk.methods.decisions import alerts_of, decision_of, text_of

_REMEDY = "look at this one first, however many others there are; then at who makes the others"


_LOOK_S = 60.0
"""How often groups that found no room are looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrownedAlerts(Check[LogSegment]):
    """Alerts in a log of decisions, as few as people read and none of them hidden.

    Every refusal and everything that a control in shadow would have done is an alert. They are
    grouped by cause, whoever they come from; a group is shown once and then counted. In any
    hour at most ``max_shown`` are shown, of which every kind has a room of its own, so that
    a rare kind is shown at once in whatever flood; and a flood is an alert itself.

    Limits:
        The kinds are those that controls have names for. Who can set off many alerts of the
        very kind of the deed to be hidden makes the deed one of several groups of that kind,
        of which the first five of an hour are shown and the others counted. Refusals alone,
        without a flood, are traffic and no finding.

    Args:
        max_shown: Findings in any hour.

    References:
        Julisch (2003), Clustering intrusion detection alarms to support root cause analysis;
        Valdes and Skinner (2001), Probabilistic alert correlation; MITRE ATLAS AML.T0046.
    """

    title: ClassVar[str] = "Alerts that a flood would hide"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-4"),)
    subject: ClassVar[type] = LogSegment

    max_shown: int = MAX_SHOWN

    def check(self, subject: LogSegment) -> Iterator[Finding]:
        """What is shown, in the order of time.

        Raises:
            NotApplicable: The log holds no decisions.
        """
        n_decisions = 0
        for number, alert in self.shown(subject):
            n_decisions += alert is None
            if alert is not None and alert.severity.rank >= Severity.MEDIUM.rank:
                yield _finding(subject, number, alert)
        if not n_decisions:
            raise NotApplicable("the log holds no decisions")

    def shown(self, subject: LogSegment) -> Iterator[tuple[int, Alert | None]]:
        """Each decision's number with ``None``, then with every alert shown at that moment."""
        board = Board(max_shown=self.max_shown)
        latest = looked = 0.0
        for number, record in enumerate(subject.records()):
            value = decision_of(record)
            if value is None:
                continue
            yield number, None
            latest = max(latest, float(value["at"]))
            model = text_of(value, "model")
            for alert in alerts_of(value, model=model, record=str(number)):
                yield from ((number, item) for item in board.offer(alert, latest))
            if latest - looked >= _LOOK_S:
                looked = latest
                yield from ((number, item) for item in board.waiting(latest))


def _finding(subject: LogSegment, number: int, alert: Alert) -> Finding:
    what = "a flood" if alert.kind == FLOOD_KIND else alert.kind
    return Finding(
        message=f"{subject.name}: {alert.title}",
        path=subject.name,
        severity=alert.severity,
        level=Level.REVIEW,
        remedy=_REMEDY,
        threats=DrownedAlerts.threats,
        location=Location(rows=(number,)),
        evidence=Evidence(
            statistic=f"alert: {what}",
            n=int(alert.facts.get("alerts", "1")),
            facts={**alert.facts, "cause": alert.cause, "at": f"{alert.at:.3f}"},
        ),
    )
