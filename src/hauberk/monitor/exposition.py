"""What the monitor knows, in the text format that Prometheus reads.

Labels are names of models and columns that the operator chose, never values that came with
requests, so that nobody can grow the number of series.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from hauberk.core.finding import Severity
from hauberk.monitor.hours import DAY_H

if TYPE_CHECKING:
    from hauberk.monitor.store import Sum
    from hauberk.monitor.watching import Monitor

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_DAY_S = 86_400.0

Series = list[tuple[dict[str, str], float]]


def exposition(monitor: Monitor) -> str:
    """All series."""
    now = monitor.clock()
    days = {name: _day(monitor, name) for name in monitor.store.models()}
    shown = monitor.store.alerts(since=now - _DAY_S, limit=1000)
    families: list[tuple[str, str, Series]] = [
        ("hauberk_monitor_rows", "Rows of the day.", _of(days, lambda day: day.rows)),
        ("hauberk_monitor_requests", "Requests of the day.", _of(days, lambda d: d.requests)),
        ("hauberk_monitor_refused", "Refused requests of the day.", _of(days, lambda d: d.refused)),
        ("hauberk_monitor_latency_p95_seconds", "Of the day.", _of(days, lambda d: d.latency)),
        ("hauberk_monitor_confidence", "Mean of the day.", _of(days, lambda d: d.confidence)),
        ("hauberk_monitor_accuracy", "By labels, of the day.", _of(days, lambda d: d.accuracy)),
        (
            "hauberk_monitor_accuracy_estimate",
            "By confidence, of the day.",
            _of(days, lambda d: d.estimate),
        ),
        (
            "hauberk_monitor_drift_distance",
            "Distance of a column of the day from training, 0 to 1.",
            _distances(monitor, days),
        ),
        ("hauberk_monitor_alerts", "Alerts shown within a day.", _alerts(shown)),
        (
            "hauberk_monitor_telemetry_refused_total",
            "Batches refused since the start.",
            [({"rule": rule}, n) for rule, n in sorted(monitor.refused.items())[:100]],
        ),
        (
            "hauberk_monitor_replica_age_seconds",
            "Since a replica was heard.",
            [({"replica": r}, now - seen) for r, (_, seen) in monitor.store.ledgers().items()],
        ),
        (
            "hauberk_monitor_log_records",
            "Records of a watched log.",
            [({"log": log.name}, float(log.log.size)) for log in monitor.logs],
        ),
        (
            "hauberk_monitor_trouble",
            "What the monitor cannot do at the moment.",
            [({"what": what}, 1.0) for what in sorted(monitor.troubles)],
        ),
        ("hauberk_monitor_up", "The monitor answers.", [({}, 1.0)]),
    ]
    return "".join(_family(*family) for family in families)


def _day(monitor: Monitor, name: str) -> Sum | None:
    newest = monitor.store.newest(name)
    if newest is None:
        return None
    first = newest // DAY_H * DAY_H
    found = monitor.store.sums(name, first, first, span=DAY_H)
    return found[-1] if found else None


def _of(days: dict[str, Sum | None], read: object) -> Series:
    assert callable(read)  # noqa: S101 - narrows for the type checker
    values = ((name, None if day is None else read(day)) for name, day in days.items())
    return [({"model": name}, float(value)) for name, value in values if value is not None]


def _distances(monitor: Monitor, days: dict[str, Sum | None]) -> Series:
    found: Series = []
    for name, day in days.items():
        model = monitor.models.get(name)
        if day is None or model is None or len(day.shapes) != len(model.grid.axes):
            continue
        for axis, shape in zip(model.grid.axes, day.shapes.tolist(), strict=True):
            found.append(({"model": name, "column": axis.label}, shape))
    return found


def _alerts(shown: Iterable[object]) -> Series:
    counts = dict.fromkeys((s.value for s in Severity), 0)
    for item in shown:
        counts[item.alert.severity.value] += 1  # type: ignore[attr-defined]  # of the store
    return [({"severity": name}, float(n)) for name, n in counts.items()]


def _family(name: str, text: str, series: Series) -> str:
    kind = "counter" if name.endswith("_total") else "gauge"
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in series]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else f"{value:.10g}"


def _labels(labels: dict[str, str]) -> str:
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{shown}}}" if shown else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
