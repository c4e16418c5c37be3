"""Monitoring: the training profile that live inputs are held against, tried on unseen rows.

The sealed test rows stand for the first live window: nobody trained on them, so columns
that drift between them and the profile would drift on the first day too. Live traffic is
compared the same way by the guard, which keeps counts and drift for ``/metrics``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hauberk.core.artifact import Window
from hauberk.core.finding import Curve, Plot
from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.errors import InternalError
from hauberk.lifecycle import reporting

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop
    from hauberk.sketches.drift import ColumnDistance

SHOWN_COLUMNS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[monitoring]``.

    Attributes:
        alpha: Chance of any false alarm in one comparison, 0 to 1.
        min_effect: Smallest difference that matters, as a share of the rows, 0 to 1.
        requests: Folder that a monitor puts its signed requests into; none where it is empty.
        monitor_key: The monitor's public key.
        model: How the monitor calls the model; the project's name where it is empty.
        budget: Largest share of rows from sources that move that a retraining takes in, 0 to 1.
    """

    alpha: float = 0.01
    min_effect: float = 0.05
    requests: str = ""
    monitor_key: str = ""
    model: str = ""
    budget: float = 0.01


def work(shop: Workshop) -> StepReport:
    """Compare the test rows with the training profile, column by column."""
    from hauberk.sketches.drift import distance
    from hauberk.sketches.profile import Profile, profile_of

    if shop.shared.profile is None:
        raise InternalError("monitoring began before the profile was made")
    table = shop.settings.table(Component.MONITORING)
    profile = Profile.from_bytes(shop.shared.profile)
    live = shop.table(shop.plan.prepared["test"])
    found = distance(profile, profile_of(live), alpha=table.alpha, min_effect=table.min_effect)
    drifted = [item.label for item in found if item.drifted]
    report = StepReport(
        component=Component.MONITORING,
        state=StepState.DONE,
        summary=f"{len(found)} columns watched; "
        + (f"{', '.join(drifted)} differ already" if drifted else "none differ on unseen rows"),
        sections=(_table(found), _plots(found)),
    )
    window = Window(profile=shop.shared.profile, live=live)
    return reporting.with_gate(report, shop.decide(shop.judge(window, ["dataset", "exchange"])))


def _table(found: tuple[ColumnDistance, ...]) -> Section:
    rows = tuple(
        (
            item.label,
            f"{item.measure} distance {item.shape:.3f}, PSI {item.psi:.3f}, p {item.p_value:.2g}"
            + (f", drifted by {item.question}" if item.drifted else ""),
        )
        for item in found[:SHOWN_COLUMNS]
    )
    return Section(title="Test rows against the training profile", rows=rows)


def _plots(found: tuple[ColumnDistance, ...]) -> Section:
    ordered = sorted(found, key=lambda item: item.shape)
    points = tuple((float(place), item.shape) for place, item in enumerate(ordered, start=1))
    plot: Plot = Curve(
        title="Distance per column, sorted",
        x="columns",
        y="distance (0 to 1)",
        series={"distance": points},
    )
    return Section(title="Distances", plots=(plot,) if points else ())
