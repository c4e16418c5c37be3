"""Move values so that means, spreads and ranges lie; see `TamperScale`."""

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
from hauberk.methods import rewrite

_UNITS = (10.0, 0.1, 2.54, 1000.0)
_FAR = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperScale(Transform[Dataset]):
    """Values of some rows, or of one column, in another place or another unit.

    Args:
        share: Share of the rows that change, 0 to 1.
        pattern: ``outliers`` puts one column of each row some thirty spreads away; ``units``
            multiplies one column of each row by the factor between two units; ``scale``
            multiplies one and the same column of all rows by ``factor``.
        factor: For ``scale``.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"x": [1.0, 2.0, 3.0, 4.0]})
        >>> TamperScale(share=0.5).apply(table_of("t", [rows]), Random(1)).rows
        (0, 2)

    References:
        Rousseeuw and Hubert (2011), Robust statistics for outlier detection, for how few
        values break a mean.
    """

    title: ClassVar[str] = "Tamper with the scale"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-5"),)
    subject: ClassVar[Any] = Dataset

    share: float = 0.01
    pattern: str = "outliers"
    factor: float = 1.2

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin; ``truth`` names the column of each row, or the one of all.

        Raises:
            UsageError: There is no column of decimal numbers, or no such pattern.
        """
        import pyarrow as pa

        rows = rewrite.table(subject)
        names = [
            column.name
            for column in features_of(subject)
            if column.kind is ColumnKind.NUMBER
            and pa.types.is_floating(rows.schema.field(column.name).type)
        ]
        if not names or self.pattern not in ("outliers", "units", "scale"):
            raise UsageError(
                "decimal numbers are tampered with as outliers, units or scale",
                subject=subject.name,
                found=f"{self.pattern}, {len(names)} columns of decimal numbers",
            )
        draws = np.random.default_rng(rng.getrandbits(64))
        if self.pattern == "scale":
            return self._all(subject, rows, str(draws.choice(names)))
        number = max(1, round(self.share * rows.num_rows))
        places = np.sort(draws.choice(rows.num_rows, number, replace=False))
        chosen = draws.choice(names, number)
        twin = subject
        for name in np.unique(chosen):
            own = places[chosen == name]
            cells = np.asarray(rows.column(str(name)).to_numpy(zero_copy_only=False), np.float64)
            twin = rewrite.with_cells(
                twin, str(name), own.tolist(), self._moved(cells, own, draws).tolist()
            )
        return Attacked(
            subject=twin,
            rows=tuple(places.tolist()),
            truth={"columns": tuple(map(str, chosen))},
        )

    def _moved(self, cells: Any, own: Any, rng: np.random.Generator) -> Any:
        if self.pattern == "units":
            return cells[own] * rng.choice(_UNITS, own.size)
        signs = rng.choice([-1.0, 1.0], own.size) if np.nanmin(cells) < 0 else 1.0
        far = _FAR * rng.uniform(1, 2, own.size) * np.nanstd(cells)
        return np.nanmean(cells) + signs * far

    def _all(self, subject: Dataset, rows: Any, name: str) -> Attacked[Dataset]:
        cells = np.asarray(rows.column(name).to_numpy(zero_copy_only=False), np.float64)
        every = list(range(rows.num_rows))
        twin = rewrite.with_cells(subject, name, every, (cells * self.factor).tolist())
        return Attacked(subject=twin, rows=tuple(every), truth={"columns": (name,)})
