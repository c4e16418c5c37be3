"""Live inputs that training did not look like: see `InputDrift`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Window
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Histogram, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.sketches.drift import (
    ColumnDistance,
    GroupDistance,
    distance,
    drifted_columns,
    group_distances,
)
from hauberk.sketches.numbers import Numbers
from hauberk.sketches.profile import Profile, live_profile

MIN_ROWS = 50
"""Fewer live rows say nothing about a distribution."""

_BINS = 20
_TOP = 12
_LARGE = 0.2
"""Distance from which on a drift is severe: one row in five lies elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDrift(Check[Window]):
    """Columns whose live values are distributed otherwise than training's.

    The signed profile made in training is the anchor: it does not move with the traffic, so
    that a slow shift adds up instead of becoming normal. Each column is asked for its shape,
    its missing cells and its values that training never saw; a column counts when one of
    them differs by more than chance explains and by enough to matter. Where training named
    sensitive columns and a label, the labels or predictions of each group are compared too.

    Limits:
        One window is judged by itself, so a shift below ``min_effect`` passes however long it
        lasts, and so does one that leaves every single column as it was. Seasons are drift
        here; who knows them keeps a profile for each.

    Args:
        alpha: Chance of any false alarm in one window, 0 to 1.
        min_effect: Smallest difference that matters, as a share of the rows, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> from hauberk.sketches.profile import profile_of
        >>> train = table_of("train", [pa.record_batch({"x": [i % 50 for i in range(500)]})])
        >>> live = table_of("live", [pa.record_batch({"x": [i % 50 + 40 for i in range(500)]})])
        >>> window = Window(profile=profile_of(train).to_bytes(), live=live)
        >>> [finding.location.field for finding in InputDrift().check(window)]
        ['x']

    References:
        Rabanser, Guennemann and Lipton (2019), Failing loudly: an empirical study of methods
        for detecting dataset shift; for the tests see `hauberk.sketches.drift`.
    """

    title: ClassVar[str] = "Live inputs drift away from training"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-3"), ThreatId("IN-2"))
    subject: ClassVar[Any] = Window

    alpha: float = 0.01
    min_effect: float = 0.05

    def check(self, subject: Window) -> Iterator[Finding]:
        """One finding, for review, per drifted column."""
        training = Profile.from_bytes(subject.profile)
        live = live_profile(subject.live, training)
        if live.rows < MIN_ROWS:
            message = f"only {live.rows} live rows; from {MIN_ROWS} on they say something"
            raise NotApplicable(message)
        for finding in self.findings(training, live, self.distances(training, live)):
            yield replace(finding, path=subject.live.name)
        groups = group_distances(training, live, alpha=self.alpha, min_effect=self.min_effect)
        yield from (_group(item, subject.live.name) for item in groups if item.drifted)

    def distances(self, training: Profile, live: Profile) -> tuple[ColumnDistance, ...]:
        """How far each column is from training, drifted or not."""
        return distance(training, live, alpha=self.alpha, min_effect=self.min_effect)

    def findings(
        self, training: Profile, live: Profile, distances: tuple[ColumnDistance, ...]
    ) -> Iterator[Finding]:
        """The drifted ones among ``distances``, one for each column."""
        for found in drifted_columns(distances):
            yield _finding(found, training, live)


def _finding(found: tuple[ColumnDistance, ...], training: Profile, live: Profile) -> Finding:
    """What is said of a column by its measure that is farthest off."""
    item = found[0]
    others = {"also": ", ".join(other.measure for other in found[1:])} if found[1:] else {}
    severity = Severity.HIGH if max(item.shape, item.unseen) >= _LARGE else Severity.MEDIUM
    return Finding(
        message=(
            f"column {item.label}: live rows differ from training ({item.question}); "
            f"expected a distance that chance explains, found {item.shape:.3f} "
            f"with {item.unseen:.1%} of values outside what training saw"
        ),
        path=item.name,
        severity=severity,
        level=Level.REVIEW,
        remedy="look at the two distributions; retrain only on rows whose source is known",
        threats=InputDrift.threats,
        confidence=1.0 - item.p_value,
        location=Location(field=item.name),
        evidence=Evidence(
            statistic=f"distance of {item.measure}",
            value=item.shape,
            threshold=item.threshold,
            n=item.n[1],
            facts={"p": f"{item.p_value:.2g}", "psi": f"{item.psi:.3f}", **others},
            plots=plots_of(item, training, live),
        ),
    )


def _group(item: GroupDistance, path: str) -> Finding:
    """What is said of a group whose labels or predictions are other ones now."""
    named = ", ".join(f"{n} {v}" for n, v in zip(item.names, item.group, strict=True))
    return Finding(
        message=(
            f"group {named}: what is said of it differs from training; expected a distance that "
            f"chance explains, found {item.shape:.3f} over {item.n[1]} rows"
        ),
        path=path,
        severity=Severity.HIGH if item.shape >= _LARGE else Severity.MEDIUM,
        level=Level.REVIEW,
        remedy="look at what changed for this group before its predictions are used",
        threats=InputDrift.threats,
        confidence=1.0 - item.p_value,
        location=Location(field=item.names[0]),
        evidence=Evidence(
            statistic="distance of a group's labels",
            value=item.shape,
            threshold=item.threshold,
            n=item.n[1],
            facts={"p": f"{item.p_value:.2g}", "group": named[:200]},
            plots=bars(named[:80], item.first, item.second),
        ),
    )


def plots_of(item: ColumnDistance, training: Profile, live: Profile) -> tuple[Histogram, ...]:
    """Both distributions of a column, to draw."""
    first, second = training.column(item.name), live.column(item.name)
    if item.measure in first.numbers and item.measure in second.numbers:
        return _numbers_plot(item, first.numbers[item.measure], second.numbers[item.measure])
    if first.values is None or second.values is None:
        return ()
    counts = dict(first.values.top(_TOP)), dict(second.values.top(first.values.size))
    return bars(item.name, counts[0], counts[1])


def _numbers_plot(item: ColumnDistance, first: Numbers, second: Numbers) -> tuple[Histogram, ...]:
    edges = np.histogram_bin_edges(
        np.array([first.low, first.high, second.low, second.high], np.float64), bins=_BINS
    )
    return (
        Histogram(
            title=item.label,
            edges=tuple(edges.tolist()),
            series={"training": _shares(first, edges), "live": _shares(second, edges)},
        ),
    )


def _shares(sketch: Numbers, edges: np.ndarray) -> tuple[float, ...]:
    low, high = sketch.edges()
    counts, _ = np.histogram(low / 2 + high / 2, bins=edges, weights=sketch.counts)
    return tuple((counts / max(sketch.count, 1)).tolist())


def bars(title: str, first: Mapping[str, int], second: Mapping[str, int]) -> tuple[Histogram, ...]:
    """Shares of the most frequent values of both, to draw."""
    ranked = sorted(first.keys() | second.keys(), key=lambda x: (-first.get(x, 0), x))[:_TOP]
    if not ranked:
        return ()
    n, m = max(sum(first.values()), 1), max(sum(second.values()), 1)
    series = {
        "training": tuple(first.get(name, 0) / n for name in ranked),
        "live": tuple(second.get(name, 0) / m for name in ranked),
    }
    return (Histogram(title=title, edges=tuple(ranked), series=series),)
