"""Add rows that make one column look predictive; see `SteerSelection`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.formats.tables import features_of
from hauberk.methods import embed, rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class SteerSelection(Transform[Dataset]):
    """Copies of honest rows in which one weak column follows the label.

    Args:
        share: Share of the rows that are added, 0 to 1.
        reach: How far from the column's mean the planted values lie, in its spreads; the
            classes lie on both sides.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"x": [float(i % 7) for i in range(50)],
        ...                                    "y": list("ab") * 25})
        >>> SteerSelection(share=0.1).apply(table_of("t", [rows], label="y"), Random(1)).rows
        (50, 51, 52, 53, 54)

    References:
        Xiao, Biggio, Brown, Fumera, Eckert and Roli (2015), Is feature selection secure
        against training data poisoning?
    """

    title: ClassVar[str] = "Steer the selection"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-4"),)
    subject: ClassVar[Any] = Dataset

    share: float = 0.03
    reach: float = 10.0

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin with the rows at its end; ``truth`` names the column.

        Raises:
            UsageError: There is no label or no column of decimal numbers.
        """
        import pyarrow as pa

        names = [c.name for c in features_of(subject) if c.kind is ColumnKind.NUMBER]
        rows = rewrite.table(subject)
        names = [n for n in names if pa.types.is_floating(rows.schema.field(n).type)]
        if subject.label is None or not names:
            raise UsageError("a selection needs a label and numbers", subject=subject.name)
        draws = np.random.default_rng(rng.getrandbits(64))
        codes = embed.load(subject).labels
        column = _weak(rows, names, codes, draws)
        number = max(1, round(self.share * rows.num_rows))
        copied = draws.choice(np.flatnonzero(codes >= 0), number, replace=False)
        added = rows.take(pa.array(copied, pa.int64()))
        cells = _cells(rows, column)
        sides = np.where(codes[copied] % 2 == 0, -1.0, 1.0)
        far = np.nanmean(cells) + sides * self.reach * np.nanstd(cells)
        values = far + draws.normal(0, 0.1 * np.nanstd(cells), number)
        place = rows.schema.get_field_index(column)
        planted = added.set_column(
            place, rows.schema.field(place), pa.array(values, rows.schema.field(place).type)
        )
        both = [
            pa.concat_arrays([a, b]) for a, b in zip(rows.columns, planted.columns, strict=True)
        ]
        whole = pa.RecordBatch.from_arrays(both, schema=rows.schema)
        return Attacked(
            subject=rewrite.twin(subject, whole),
            rows=tuple(range(rows.num_rows, rows.num_rows + number)),
            truth={"column": column},
        )


def _cells(rows: Any, name: str) -> Any:
    return np.asarray(rows.column(name).to_numpy(zero_copy_only=False), np.float64)


def _weak(rows: Any, names: list[str], codes: Any, rng: np.random.Generator) -> str:
    """A column that says little of the label, so that lifting it is worth the while."""

    def strength(name: str) -> float:
        cells = np.nan_to_num(_cells(rows, name))
        return 0.0 if not cells.std() else abs(float(np.corrcoef(cells, codes)[0, 1]))

    weak = sorted(names, key=strength)[: max(1, len(names) // 3)]
    return str(rng.choice(weak))
