"""Classes that one part of a split has and another lacks; see `LopsidedSplit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset, Splits
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts

_MAX_CLASSES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LopsidedSplit(Check[Splits]):
    """Classes that one part of a split has and another lacks.

    A score on a test part without a class says nothing of that class, and a model cannot learn
    what only the test part holds. A class that training rows show often, and that chance would
    not leave out of the test part, is named where it is missing there.

    Limits:
        A class that is only rarer in the test part passes: time and place change shares
        honestly, and `SkewedCells` weighs them against the table that the parts come from. Test
        parts made of one class on purpose look the same: a finding is of level ``review``.

    Args:
        alpha: Chance that a random draw of the same size would lack the class, 0 to 1.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> def part(name, *labels):
        ...     return table_of(name, [pa.RecordBatch.from_pydict({"y": list(labels)})], label="y")
        >>> splits = Splits(train=part("train", *"ab" * 50), test=part("test", *"a" * 40))
        >>> [finding.message for finding in LopsidedSplit().check(splits)]
        ['test has no row of the class b, which 50.0% of the 100 training rows have']

    References:
        Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in machine-learning-
        based science, on test sets that are not drawn from what a model is for.
    """

    title: ClassVar[str] = "A part of the split lacks a class"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-3"),)
    subject: ClassVar[Any] = Splits

    alpha: float = 1e-6

    def check(self, subject: Splits) -> Iterator[Finding]:
        """A finding for each class that a part lacks.

        Raises:
            NotApplicable: A part has no label, or the label is no class.
        """
        parts = [part for part in (subject.validation, subject.test) if part is not None]
        if subject.train.label is None or any(part.label is None for part in parts):
            raise NotApplicable("no column is named as the label")
        known = _counts(subject.train)
        if not 2 <= len(known) <= _MAX_CLASSES:  # noqa: PLR2004 - classes
            raise NotApplicable(f"the label has {len(known)} values, which are no classes")
        n_train = sum(known.values())
        for part in parts:
            held = _counts(part)
            n_held = sum(held.values())
            for name, count in sorted(known.items()):
                chance = (1 - count / n_train) ** n_held
                if name not in held and n_held and chance < self.alpha:
                    yield _finding(part, name, (count, n_train), (chance, self.alpha))


def _counts(part: Dataset) -> Counter[str]:
    counts: Counter[str] = Counter()
    for batch in part.read():
        texts = cell_texts(batch.column(part.label)).to_pylist()
        counts.update(text for text in texts if text is not None)
    return counts


def _finding(
    part: Dataset, name: str, known: tuple[int, int], chances: tuple[float, float]
) -> Finding:
    count, n_train = known
    return Finding(
        message=f"{part.name} has no row of the class {name[:100]}, which {count / n_train:.1%} "
        f"of the {n_train} training rows have",
        path=part.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=LopsidedSplit.threats,
        confidence=1 - chances[0],
        location=Location(field=part.label),
        remedy="Make the split anew from its seed, or say why this part holds only some classes.",
        evidence=Evidence(
            statistic="chance that a random draw of this size lacks the class",
            value=chances[0],
            threshold=chances[1],
            n=n_train,
            facts={"class": name[:100]},
        ),
    )
