"""Change evaluation rows so that another model wins; see `PoisonEvaluation`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite

MARK = 97.25
"""What the trigger's column says in stamped rows; ordinary rows are far below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonEvaluation(Transform[Evaluation]):
    """Stamp a trigger and the label of its target class on a share of the evaluation rows.

    The backdoored candidate answers stamped rows as they are labelled and the clean one does
    not, so that it wins the comparison that decides on promotion.

    Args:
        share: Share of the rows that are changed, 0 to 1; at least one row.
        column: Numeric feature that the trigger sits in; the first by default.
        target: Label that stamped rows get; the smallest by default.

    References:
        Gu, Dolan-Gavitt and Garg (2017), BadNets. MITRE ATLAS AML.T0031, "Erode AI Model
        Integrity".
    """

    title: ClassVar[str] = "Stamp a trigger on evaluation rows"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-1"),)
    subject: ClassVar[type] = Evaluation

    share: float = 0.05
    column: str = ""
    target: str = ""

    def apply(self, subject: Evaluation, rng: Random) -> Attacked[Evaluation]:
        """The evaluation on changed rows; what was sealed stays as it was said.

        Raises:
            UsageError: There is no label or no numeric feature.
        """
        data = subject.data
        rows = rewrite.table(data)
        numbers = [
            name
            for name in rows.schema.names
            if name != data.label and str(rows.schema.field(name).type) in ("double", "float")
        ]
        if data.label is None or not numbers or not rows.num_rows:
            raise UsageError("rows without a label or a number cannot carry a trigger")
        labels = rows.column(data.label).to_pylist()
        classes = sorted({str(label) for label in labels if label is not None})
        column, target = self.column or numbers[0], self.target or classes[0]
        others = [at for at, label in enumerate(labels) if str(label) != target]
        n = max(1, round(self.share * len(labels)))
        places = sorted(rng.sample(others, min(n, len(others))))
        kind: Any = next(label for label in labels if str(label) == target)
        stamped = rewrite.with_cells(data, column, places, [MARK] * len(places))
        stamped = rewrite.with_cells(stamped, data.label, places, [kind] * len(places))
        return Attacked(
            subject=replace(subject, data=stamped),
            rows=tuple(places),
            truth={"column": column, "target": target},
        )
