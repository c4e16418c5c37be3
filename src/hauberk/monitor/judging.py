"""What is said of counts: sums of hours and days, and the alerts that follow from them.

Robust merging: where three or more replicas report, the distance of a column is the median of
theirs, so that a few that lie move nothing; each that is far from the others is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np

from hauberk.core.finding import Severity
from hauberk.methods import seasons
from hauberk.methods.alerting import Alert
from hauberk.methods.sequential import Detectors
from hauberk.monitor import hours
from hauberk.monitor.hours import Hour, total
from hauberk.monitor.store import Sum
from hauberk.sketches.drift import ColumnDistance, g_test
from hauberk.sketches.grid import Grid
from hauberk.trust.telemetry import host_of

MIN_ROWS: Final = 200
"""Rows of a day below which nothing is said of its columns."""
MIN_JUDGED: Final = 100
"""Labels below which no accuracy is believed."""
ALPHA: Final = 1e-4
"""Chance of a false alarm in one comparison; there are 24 a day."""
MIN_EFFECT: Final = 0.1
MIN_REPLICAS: Final = 3
LIAR: Final = 0.2
"""Distance from the replicas' median from which on one is said to disagree."""
REFUSALS: Final = 50
"""Refusals of one rule within an hour that somebody should know of."""
FALL: Final = 0.03
"""Points of accuracy, labelled or estimated, that are a fall."""
ERRORS: Final = 0.02
_SIGMAS: Final = 3.0
ANCHOR_DAYS: Final = 7
"""Days that answers are held against."""
CONFIDENCE_MOVE: Final = 0.05
LATENCY_MOVE: Final = math.log(4)
"""Two steps of the bounds that latency is counted by."""
MOVE_SIGMAS: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a span came to.

    Attributes:
        distances: Every column, by the median of replicas where there are enough.
        liars: Replicas that are far from the others, with the column and the distance.
    """

    counts: Hour
    distances: tuple[ColumnDistance, ...]
    liars: Mapping[str, tuple[str, float]]


def judge(grid: Grid, parts: Mapping[str, Hour]) -> Judged:
    """Hold the counts of all replicas of a span against training."""
    counts = total(parts.values())
    seen = {n: part for n, part in by_host(parts).items() if part.counts.size and part.rows}
    merged = _distances(grid, counts)
    if len(seen) < MIN_REPLICAS:
        return Judged(counts=counts, distances=merged, liars={})
    each = {name: _distances(grid, part) for name, part in seen.items()}
    shapes = np.array([[item.shape for item in found] for found in each.values()])
    middle = np.median(shapes, axis=0)
    votes = np.array([[item.drifted for item in found] for found in each.values()])
    agreed = tuple(_voted(item, middle[i], votes[:, i]) for i, item in enumerate(merged))
    liars = {}
    for name, row in zip(each, shapes, strict=True):
        far = np.abs(row - middle)
        if far.size and far.max() >= LIAR:
            liars[name] = (merged[int(far.argmax())].label, float(far.max()))
    return Judged(counts=counts, distances=agreed, liars=liars)


def by_host(parts: Mapping[str, Hour]) -> dict[str, Hour]:
    """The workers of one server taken together: they have one key, so they are one voice."""
    hosts: dict[str, list[Hour]] = {}
    for name, part in parts.items():
        hosts.setdefault(host_of(name), []).append(part)
    return {name: found[0] if len(found) == 1 else total(found) for name, found in hosts.items()}


def _distances(grid: Grid, counts: Hour) -> tuple[ColumnDistance, ...]:
    vector = counts.counts if counts.counts.size else grid.zeros()
    return grid.distances(vector, alpha=ALPHA, min_effect=MIN_EFFECT)


def _voted(item: ColumnDistance, shape: float, votes: Any) -> ColumnDistance:
    from dataclasses import replace

    return replace(item, shape=float(shape), drifted=bool(np.mean(votes) > 1 / 2))


def sum_of(hour: int, found: Judged) -> Sum:
    """A span in short."""
    counts = found.counts
    accuracy = counts.accuracy()
    predicted = counts.tallies.get(hours.PREDICTED, {})
    top = sorted(predicted.items(), key=lambda item: -item[1])[:8]
    return Sum(
        hour=hour,
        rows=counts.rows,
        requests=counts.requests,
        refused=sum(counts.tallies.get(hours.REFUSED, {}).values()),
        latency=counts.latency_s(0.95),
        confidence=counts.mean_confidence(),
        accuracy=accuracy[0] if accuracy and accuracy[1] >= MIN_JUDGED else None,
        estimate=estimate(counts),
        predicted=dict(top),
        shapes=[item.shape for item in found.distances],
        errors=counts.errors,
    )


def estimate(counts: Hour) -> float | None:
    """Accuracy without labels: how sure the model is of what it says, on average.

    It is right as far as the confidence is calibrated; labels correct it where they come.
    """
    promised = counts.tallies.get(hours.ESTIMATED, {})
    if promised:
        n = sum(promised.values())
        return sum((int(k) + 0.5) / hours.N_CONFIDENCE * c for k, c in promised.items()) / n
    found = counts.tallies.get(hours.CONFIDENCE, {})
    n = sum(found.values())
    if not n:
        return None
    middles = ((int(k) + 0.5) / hours.N_CONFIDENCE for k in found)
    return sum(max(m, 1 - m) * c for m, c in zip(middles, found.values(), strict=True)) / n


def alerts(
    model: str, found: Judged, *, at: float, unusual: frozenset[str] | None
) -> Iterator[Alert]:
    """What a day says by itself.

    Args:
        unusual: Columns that are odd even for their season; ``None`` where no season is known
            and every column that drifted is told.
    """
    if found.counts.rows >= MIN_ROWS:
        for item in found.distances:
            if item.drifted and (unusual is None or item.label in unusual):
                yield _drifted(model, item, at)
    for replica, (column, far) in found.liars.items():
        yield Alert(
            kind="replica disagrees",
            cause=f"replica disagrees/{model}/{replica}",
            title=f"replica {replica} reports {column} far from the other replicas",
            severity=Severity.HIGH,
            at=at,
            asset=model,
            facts={"column": column, "distance from their median": f"{far:.3f}"},
        )


def _drifted(model: str, item: ColumnDistance, at: float) -> Alert:
    return Alert(
        kind="drift",
        cause=f"drift/{model}/{item.name}",
        title=f"{item.label}: live rows differ from training ({item.question})",
        severity=Severity.HIGH if max(item.shape, item.unseen) >= LIAR else Severity.MEDIUM,
        at=at,
        asset=model,
        facts={
            "distance": f"{item.shape:.3f}",
            "unseen values": f"{item.unseen:.1%}",
            "missing": f"{item.missing:+.1%}",
            "p": f"{item.p_value:.2g}",
            "rows": str(item.n[1]),
        },
    )


def hour_alerts(model: str, counts: Hour, *, at: float) -> Iterator[Alert]:
    """What an hour of decisions says."""
    for rule, n in sorted(counts.tallies.get(hours.REFUSED, {}).items()):
        if n >= REFUSALS:
            yield Alert(
                kind="refusals",
                cause=f"refusals/{model}/{rule}",
                title=f"{n} requests refused within an hour: {rule}",
                severity=Severity.MEDIUM,
                at=at,
                asset=model,
                facts={"requests": str(counts.requests)},
            )
    if counts.requests and counts.errors / counts.requests >= ERRORS:
        yield Alert(
            kind="errors",
            cause=f"errors/{model}",
            title=f"{counts.errors} of {counts.requests} answers were errors of the server",
            severity=Severity.HIGH,
            at=at,
            asset=model,
        )


def fall_alerts(model: str, days: list[Sum], *, at: float) -> Iterator[Alert]:
    """Whether labels or confidence say that the model got worse than it was at first."""
    for name, values in (
        ("accuracy", [day.accuracy for day in days]),
        ("estimated accuracy", [day.estimate for day in days]),
    ):
        known = [value for value in values if value is not None]
        if len(known) <= 7:  # noqa: PLR2004 - a week to compare with
            continue
        first = known[: max(len(known) // 2, 7)]
        middle, noise = median(first), float(np.std(first))
        last = median(known[-3:])
        if middle - last >= max(FALL, _SIGMAS * noise):
            yield Alert(
                kind="quality",
                cause=f"quality/{model}/{name}",
                title=f"{name} fell from {middle:.3f} to {last:.3f}",
                severity=Severity.HIGH,
                at=at,
                asset=model,
                facts={"days": str(len(known))},
            )


def moved_alerts(model: str, days: Sequence[Sum], *, at: float) -> Iterator[Alert]:
    """Whether answers are other ones than in the first days, or less sure, or slower.

    Training knows nothing of these, so the first week is the anchor, with how its days differ.
    """
    if len(days) <= ANCHOR_DAYS:
        return
    first, last = days[:ANCHOR_DAYS], days[-1]
    anchor = _pooled(first)
    if sum(anchor.values()) >= MIN_ROWS and sum(last.predicted.values()) >= MIN_ROWS:
        usual = max(_variation(anchor, day.predicted) for day in first)
        far, p = _variation(anchor, last.predicted), _chance(anchor, last.predicted)
        if far >= usual + MIN_EFFECT and p < ALPHA:
            facts = {"distance": f"{far:.3f}", "first days": f"up to {usual:.3f}", "p": f"{p:.2g}"}
            yield _moved(model, "predictions", "are other ones than in the first days", facts, at)
    for name, step, values in (
        ("confidence", CONFIDENCE_MOVE, [day.confidence for day in days]),
        ("latency", LATENCY_MOVE, [_logarithm(day.latency) for day in days]),
        ("errors", ERRORS, [day.errors / day.requests if day.requests else None for day in days]),
    ):
        yield from _far(model, name, values, step, at=at)


def _far(
    model: str, name: str, values: Sequence[float | None], step: float, *, at: float
) -> Iterator[Alert]:
    """Whether the last value is a step away from the first days, and beyond their scatter."""
    known = [value for value in values[:ANCHOR_DAYS] if value is not None]
    now = values[-1]
    if now is None or len(known) < ANCHOR_DAYS:
        return
    middle, noise = median(known), float(np.std(known))
    far = abs(now - middle) if name == "confidence" else now - middle  # less of these is no harm
    if far >= max(step, MOVE_SIGMAS * noise):
        is_time = name == "latency"
        before, after = (f"{math.exp(x):.3g} s" if is_time else f"{x:.3f}" for x in (middle, now))
        facts = {"first days": before, "now": after}
        yield _moved(model, name, "moved away from the first days", facts, at)


def _pooled(days: Sequence[Sum]) -> dict[str, int]:
    found: dict[str, int] = {}
    for day in days:
        for name, n in day.predicted.items():
            found[name] = found.get(name, 0) + n
    return found


def _variation(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """Total variation of two tallies, 0 to 1."""
    n, m = max(sum(first.values()), 1), max(sum(second.values()), 1)
    names = first.keys() | second.keys()
    return sum(abs(first.get(k, 0) / n - second.get(k, 0) / m) for k in names) / 2


def _chance(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    names = sorted(first.keys() | second.keys())
    rows = (np.array([side.get(name, 0) for name in names], np.int64) for side in (first, second))
    return g_test(*rows)


def _logarithm(seconds: float | None) -> float | None:
    """Bounds of latency grow by factors; beyond the last one counts as twice it."""
    if seconds is None:
        return None
    return math.log(min(seconds, 2 * hours.LATENCY_S[-1]))


def _moved(model: str, what: str, text: str, facts: Mapping[str, str], at: float) -> Alert:
    return Alert(
        kind=f"{what} moved",
        cause=f"{what} moved/{model}",
        title=f"{what} {text}",
        severity=Severity.MEDIUM,
        at=at,
        asset=model,
        facts=facts,
    )


def unusual(grid: Grid, baseline: seasons.Baseline, day: int, counts: Hour) -> frozenset[str]:
    """Columns with a share as far from its season as one day can count."""
    if not counts.counts.size:
        return frozenset()
    z = baseline.distance(day, seasons.shares(grid, counts.counts), counts.rows)
    return frozenset(
        name
        for name, far in zip(seasons.names(grid), np.abs(z), strict=True)
        if far >= seasons.MAX_Z
    )


@dataclass(slots=True)
class Slow:
    """The e-detectors of one model, over its days."""

    grid: Grid
    baseline: seasons.Baseline
    detectors: Detectors
    day: int = 0

    def update(self, model: str, day: int, counts: Hour) -> Iterator[Alert]:
        """Take in a finished day, once; alerts for columns whose evidence is enough."""
        if day <= self.day or counts.rows < MIN_ROWS or not counts.counts.size:
            return
        self.day = day
        shares = seasons.shares(self.grid, counts.counts)
        z = self.baseline.distance(day, shares, counts.rows)
        evidence = self.detectors.update(z)
        names = seasons.names(self.grid)
        told: dict[str, int] = {}
        for place in sorted(self.detectors.alarms(), key=lambda i: -evidence[i]):
            told.setdefault(names[place], place)
        for name, place in told.items():
            expected = self.baseline.expected(day)[place]
            yield _slow(model, name, day, (float(expected), float(shares[place])), evidence[place])


def _slow(model: str, name: str, day: int, shares: tuple[float, float], evidence: float) -> Alert:
    return Alert(
        kind="slow drift",
        cause=f"slow drift/{model}/{name}",
        title=f"{name}: moves away from training a little every day, beyond its seasons",
        severity=Severity.HIGH,
        at=(day + 1) * seasons.DAY_S,
        asset=model,
        facts={
            "day": str(np.datetime64(day, "D")),
            "expected share": f"{shares[0]:.1%}",
            "found share": f"{shares[1]:.1%}",
            "evidence": f"{evidence:.1f}",
        },
    )
