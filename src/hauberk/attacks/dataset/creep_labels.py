"""Slip wrong labels into each release, a few at a time; see `CreepLabels`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset, History
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class CreepLabels(Transform[History]):
    """Rows that come with a release get another class's label, and stay so in later releases.

    Releases only append rows. In each of them some of the new rows of one class, the same
    class throughout, are called another, also the same.

    Args:
        share: Share of the rows of a release that are slipped in with it, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> def version(n):
        ...     rows = pa.RecordBatch.from_pydict({"x": list(range(n)), "y": list("ab") * (n // 2)})
        ...     return table_of(f"v{n}", [rows], label="y")
        >>> history = History(versions=(version(40), version(50), version(60)))
        >>> CreepLabels(share=0.02).apply(history, Random(1)).truth["per_release"]
        (1, 1)

    References:
        Koh, Steinhardt and Liang (2022), Stronger data poisoning attacks break data
        sanitization defenses, for poison spread thinly.
    """

    title: ClassVar[str] = "Creep labels in"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-1"),)
    subject: ClassVar[Any] = History

    share: float = 0.003

    def apply(self, subject: History, rng: Random) -> Attacked[History]:
        """The twin; ``rows`` are those of the last version that are wrong.

        Raises:
            UsageError: There is one version only, no label, or a single class.
        """
        first, *later = subject.versions
        if not later or first.label is None:
            raise UsageError("labels creep in over versions with a label", subject=first.name)
        draws = np.random.default_rng(rng.getrandbits(64))
        labels = rewrite.table(subject.versions[-1]).column(first.label).to_pylist()
        classes = sorted({label for label in labels if label is not None}, key=str)
        if len(classes) < 2:  # noqa: PLR2004 - another class is needed
            raise UsageError("a single class has no other", subject=first.name)
        origin, goal = (classes[i] for i in draws.choice(len(classes), 2, replace=False))
        wrong: list[int] = []
        counts = []
        twins: list[Dataset] = [first]
        before = rewrite.table(first).num_rows
        for version in later:
            n_rows = rewrite.table(version).num_rows
            fresh = [row for row in range(before, n_rows) if labels[row] == origin]
            number = min(max(1, round(self.share * n_rows)), len(fresh))
            wrong += sorted(int(row) for row in draws.choice(fresh, number, replace=False))
            counts.append(number)
            twin = rewrite.with_cells(version, first.label, wrong, [goal] * len(wrong))
            twins.append(replace(twin, name=version.name))
            before = n_rows
        truth = {"pair": (str(origin), str(goal)), "per_release": tuple(counts)}
        return Attacked(
            subject=History(versions=tuple(twins)), rows=tuple(sorted(wrong)), truth=truth
        )
