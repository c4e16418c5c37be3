"""Output data: what the exported model may answer, checked on the sealed test set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hauberk.core.finding import Histogram, Plot
from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.errors import InternalError
from hauberk.lifecycle.native import Scored

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop

BARS = 20
SUM_TOLERANCE = 1e-3
"""Probabilities of one row add up to one within single precision and many classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[output-data]``; nothing to set yet."""


def work(shop: Workshop) -> StepReport:
    """Hold the exported model's answers against what it declares."""
    scored = shop.shared.exported
    if not isinstance(scored, Scored):
        raise InternalError("outputs were checked before the model was exported")
    wrong = problems(scored, len(shop.shared.classes))
    report = StepReport(
        component=Component.OUTPUT_DATA,
        state=StepState.DONE,
        summary=f"{len(scored.scores):,} answers are finite"
        + (" probabilities that add up to one" if shop.shared.classes else " numbers"),
        sections=(Section(title="Answers on the test set", plots=(_plot(scored),)),),
    )
    if wrong:
        return replace(report, state=StepState.REFUSED, summary=wrong, reason=wrong)
    return report


def problems(scored: Scored, n_classes: int) -> str:
    """What is wrong with the answers, or an empty string."""
    scores = scored.scores
    if not np.isfinite(scores).all():
        return "some answers are not finite"
    if not n_classes:
        return ""
    if scores.ndim != 2 or scores.shape[1] != n_classes:  # noqa: PLR2004 - rows by classes
        return f"answers have shape {scores.shape}, expected one score for {n_classes} classes"
    if (scores < -SUM_TOLERANCE).any() or np.abs(scores.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        return "answers are no probabilities: they do not add up to one"
    return ""


def _plot(scored: Scored) -> Plot:
    scores = scored.scores
    top = scores.max(axis=1) if scores.ndim == 2 else scores.reshape(-1)  # noqa: PLR2004
    counts, edges = np.histogram(top, bins=BARS)
    title = "Confidence of the predicted class" if scores.ndim == 2 else "Answers"  # noqa: PLR2004
    return Histogram(
        title=title,
        edges=tuple(float(edge) for edge in edges),
        series={"rows": tuple(float(count) for count in counts)},
    )
