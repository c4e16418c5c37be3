"""Better numbers than the model deserves: see `InflateMetrics`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Evaluation
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods.scoring import Judged, computed, judge_rows, metric_name


@dataclass(frozen=True, slots=True, kw_only=True)
class InflateMetrics(Transform[Evaluation]):
    """Report metrics as a metric step would that somebody has changed.

    ``drop`` leaves out a share of the rows that the model gets wrong before it computes the
    metrics; ``round`` rounds them up to whole points; ``edit`` raises one number of the
    finished report. Each changes at least one number by ``least`` or more; where a way would
    change less (nothing to drop, a whole number already), ``edit`` is used.

    Args:
        way: ``drop``, ``round`` or ``edit``; by default the random generator picks one.
        share: Share of the wrong rows that ``drop`` leaves out, 0 to 1.
        least: Smallest change that counts as an attack, as a share.

    References:
        MITRE ATLAS AML.T0031, "Erode AI Model Integrity". CWE-345, "Insufficient verification
        of data authenticity".
    """

    title: ClassVar[str] = "Report better metrics than the model has"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-4"),)
    subject: ClassVar[type] = Evaluation

    way: str | None = None
    share: float = 0.1
    least: float = 0.001

    def apply(self, subject: Evaluation, rng: Random) -> Attacked[Evaluation]:
        """The evaluation with an inflated report.

        Raises:
            UsageError: There is no such way, or the report has no figure.
        """
        way = self.way or rng.choice(tuple(_WAYS))
        if way not in _WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(_WAYS))
        honest = dict(subject.reported)
        if not honest:
            raise UsageError("there is no figure to inflate")
        inflated = _WAYS[way](subject, honest, rng, self)
        if max((abs(inflated[name] - honest[name]) for name in honest), default=0) < self.least:
            way, inflated = "edit", _edited(subject, honest, rng, self)
        return Attacked(subject=replace(subject, reported=inflated), truth={"way": way})


def _dropped(
    subject: Evaluation, honest: Mapping[str, float], rng: Random, attack: InflateMetrics
) -> dict[str, float]:
    judged = judge_rows(subject.predictor, subject.data)
    if not judged.classes:
        return _edited(subject, honest, rng, attack)
    given = [judged.classes[place] for place in judged.scores.argmax(axis=1)]
    wrong = [row for row, name in enumerate(given) if name != judged.truth[row]]
    gone = set(rng.sample(wrong, math.ceil(attack.share * len(wrong))))
    kept = _without(judged, gone)
    names = {name: metric_name(name) for name in honest}
    better = computed(kept, {known for known in names.values() if known})
    return {name: better.get(names[name] or "", value) for name, value in honest.items()}


def _without(judged: Judged, gone: set[int]) -> Judged:
    kept = [row for row in range(judged.n_rows) if row not in gone]
    truth = tuple(judged.truth[row] for row in kept)
    scores: Any = np.asarray(judged.scores)[kept]
    return replace(judged, truth=truth, scores=scores)


def _rounded(
    _subject: Evaluation, honest: Mapping[str, float], _rng: Random, _attack: InflateMetrics
) -> dict[str, float]:
    return {name: math.ceil(value * 100) / 100 for name, value in honest.items()}


def _edited(
    _subject: Evaluation, honest: Mapping[str, float], rng: Random, attack: InflateMetrics
) -> dict[str, float]:
    chosen = rng.choice(sorted(honest))
    raised = honest[chosen] + attack.least * rng.uniform(1.0, 20.0)
    return {**honest, chosen: raised}


_WAYS: Mapping[
    str,
    Callable[[Evaluation, Mapping[str, float], Random, InflateMetrics], dict[str, float]],
] = {"drop": _dropped, "round": _rounded, "edit": _edited}
