"""What a worker's searches come to as assessments of controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hauberk.controls.model.drawn_answers import DrawnAnswers
from hauberk.controls.model.owned_regions import OwnedRegions
from hauberk.controls.model.planted_triggers import PlantedTriggers
from hauberk.core.control import Control
from hauberk.core.finding import Assessment, Finding, Outcome
from hauberk.errors import ArtifactError
from hauberk.lifecycle.owning import Owned
from hauberk.lifecycle.robustness import Triggers


def triggers(path: str, classes: tuple[str, ...], found: Triggers) -> Assessment:
    """The control of planted triggers, by what the worker's search gave."""
    control = PlantedTriggers()
    if found.signs is None:
        return said(control, path, (), reason=found.reason)
    if control.distance(found.signs.scores) < control.threshold:
        return said(control, path, ())
    calibrated = found.is_calibrated
    return said(
        control, path, [control.finding(path, classes, found.signs, is_calibrated=calibrated)]
    )


def owned(path: str, features: Sequence[str], classes: Sequence[str], found: Owned) -> Assessment:
    """The control of owned places, likewise."""
    control = OwnedRegions()
    if found.found is None:
        return said(control, path, (), reason=found.reason)
    return said(control, path, control.judged(path, features, classes, found.found))


def drawn(path: str, answer: Any) -> Assessment:
    """The control of drawn answers, by what two calls in the worker gave.

    Raises:
        ArtifactError: The worker's answer is malformed.
    """
    control = DrawnAnswers()
    try:
        n_rows, turned, far = answer
        return said(control, path, control.judged(path, int(n_rows), int(turned), float(far)))
    except (TypeError, ValueError, OverflowError) as error:
        raise ArtifactError("the worker's answer is malformed", found=str(error)) from error


def strength(found: Triggers, places: Owned) -> Mapping[str, Any] | None:
    """How hard it was searched for a backdoor, by either search, as attestations say it."""
    if found.signs is None and places.found is not None:
        return {
            "of": places.n_rows,
            "rows": places.n_rows,
            "nodes": places.found.n_nodes,
            "would_show": places.found.least,
        }
    return found.strength


def said(
    control: Control, path: str, findings: Iterable[Finding], *, reason: str = ""
) -> Assessment:
    """An assessment of what a worker found; with a reason, of nothing."""
    named = tuple(replace(one, control=control.id, threats=control.threats) for one in findings)
    usual = Outcome.FLAGGED if named else Outcome.CLEAN
    return Assessment(
        control=control.id,
        path=path,
        outcome=Outcome.NOT_APPLICABLE if reason else usual,
        reason=reason,
        findings=named,
        threats=control.threats,
    )
