"""Change the parameters of a fitted transform; see `EditScaler`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Transformation
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite
from hauberk.methods.contracts import numbers
from hauberk.methods.replay import replayed


@dataclass(frozen=True, slots=True, kw_only=True)
class EditScaler(Transform[Transformation]):
    """One parameter of one scaler is edited in its file; the output agrees with the edit.

    Args:
        factor: What the parameter is multiplied by.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.core.artifact import ColumnChange
        >>> from hauberk.formats.tables import table_of
        >>> x = table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0, 3.0]})])
        >>> how = {"mean": 2.0, "scale": 1.0}
        >>> declared = (ColumnChange(column="x", deed="standardise", numbers=how),)
        >>> step = Transformation(old=x, new=x, declared=declared)
        >>> EditScaler(factor=3.0).apply(step, Random(1)).truth["column"]
        'x'

    References:
        Breck and others (2019), Data validation for machine learning, on skew between what
        was fitted and what is served.
    """

    title: ClassVar[str] = "Edit a scaler"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-5"),)
    subject: ClassVar[Any] = Transformation

    factor: float = 1.25

    def apply(self, subject: Transformation, rng: Random) -> Attacked[Transformation]:
        """The twin; ``truth`` names the column and the parameter.

        Raises:
            UsageError: Nothing that is declared has a parameter.
        """
        places = [place for place, change in enumerate(subject.declared) if change.numbers]
        if not places:
            raise UsageError("no declared transform has a parameter", subject=subject.new.name)
        place = rng.choice(places)
        change = subject.declared[place]
        key = rng.choice(sorted(change.numbers))
        edited = replace(
            change, numbers={**change.numbers, key: self.factor * change.numbers[key] + 0.01}
        )
        declared = (*subject.declared[:place], edited, *subject.declared[place + 1 :])
        cells = numbers(rewrite.table(subject.old).column(change.column))
        own = [one for one in declared if one.column == change.column]
        every = list(range(len(cells)))
        new = rewrite.with_cells(subject.new, change.column, every, replayed(cells, own).tolist())
        return Attacked(
            subject=replace(subject, new=new, declared=declared),
            truth={"column": change.column, "parameter": key},
        )
