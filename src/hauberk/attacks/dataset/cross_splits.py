"""Let groups or times stand on both sides of a split; see `CrossSplits`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Splits
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossSplits(Transform[Splits]):
    """Rows of test and training change places without regard for what they share.

    Args:
        by: ``group`` (other rows of the same patient or device on the other side) or ``time``
            (test rows from before the end of training).
        share: Share of the test rows that are exchanged, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> def part(name, who):
        ...     return table_of(name, [pa.RecordBatch.from_pydict({"who": [who] * 6})])
        >>> parts = Splits(train=part("a", "ann"), test=part("b", "bob"), group="who")
        >>> twin = CrossSplits(by="group", share=0.3).apply(parts, Random(1)).subject
        >>> sorted(set(next(twin.test.read()).column("who").to_pylist()))
        ['ann', 'bob']

    References:
        Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in
        machine-learning-based science, section 2 (non-independence, temporal leakage).
    """

    title: ClassVar[str] = "Cross splits"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-2"),)
    subject: ClassVar[Any] = Splits

    by: str = "group"
    share: float = 0.03

    def apply(self, subject: Splits, rng: Random) -> Attacked[Splits]:
        """The twin; ``rows`` of the test part came from training.

        Raises:
            UsageError: The split declares no such column.
        """
        import pyarrow as pa

        column = {"group": subject.group, "time": subject.time}.get(self.by)
        if column is None:
            raise UsageError("the split declares no such column", found=self.by)
        draws = np.random.default_rng(rng.getrandbits(64))
        train, test = rewrite.table(subject.train), rewrite.table(subject.test)
        number = min(max(1, round(self.share * test.num_rows)), train.num_rows - 1)
        here = np.sort(draws.choice(test.num_rows, number, replace=False))
        there = np.sort(draws.choice(train.num_rows, number, replace=False))
        new_test = rewrite.with_rows(subject.test, here.tolist(), train.take(pa.array(there)))
        new_train = rewrite.with_rows(subject.train, there.tolist(), test.take(pa.array(here)))
        return Attacked(
            subject=dataclasses.replace(subject, train=new_train, test=new_test),
            rows=tuple(here.tolist()),
            truth={"column": column},
        )
