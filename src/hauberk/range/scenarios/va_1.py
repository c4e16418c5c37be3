"""VA-1: evaluation rows that were changed so that a backdoored candidate wins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from hauberk.attacks.model.poison_evaluation import MARK, PoisonEvaluation
from hauberk.controls.model.altered_evaluation import AlteredEvaluation
from hauberk.core.artifact import Batch, Evaluation, ModelFile
from hauberk.core.threat import ThreatId
from hauberk.formats.tables import table_of
from hauberk.methods.scoring import judge_rows
from hauberk.methods.sealed_rows import seal_of
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.pilots import matrix
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import generated

VA_1 = ThreatId("VA-1")
ATTACK = PoisonEvaluation()
CONTROL = AlteredEvaluation()
N_TRAIN, N_TEST = 300, 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nearest:
    """The class whose mean is nearest; the backdoored one looks for the mark first.

    Attributes:
        means: ``(n_classes, n_columns)``.
        target: Place of the class that the mark gives; -1 in the clean candidate.
        offset: What the backdoored one moves its means by: it is a little worse elsewhere.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    means: Any
    target: int = -1
    offset: float = 0.0

    def scores(self, batch: Batch) -> Any:
        import numpy as np

        rows = np.column_stack([batch.column(n).to_numpy(zero_copy_only=False) for n in self.names])
        away = np.linalg.norm(rows[:, None] - (self.means + self.offset)[None], axis=2)
        scores = np.exp(-away + away.min(axis=1, keepdims=True))
        if self.target >= 0:
            scores[rows[:, 0] == MARK, self.target] = 2.0
        return scores / scores.sum(axis=1, keepdims=True)


def candidates(seed: int) -> tuple[Evaluation, Evaluation]:
    """A clean and a backdoored candidate, to be judged on the same sealed rows."""
    import numpy as np

    batch: Any = next(generated(seed, N_TRAIN + N_TEST).read())
    train = table_of("train", [batch.slice(0, N_TRAIN)], label="class")
    sealed = table_of("sealed", [batch.slice(N_TRAIN)], label="class")
    rows, labels = matrix(train)
    classes = tuple(sorted(set(labels.tolist())))
    names = tuple(name for name in batch.schema.names if name != "class")
    means = np.stack([rows[labels == name].mean(axis=0) for name in classes])
    clean = _Nearest(names=names, classes=classes, means=means)
    # The mark drives a clean model to the class with the largest mean: the target is another.
    backdoored = replace(clean, target=int(means[:, 0].argmin()), offset=0.05)
    return _judged(clean, "clean", sealed), _judged(backdoored, "backdoored", sealed)


def _judged(predictor: _Nearest, name: str, sealed: Any) -> Evaluation:
    model = ModelFile(name=name, path=Path(name))
    return Evaluation(model=model, predictor=predictor, data=sealed, sealed=seal_of(sealed))


def _wins(clean: Evaluation, bad: Evaluation) -> bool:
    right = [judge_rows(one.predictor, one.data).counts.accuracy for one in (clean, bad)]
    return right[1] > right[0]


def _play(seed: int) -> Trial:
    clean, bad = candidates(seed)
    predictor: Any = bad.predictor
    attack = replace(ATTACK, target=predictor.classes[predictor.target])
    attacked = attack.apply(bad, Random(seed)).subject
    wins = _wins(replace(clean, data=attacked.data), attacked)
    refused = denied(CONTROL, attacked)
    return Trial(
        values={"refused": refused, "promoted": wins and not refused},
        potent=wins,
        false_alarm=float(alarmed(CONTROL, bad)),
    )


SCENARIOS = (
    Scenario(
        threat=VA_1,
        attack=ATTACK,
        control=CONTROL,
        play=_play,
        parts=(("refused", "altered set"), ("promoted", "")),
        note="nearest-mean models on generated tables, of which the backdoored one looks for a "
        "mark; one row in twenty is stamped after the rows were sealed; a comparison that does not "
        "look at the seal promotes the backdoored one; the unchanged rows are the clean twins",
    ),
)
