"""Live rows held against training: what has drifted, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hauberk.core.finding import Evidence, Finding, Histogram, Level, Location, Severity
from hauberk.core.record import Section
from hauberk.core.threat import ThreatId
from hauberk.sketches.drift import ColumnDistance, distance
from hauberk.sketches.numbers import Numbers

if TYPE_CHECKING:
    from hauberk.monitor.live import LiveWindow
    from hauberk.sketches.profile import Profile

MIN_ROWS = 50
"""Fewer live rows say nothing about a distribution."""

_BINS = 20
_TOP = 12
_LARGE = 0.2
"""Distance from which on a drift is severe: one row in five lies elsewhere."""

THREATS = (ThreatId("MO-3"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of holding a window against training.

    Attributes:
        distances: Every column, drifted or not.
        prediction_shift: Total variation between predictions and training's labels, 0 to 1;
            ``None`` where either is unknown.
        enough: Whether there were enough rows to say anything.
    """

    findings: tuple[Finding, ...]
    section: Section
    distances: tuple[ColumnDistance, ...]
    prediction_shift: float | None
    enough: bool


def compare(training: Profile, live: LiveWindow, *, alpha: float = 0.01) -> Comparison:
    """Hold a live window against the training profile.

    Args:
        training: Made from the rows that the model was trained on; already verified.
        live: What was gathered since.
        alpha: Chance of any false alarm in the whole comparison, 0 to 1.
    """
    enough = live.rows >= MIN_ROWS
    distances = distance(training, live.profile, alpha=alpha) if enough else ()
    drifted = tuple(item for item in distances if item.drifted)
    shift = prediction_shift(training.balance(), live.predictions) if enough else None
    return Comparison(
        findings=tuple(_finding(item, training, live) for item in drifted),
        section=_section(training, live, distances, shift),
        distances=distances,
        prediction_shift=shift,
        enough=enough,
    )


def prediction_shift(labels: Mapping[str, int], predictions: Mapping[str, int]) -> float | None:
    """Total variation between two counts of labels; ``None`` where their names are foreign."""
    n, m = sum(labels.values()), sum(predictions.values())
    if not n or not m or not labels.keys() & predictions.keys():
        return None
    names = labels.keys() | predictions.keys()
    return sum(abs(labels.get(x, 0) / n - predictions.get(x, 0) / m) for x in names) / 2


def _finding(item: ColumnDistance, training: Profile, live: LiveWindow) -> Finding:
    severity = Severity.HIGH if max(item.shape, item.unseen) >= _LARGE else Severity.MEDIUM
    return Finding(
        message=(
            f"column {item.name}: live rows differ from training ({item.question}); "
            f"expected a distance that chance explains, found {item.shape:.3f} "
            f"with {item.unseen:.1%} of values outside what training saw"
        ),
        path=item.name,
        severity=severity,
        level=Level.REVIEW,
        remedy="look at the two distributions; retrain only on rows whose source is known",
        threats=THREATS,
        confidence=1.0 - item.p_value,
        location=Location(field=item.name),
        evidence=Evidence(
            statistic=f"distance of {item.measure}",
            value=item.shape,
            threshold=item.threshold,
            n=item.n[1],
            facts={"p": f"{item.p_value:.2g}", "psi": f"{item.psi:.3f}"},
            plots=_plots(item, training, live),
        ),
    )


def _section(
    training: Profile,
    live: LiveWindow,
    distances: tuple[ColumnDistance, ...],
    shift: float | None,
) -> Section:
    drifted = [item.name for item in distances if item.drifted]
    rows = [
        ("accepted rows", str(live.rows)),
        ("requests answered", str(live.requests)),
        ("requests refused", str(sum(live.refused.values()))),
        ("columns compared", str(len(distances))),
        ("columns drifted", ", ".join(drifted) or "none"),
        *((f"refused: {rule}", str(count)) for rule, count in sorted(live.refused.items())),
    ]
    if shift is not None:
        rows.append(("predictions against training's labels", f"{shift:.3f} of the rows differ"))
    text = "Accepted requests are held against the profile of the training rows."
    if live.rows < MIN_ROWS:
        text += f" Fewer than {MIN_ROWS} rows came, so nothing is said about drift."
    plots = tuple(p for item in distances if item.drifted for p in _plots(item, training, live))
    return Section(
        title="Live inputs against training",
        text=text,
        rows=tuple(rows),
        plots=(*_predictions_plot(training, live), *plots),
    )


def _plots(item: ColumnDistance, training: Profile, live: LiveWindow) -> tuple[Histogram, ...]:
    first, second = training.column(item.name), live.profile.column(item.name)
    if item.measure in first.numbers and item.measure in second.numbers:
        return _numbers_plot(item, first.numbers[item.measure], second.numbers[item.measure])
    if first.values is None or second.values is None:
        return ()
    counts = dict(first.values.top(_TOP)), dict(second.values.top(first.values.size))
    return _bars(item.name, counts[0], counts[1])


def _numbers_plot(item: ColumnDistance, first: Numbers, second: Numbers) -> tuple[Histogram, ...]:
    edges = np.histogram_bin_edges(
        np.array([first.low, first.high, second.low, second.high], np.float64), bins=_BINS
    )
    return (
        Histogram(
            title=item.name,
            edges=tuple(edges.tolist()),
            series={"training": _shares(first, edges), "live": _shares(second, edges)},
        ),
    )


def _shares(sketch: Numbers, edges: np.ndarray) -> tuple[float, ...]:
    low, high = sketch.edges()
    counts, _ = np.histogram(low / 2 + high / 2, bins=edges, weights=sketch.counts)
    return tuple((counts / max(sketch.count, 1)).tolist())


def _predictions_plot(training: Profile, live: LiveWindow) -> tuple[Histogram, ...]:
    labels = training.balance()
    if not labels or not live.predictions:
        return ()
    return _bars("predictions", labels, live.predictions)


def _bars(title: str, first: Mapping[str, int], second: Mapping[str, int]) -> tuple[Histogram, ...]:
    ranked = sorted(first.keys() | second.keys(), key=lambda x: (-first.get(x, 0), x))[:_TOP]
    if not ranked:
        return ()
    n, m = max(sum(first.values()), 1), max(sum(second.values()), 1)
    series = {
        "training": tuple(first.get(name, 0) / n for name in ranked),
        "live": tuple(second.get(name, 0) / m for name in ranked),
    }
    return (Histogram(title=title, edges=tuple(ranked), series=series),)
