"""Give out real rows as generated ones; see `CopyRealRows`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset, Synthesis
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRealRows(Transform[Synthesis]):
    """A generator that learnt some rows by heart: they come out as they went in, or nearly.

    Args:
        share: Share of the generated rows that are copies, 0 to 1.
        noise: Spread of what is added to numbers, in units of each column's spread.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> parts = {
        ...     name: table_of(name, [pa.RecordBatch.from_pydict({"x": [start + 0.5] * 4})])
        ...     for start, name in enumerate(("train", "control", "synthetic"))
        ... }
        >>> twin = CopyRealRows(share=0.5).apply(Synthesis(**parts), Random(1))
        >>> sorted(next(twin.subject.synthetic.read()).column("x").to_pylist())
        [0.5, 0.5, 2.5, 2.5]

    References:
        Carlini et al. (2023), Extracting training data from diffusion models. Stadler, Oprisanu
        and Troncoso (2022), Synthetic data: anonymisation groundhog day.
    """

    title: ClassVar[str] = "Copy real rows"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-3"),)
    subject: ClassVar[Any] = Synthesis

    share: float = 0.05
    noise: float = 0.0

    def apply(self, subject: Synthesis, rng: Random) -> Attacked[Synthesis]:
        """The twin; ``rows`` of the generated part are copies of ``truth["originals"]``."""
        import pyarrow as pa

        draws = np.random.default_rng(rng.getrandbits(64))
        train, synthetic = rewrite.table(subject.train), rewrite.table(subject.synthetic)
        number = min(max(1, round(self.share * synthetic.num_rows)), train.num_rows)
        originals = draws.choice(train.num_rows, number, replace=False)
        places = np.sort(draws.choice(synthetic.num_rows, number, replace=False)).tolist()
        copies = train.take(pa.array(originals)).select(synthetic.schema.names)
        twin = rewrite.with_rows(subject.synthetic, places, copies)
        if self.noise:
            twin = self._blurred(twin, subject.train, places, draws)
        return Attacked(
            subject=dataclasses.replace(subject, synthetic=twin),
            rows=tuple(places),
            truth={"originals": originals.tolist()},
        )

    def _blurred(
        self, twin: Dataset, train: Dataset, places: list[int], rng: np.random.Generator
    ) -> Dataset:
        real, own = rewrite.table(train), rewrite.table(twin)
        for column in twin.columns:
            kind = str(own.schema.field(column.name).type)
            if column.kind is ColumnKind.NUMBER and kind.startswith(("float", "double")):
                spread = float(np.nanstd(real.column(column.name).to_numpy(zero_copy_only=False)))
                cells = own.column(column.name).to_numpy(zero_copy_only=False)[places]
                noisy = cells + rng.normal(0, self.noise * spread, len(places))
                twin = rewrite.with_cells(twin, column.name, places, noisy.tolist())
        return twin
