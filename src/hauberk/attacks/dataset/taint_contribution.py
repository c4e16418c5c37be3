"""Slip wrong labels into what one contributor gives; see `TaintContribution`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintContribution(Transform[Dataset]):
    """One contributor relabels a share of one class as another.

    Args:
        share: Share of the contributor's rows of the class, 0 to 1.
        pair: Class and wrong label; empty draws two.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"y": ["a", "b"] * 4, "who": list("ppqpppqp")})
        >>> table = table_of("t", [rows], label="y", source="who")
        >>> attack = TaintContribution(share=1.0, pair=("a", "b"))
        >>> attack.apply(table, Random(1)).rows
        (2, 6)

    References:
        Baracaldo et al. (2017), Mitigating poisoning attacks on machine learning models: a
        data provenance based approach.
    """

    title: ClassVar[str] = "Taint a contribution"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AQ-1"),)
    subject: ClassVar[Any] = Dataset

    share: float = 0.3
    pair: tuple[str, ...] = ()

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin; ``rows`` have a changed label.

        Raises:
            UsageError: No column names contributors or labels.
        """
        column = subject.source or subject.annotator
        if column is None or subject.label is None:
            raise UsageError("contributors and labels are needed", subject=subject.name)
        draws = np.random.default_rng(rng.getrandbits(64))
        rows = rewrite.table(subject)
        labels = np.array([str(cell) for cell in rows.column(subject.label).to_pylist()])
        who = np.array([str(cell) for cell in rows.column(column).to_pylist()])
        bad = str(draws.choice(np.unique(who)))
        pair = self.pair or _pair(labels, who == bad, draws)
        own = np.flatnonzero((who == bad) & (labels == pair[0]))
        if not own.size:
            raise UsageError("the contributor gave no row of the class", found=str(pair[0]))
        number = max(1, round(self.share * own.size))
        places = np.sort(draws.choice(own, number, replace=False)).tolist()
        return Attacked(
            subject=rewrite.with_cells(subject, subject.label, places, [pair[1]] * number),
            rows=tuple(places),
            truth={"source": bad, "pair": tuple(map(str, pair))},
        )


def _pair(labels: Any, own: Any, rng: np.random.Generator) -> tuple[str, str]:
    """A class that the contributor gave, and another."""
    given = str(rng.choice(np.unique(labels[own])))
    others = np.unique(labels[labels != given])
    if not others.size:
        raise UsageError("there is only one class", found=given)
    return given, str(rng.choice(others))
