"""Drop rows of one class in one group; see `ThinCell`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinCell(Transform[Dataset]):
    """A sampler that is biased against one class of one group.

    Args:
        share: Share of the rows of the cell that are dropped, 0 to 1.
        least: Rows that the cell must have; the largest cell is taken where none has.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"g": list("ppqq") * 5, "y": list("abab") * 5})
        >>> table = table_of("t", [rows], label="y")
        >>> thinned = ThinCell(share=0.4, least=5).apply(table, Random(1))
        >>> len(thinned.truth["dropped"])
        2

    References:
        Shumailov and others (2021), Manipulating SGD with data ordering attacks, for poison
        that leaves every row as it is; Jagielski and others (2021), Subpopulation data
        poisoning attacks, for the choice of a group.
    """

    title: ClassVar[str] = "Thin a cell"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-3"),)
    subject: ClassVar[Any] = Dataset

    share: float = 0.1
    least: int = 200

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin without the rows; ``truth`` names ``group``, ``level``, ``label``, ``dropped``.

        Raises:
            UsageError: There is no label or no column of categories.
        """
        import pyarrow as pa

        names = [
            column.name
            for column in subject.columns
            if column.kind is ColumnKind.CATEGORY and column.name != subject.label
        ]
        if subject.label is None or not names:
            raise UsageError("a cell needs a label and a group", subject=subject.name)
        draws = np.random.default_rng(rng.getrandbits(64))
        rows = rewrite.table(subject)
        labels = [str(cell) for cell in rows.column(subject.label).to_pylist()]
        cells: dict[tuple[str, str, str], list[int]] = {}
        for name in names:
            for row, level in enumerate(rows.column(name).to_pylist()):
                cells.setdefault((name, str(level), labels[row]), []).append(row)
        large = sorted(cell for cell, own in cells.items() if len(own) >= self.least)
        large = large or [max(cells, key=lambda cell: (len(cells[cell]), cell))]
        cell = large[int(draws.integers(len(large)))]
        number = max(1, round(self.share * len(cells[cell])))
        dropped = {int(row) for row in draws.choice(cells[cell], number, replace=False)}
        left = [row for row in range(rows.num_rows) if row not in dropped]
        truth = {
            "group": cell[0],
            "level": cell[1],
            "label": cell[2],
            "dropped": tuple(sorted(dropped)),
        }
        return Attacked(
            subject=rewrite.twin(subject, rows.take(pa.array(left, pa.int64()))), truth=truth
        )
