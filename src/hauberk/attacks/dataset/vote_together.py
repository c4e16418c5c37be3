"""Feedback of accounts that are one person: see `VoteTogether`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteTogether(Transform[Dataset]):
    """Add accounts that all say one class of rows of another one.

    Args:
        share: New accounts as a share of those that are there, 0 to 1; three at least.
        times: Feedback of each, as a multiple of the median account's.
        honesty: Share of their feedback that repeats what others said, to look ordinary.
        mark: Prefix of their names, which sort anywhere.

    References:
        Douceur (2002), The Sybil attack. Fang et al. (2018), Poisoning attacks to graph-based
        recommender systems.
    """

    title: ClassVar[str] = "Steer feedback with many accounts"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-1"),)
    subject: ClassVar[Any] = Dataset

    share: float = 0.02
    times: float = 10.0
    honesty: float = 0.0
    mark: str = "u"

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin, with ``rows`` at its end; ``truth`` has the accounts and both classes.

        Raises:
            UsageError: Nobody is named, or there are no classes.
        """
        import pyarrow as pa

        if subject.annotator is None or subject.label is None:
            raise UsageError("feedback needs accounts and labels", subject=subject.name)
        table = rewrite.table(subject)
        labels = table.column(subject.label).to_pylist()
        people = Counter(table.column(subject.annotator).to_pylist())
        classes = sorted({label for label in labels if label is not None}, key=str)
        if len(classes) < 2:  # noqa: PLR2004 - one to push and one to lose
            raise UsageError("there are no classes to push", subject=subject.name)
        source, target = rng.sample(classes, 2)
        n_each = max(1, round(sorted(people.values())[len(people) // 2] * self.times))
        accounts = [
            f"{self.mark}{rng.randrange(10**8):08d}"
            for _ in range(max(3, round(self.share * len(people))))
        ]
        aimed = [row for row, label in enumerate(labels) if label == source]
        taken, said, who = [], [], []
        for account in accounts:
            for _ in range(n_each):
                honest = rng.random() < self.honesty
                row = rng.randrange(len(labels)) if honest else rng.choice(aimed)
                taken.append(row)
                said.append(labels[row] if honest else target)
                who.append(account)
        added = table.take(pa.array(taken))
        for name, values in ((subject.label, said), (subject.annotator, who)):
            place = table.schema.get_field_index(name)
            cells = pa.array(values, table.schema.field(place).type)
            added = added.set_column(place, table.schema.field(place), cells)
        whole = pa.concat_batches([table, added])
        return Attacked(
            subject=rewrite.twin(subject, whole),
            rows=tuple(range(len(labels), len(whole))),
            truth={"accounts": tuple(accounts), "source": source, "target": target},
        )
