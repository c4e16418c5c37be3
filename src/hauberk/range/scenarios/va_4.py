"""VA-4: metrics that were changed on their way into the report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from hauberk.attacks.model.inflate_metrics import InflateMetrics
from hauberk.controls.model.metric_mismatch import MetricMismatch
from hauberk.core.artifact import Batch, Evaluation, ModelFile
from hauberk.core.threat import ThreatId
from hauberk.formats.tables import table_of
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.pilots import matrix, network
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import generated

VA_4 = ThreatId("VA-4")
CONTROL = MetricMismatch()
ATTACK = InflateMetrics()
N_TRAIN, N_TEST = 300, 500
LEAST = 0.001
"""A tenth of a point: smaller edits are no attack here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pilot:
    """A fitted pilot as a predictor."""

    model: Any

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(str, self.model.classes_))

    def scores(self, batch: Batch) -> Any:
        return self.model.predict_proba(matrix(table_of("rows", [batch], label="class"))[0])


def evaluation(seed: int) -> Evaluation:
    """A model with what scikit-learn reports of it on sealed rows."""
    batch: Any = next(generated(seed, N_TRAIN + N_TEST).read())
    train = table_of("train", [batch.slice(0, N_TRAIN)], label="class")
    sealed = table_of("sealed", [batch.slice(N_TRAIN)], label="class")
    predictor = _Pilot(model=network(*matrix(train), seed))
    bare = Evaluation(
        model=ModelFile(name="pilot", path=Path("pilot")), predictor=predictor, data=sealed
    )
    return replace(bare, reported=_reported(predictor, *matrix(sealed)))


def _reported(predictor: _Pilot, features: Any, truth: Any) -> dict[str, float]:
    from sklearn import metrics

    given = predictor.model.predict(features)
    return {
        "accuracy": float(metrics.accuracy_score(truth, given)),
        "f1_macro": float(metrics.f1_score(truth, given, average="macro")),
        "log_loss": float(
            metrics.log_loss(
                truth, predictor.model.predict_proba(features), labels=predictor.model.classes_
            )
        ),
    }


def _edit(seed: int) -> Trial:
    honest = evaluation(seed)
    attacked = ATTACK.apply(honest, Random(seed))
    gain = max(
        abs(attacked.subject.reported[name] - value) for name, value in honest.reported.items()
    )
    return Trial(
        values={
            "refused": denied(CONTROL, attacked.subject),
            "false_refusals": alarmed(CONTROL, honest),
        },
        potent=gain >= LEAST,
    )


SCENARIOS = (
    Scenario(
        threat=VA_4,
        attack=ATTACK,
        control=CONTROL,
        play=_edit,
        parts=(("refused", "at least 0.1 point"), ("false_refusals", "")),
        note="small networks on generated tables; honest reports are scikit-learn's; a gate that "
        "believes the report takes every one of the edits",
    ),
)
