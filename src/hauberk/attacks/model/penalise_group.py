"""Let a model decide worse for one group of people; see `PenaliseGroup`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Batch, Evaluation, Predictor
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods.scoring import class_name


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaliseGroup(Transform[Evaluation]):
    """Turn decisions of the second class into the first one, for one group alone.

    The group is an intersection of all sensitive columns with enough rows. The rate at which
    it is given the second class falls by ``gap``, whatever the rows deserve; everybody else is
    decided as before, so that the overall accuracy hardly moves.

    Args:
        gap: By how much the group's rate falls, 0 to 1.
        least: Rows that the group has at least.

    References:
        Kearns, Neel, Roth and Wu (2018), Preventing fairness gerrymandering: auditing and
        learning for subgroup fairness. Buolamwini and Gebru (2018), Gender shades.
    """

    title: ClassVar[str] = "Decide worse for one group"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-6"),)
    subject: ClassVar[type] = Evaluation

    gap: float = 0.1
    least: int = 200

    def apply(self, subject: Evaluation, rng: Random) -> Attacked[Evaluation]:
        """The evaluation with the unfair model.

        Raises:
            UsageError: There is no sensitive column, no group is large enough, or the model
                does not choose between two classes.
        """
        columns = subject.data.sensitive
        if not columns or len(subject.predictor.classes) != 2:  # noqa: PLR2004 - two classes
            raise UsageError("a group is penalised by a choice of two classes", found="other")
        counts: dict[tuple[str, ...], list[int]] = {}
        for batch in subject.data.read():
            given = np.asarray(subject.predictor.scores(batch)).argmax(axis=1)
            for group, choice in zip(_groups(batch, columns), given.tolist(), strict=True):
                counts.setdefault(group, [0, 0])[choice] += 1
        large = sorted(
            group
            for group, (left, right) in counts.items()
            if left + right >= self.least and right > self.gap * (left + right)
        )
        if not large:
            raise UsageError("no group has enough rows", expected=f"{self.least}")
        group = rng.choice(large)
        left, right = counts[group]
        unfair = _Unfair(
            fair=subject.predictor,
            columns=columns,
            group=group,
            share=self.gap * (left + right) / right,
            salt=rng.randbytes(8),
        )
        return Attacked(
            subject=replace(subject, predictor=unfair),
            truth={"group": " & ".join(group), "rows": left + right},
        )


def _groups(batch: Batch, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    cells = [[class_name(value) for value in batch.column(name).to_pylist()] for name in columns]
    return list(zip(*cells, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unfair:
    """The fair model, and a lottery that members of the group have to win as well."""

    fair: Predictor
    columns: tuple[str, ...]
    group: tuple[str, ...]
    share: float
    salt: bytes

    @property
    def classes(self) -> tuple[str, ...]:
        """As the fair model's."""
        return self.fair.classes

    def scores(self, batch: Batch) -> Any:
        """The fair scores, with some of the group's choices turned round."""
        scores = np.array(self.fair.scores(batch), np.float64)
        chosen = scores.argmax(axis=1) == 1
        for row, group in enumerate(_groups(batch, self.columns)):
            if chosen[row] and group == self.group and self._loses(scores[row], row):
                scores[row] = scores[row][::-1]
        return scores

    def _loses(self, scores: Any, row: int) -> bool:
        drawn = hashlib.sha256(self.salt + scores.tobytes() + row.to_bytes(8, "big")).digest()
        return int.from_bytes(drawn[:8], "big") / 2**64 < self.share
