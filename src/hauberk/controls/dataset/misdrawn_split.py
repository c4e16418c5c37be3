"""Parts that are not what their declared split gives; see `MisdrawnSplit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Dataset, SplitReplay
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import row_digests


@dataclass(frozen=True, slots=True, kw_only=True)
class MisdrawnSplit(Check[SplitReplay]):
    """A split that is not the one which its step declares.

    Who chooses the rows of a part can leave a group out of training, or keep what a model gets
    wrong out of the test, and every row is genuine. So a split that says how it draws its rows is
    drawn again from the same table, and the parts must hold the same rows, in any order.

    Limits:
        A split that declares nothing is judged by its balance alone (`SkewedCells`). Rows are
        compared as they are: a step that also changes cells differs in each of them. A seed that
        was chosen among many because its split suits somebody is done again and agrees.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.core.artifact import Splits
        >>> from hauberk.formats.tables import table_of
        >>> def part(*xs):
        ...     return table_of("t", [pa.RecordBatch.from_pydict({"x": list(xs)})])
        >>> made = Splits(train=part(1, 2), test=part(3))
        >>> again = Splits(train=part(2, 1), test=part(4))
        >>> replay = SplitReplay(parts=made, again=again, recipe="seed 3")
        >>> [finding.message for finding in MisdrawnSplit().check(replay)]
        ['test holds 1 rows that the declared split does not give, and lacks 1 (seed 3)']

    References:
        Catalogue PK-3. A signed recipe is worth what doing it again shows.
    """

    title: ClassVar[str] = "A split is not the declared one"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-3"),)
    subject: ClassVar[Any] = SplitReplay

    def check(self, subject: SplitReplay) -> Iterator[Finding]:
        """A finding for each part that holds other rows.

        Raises:
            ArtifactError: A part cannot be read.
        """
        pairs = (
            ("train", subject.parts.train, subject.again.train),
            ("validation", subject.parts.validation, subject.again.validation),
            ("test", subject.parts.test, subject.again.test),
        )
        for role, made, again in pairs:
            if made is not None and again is not None:
                yield from _differing(role, made, again, subject.recipe)


def _differing(role: str, made: Dataset, again: Dataset, recipe: str) -> Iterator[Finding]:
    held, wanted = _rows(made), _rows(again)
    more, less = (held - wanted).total(), (wanted - held).total()
    if more or less:
        yield Finding(
            message=f"{role} holds {more} rows that the declared split does not give, and lacks "
            f"{less} ({recipe})",
            path=made.name,
            severity=Severity.HIGH,
            threats=MisdrawnSplit.threats,
            remedy="Look at how the step chooses its rows; where the split is meant, declare it as "
            "it is done.",
            evidence=Evidence(
                statistic="rows that differ from the split done again",
                value=float(more + less),
                threshold=0.0,
                n=wanted.total(),
                facts={"recipe": recipe},
            ),
        )


def _rows(data: Dataset) -> Counter[bytes]:
    return Counter(row for batch in data.read() for row in row_digests(batch))
