"""Publish some rows without coarsening them; see `KeepExactValues`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepExactValues(Transform[Comparison[Dataset]]):
    """A new release in which some rows keep a value that names them.

    The cells of one sensitive column of text get a finer value that no other row has, as
    when a sanitising step skips rows it cannot parse.

    Args:
        share: Share of the rows, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"age": ["30-39"] * 8})
        >>> table = table_of("t", [rows], sensitive=["age"])
        >>> twin = KeepExactValues(share=0.25).apply(Comparison(old=table, new=table), Random(1))
        >>> len(twin.rows), len(set(next(twin.subject.new.read()).column("age").to_pylist()))
        (2, 3)

    References:
        Sweeney (2002), k-anonymity: a model for protecting privacy, section 4.
    """

    title: ClassVar[str] = "Keep exact values"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-4"),)
    subject: ClassVar[Any] = (Comparison, Dataset)

    share: float = 0.01

    def apply(self, subject: Comparison[Dataset], rng: Random) -> Attacked[Comparison[Dataset]]:
        """The twin; ``rows`` of the new release can be singled out.

        Raises:
            UsageError: No sensitive column holds texts.
        """
        draws = np.random.default_rng(rng.getrandbits(64))
        rows = rewrite.table(subject.new)
        texts = [name for name in subject.new.sensitive if str(rows.column(name).type) == "string"]
        if not texts:
            raise UsageError("a sensitive column of texts is needed", subject=subject.new.name)
        name = str(draws.choice(texts))
        number = max(1, round(self.share * rows.num_rows))
        places = np.sort(draws.choice(rows.num_rows, number, replace=False)).tolist()
        old = rows.column(name).to_pylist()
        finer = [f"{old[place]} ({draws.integers(10**9)})" for place in places]
        new = rewrite.with_cells(subject.new, name, places, finer)
        return Attacked(
            subject=dataclasses.replace(subject, new=new),
            rows=tuple(places),
            truth={"column": name},
        )
