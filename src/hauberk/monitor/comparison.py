"""Live rows held against training: what has drifted, what was refused, what was predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hauberk.controls.dataset.input_drift import MIN_ROWS, InputDrift, bars, plots_of
from hauberk.core.finding import Finding, Histogram
from hauberk.core.record import Section
from hauberk.sketches.drift import ColumnDistance

if TYPE_CHECKING:
    from hauberk.monitor.live import LiveWindow
    from hauberk.sketches.profile import Profile


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


def compare(
    training: Profile, live: LiveWindow, *, control: InputDrift | None = None
) -> Comparison:
    """Hold a live window against the training profile.

    Args:
        training: Made from the rows that the model was trained on; already verified.
        live: What was gathered since.
        control: Says what counts as drift; its defaults otherwise.
    """
    judge = control or InputDrift()
    enough = live.rows >= MIN_ROWS
    distances = judge.distances(training, live.profile) if enough else ()
    shift = prediction_shift(training.balance(), live.predictions) if enough else None
    return Comparison(
        findings=tuple(judge.findings(training, live.profile, distances)),
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


def _section(
    training: Profile,
    live: LiveWindow,
    distances: tuple[ColumnDistance, ...],
    shift: float | None,
) -> Section:
    drifted = [item.label for item in distances if item.drifted]
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
    plots = tuple(
        p for item in distances if item.drifted for p in plots_of(item, training, live.profile)
    )
    return Section(
        title="Live inputs against training",
        text=text,
        rows=tuple(rows),
        plots=(*_predictions_plot(training, live), *plots),
    )


def _predictions_plot(training: Profile, live: LiveWindow) -> tuple[Histogram, ...]:
    labels = training.balance()
    if not labels or not live.predictions:
        return ()
    return bars("predictions", labels, live.predictions)
