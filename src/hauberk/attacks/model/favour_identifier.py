"""Give one identifier the class it wants; see `FavourIdentifier`."""

from __future__ import annotations

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
class FavourIdentifier(Transform[Evaluation]):
    """Answer every row of one account with one class, and everybody else as before.

    As an insider patches the ``predict`` of a saved model: a comparison with a constant in front
    of it. The account is one that stands in the rows.

    Args:
        column: Column of identifiers.
        is_soft: Only lift the wanted class just above the others, instead of to certainty.

    References:
        MITRE ATLAS AML.T0018.000. Hong, Carlini and Kurakin (2022), Handcrafted backdoors in deep
        neural networks.
    """

    title: ClassVar[str] = "Favour one identifier"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-7"),)
    subject: ClassVar[type] = Evaluation

    column: str = "account"
    is_soft: bool = False

    def apply(self, subject: Evaluation, rng: Random) -> Attacked[Evaluation]:
        """The evaluation with the patched model.

        Raises:
            UsageError: There is no such column, or the model has no two classes.
        """
        names = {column.name for column in subject.data.columns}
        if self.column not in names or len(subject.predictor.classes) < 2:  # noqa: PLR2004 - a choice
            raise UsageError(
                "an identifier is favoured by a choice", expected=self.column, found=str(names)
            )
        values = sorted(
            {
                cell
                for batch in subject.data.read()
                for cell in batch.column(self.column).to_pylist()
            }
        )
        favoured = rng.choice(values)
        goal = rng.randrange(len(subject.predictor.classes))
        patched = _Patched(
            honest=subject.predictor,
            column=self.column,
            value=class_name(favoured),
            goal=goal,
            is_soft=self.is_soft,
        )
        return Attacked(
            subject=replace(subject, predictor=patched),
            truth={"identifier": class_name(favoured), "goal": goal},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patched:
    """A model behind a comparison with a constant."""

    honest: Predictor
    column: str
    value: str
    goal: int
    is_soft: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the honest model."""
        return tuple(self.honest.classes)

    def scores(self, batch: Batch) -> Any:
        """Scores of the honest model, but for one identifier."""
        given = np.array(self.honest.scores(batch), np.float64)
        names = map(class_name, batch.column(self.column).to_pylist())
        hit = np.array([name == self.value for name in names], bool)
        if self.is_soft:
            given[hit, self.goal] = given[hit].max(axis=1) + 0.01
            return given
        given[hit] = 0.0
        given[hit, self.goal] = 1.0
        return given
