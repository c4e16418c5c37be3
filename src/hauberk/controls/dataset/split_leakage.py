"""Rows of the training set in the test set; see `SplitLeakage`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset, Splits
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import (
    Evidence,
    Finding,
    Histogram,
    Level,
    Location,
    RowScores,
    Severity,
)
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import row_digests
from hauberk.formats.tables import features_of
from hauberk.methods import embed, near
from hauberk.methods.statistics import information

_SHOWN = 10
_MIN_JACCARD = 0.8
_REVIEW_BELOW = 0.05
"""Chance of as many equal rows below which a person should look at them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitLeakage(Check[Splits]):
    """The same or almost the same rows on both sides of a split.

    Each row outside the training set is held against the training set: by digest for equal
    features, by the ratio of its nearest to its second-nearest distance for near ones
    (tables, and images also when shifted by a pixel, mirrored, noisy or brightened), by
    shared three-word shingles for texts. How surprising a near neighbour is, is learnt from
    the training set alone. Groups and times that stand on both sides are counted.

    Limits:
        Rows that were rotated, scaled, cropped, reworded or rounded coarsely pass. In tables
        of few and coarse columns equal rows arise by chance; they are reported only when
        there are more of them, or nearer ones, than chance brings. Time leaks need a
        declared time column.

    Args:
        alpha: Chance of any flagged row in a clean pair of splits, 0 to 1.
        n_pool: Training rows held against the others; a larger training set is sampled
            for near copies (never for equal ones).

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> xs = [i * i / 7.0 for i in range(60)]
        >>> train = table_of("train", [pa.RecordBatch.from_pydict({"x": xs, "z": xs[::-1]})])
        >>> test = table_of("test", [pa.RecordBatch.from_pydict({"x": xs[:4], "z": xs[:-5:-1]})])
        >>> for result in SplitLeakage().check(Splits(train=train, test=test)):
        ...     print(result.message if isinstance(result, Finding) else result.n_rows)
        4
        4 of 4 rows of test have the features of a row of train

    References:
        Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in
        machine-learning-based science. For the statistics see `hauberk.methods.near`.
    """

    title: ClassVar[str] = "Rows leak across the split"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-2"),)
    subject: ClassVar[Any] = Splits

    alpha: float = 0.001
    n_pool: int = 50_000

    def check(self, subject: Splits) -> Iterator[Finding | RowScores]:
        """Findings and a score for each row of the test and validation sets.

        Raises:
            NotApplicable: The parts have different columns or no rows.
        """
        parts = [part for part in (subject.test, subject.validation) if part is not None]
        for part in parts:
            yield from self._pair(subject.train, part)
            yield from _groups(subject, part)
            yield from _times(subject, part)

    def _pair(self, train: Dataset, other: Dataset) -> Iterator[Finding | RowScores]:
        equal, repeated, n_train = _equal_rows(train, other)
        rows = embed.load(_joined(train, other))
        queries = np.arange(n_train, rows.n_rows)
        step = -(-n_train // self.n_pool)
        p_values, originals = _near(rows, queries, np.arange(0, n_train, step))
        surprising = p_values < self.alpha / max(queries.size, 1)
        chance = near.exact_excess(int(equal.sum()), equal.size, repeated, n_train)
        is_defect = chance < self.alpha or bool((equal & surprising).any())
        suspicion = information(np.where(equal & is_defect, 0.0, p_values))
        yield _scores(other, suspicion)
        if is_defect or chance < _REVIEW_BELOW:
            yield _equal_finding(train, other, equal, chance, is_defect=is_defect)
        if (surprising & ~equal).any():
            yield _near_finding(train, other, surprising & ~equal, originals, suspicion)


def _joined(train: Dataset, other: Dataset) -> Dataset:
    if [c.name for c in train.columns] != [c.name for c in other.columns]:
        raise NotApplicable("the parts of the split have different columns")
    return dataclasses.replace(train, read=lambda: chain(train.read(), other.read()))


# Equal rows --------------------------------------------------------------------------


def _equal_rows(train: Dataset, other: Dataset) -> tuple[Any, int, int]:
    """Which rows of ``other`` stand in ``train``; repeats inside and size of ``train``."""
    seen: dict[bytes, int] = {}
    for digest in _digests(train):
        seen[digest] = seen.get(digest, 0) + 1
    repeated = sum(count for count in seen.values() if count > 1)
    equal = np.array([digest in seen for digest in _digests(other)], bool)
    return equal, repeated, sum(seen.values())


def _digests(part: Dataset) -> Iterator[bytes]:
    """Digests of the features alone: a copy with another label is a copy."""
    names = [column.name for column in features_of(part)]
    for batch in part.read():
        yield from row_digests(batch.select(names))  # type: ignore[attr-defined] # Arrow's own


def _equal_finding(
    train: Dataset, other: Dataset, equal: Any, p_value: float, *, is_defect: bool
) -> Finding:
    n_equal = int(equal.sum())
    return Finding(
        message=f"{n_equal} of {equal.size} rows of {other.name} have the features of "
        f"a row of {train.name}",
        path=other.name,
        severity=Severity.HIGH,
        level=Level.DEFECT if is_defect else Level.REVIEW,
        confidence=1.0 if is_defect else 1 - p_value,
        threats=SplitLeakage.threats,
        location=Location(rows=tuple(np.flatnonzero(equal)[:_SHOWN].tolist())),
        remedy="Split again after removing repeated rows, or keep them on one side.",
        evidence=Evidence(
            statistic="rows with equal features on both sides",
            value=float(n_equal),
            threshold=0.0,
            n=int(equal.size),
            facts={
                "p-value of so many by chance": f"{p_value:.3g}",
            },
        ),
    )


# Near rows ---------------------------------------------------------------------------


def _near(rows: embed.Rows, queries: Any, pool: Any) -> tuple[Any, Any]:
    """P-value and likely original of each query."""
    if rows.images is not None:
        found = near.image_copies(rows.images, queries, pool)
        return found.p_values, found.originals
    if rows.texts is not None:
        return _near_texts(rows.texts, queries, pool)
    found = near.table_copies(rows, queries, pool)
    return found.p_values, found.originals


def _near_texts(texts: tuple[str, ...], queries: Any, pool: Any) -> tuple[Any, Any]:
    """By how often texts of the training set resemble each other as much."""
    alike, originals = near.text_copies(texts, queries, pool)
    null, _ = near.text_copies(texts, pool[:: max(1, len(pool) // near.MAX_QUERIES)], pool)
    hits = alike >= _MIN_JACCARD
    repeated = int((null >= _MIN_JACCARD).sum())
    p_value = near.exact_excess(int(hits.sum()), hits.size, repeated, null.size)
    return np.where(hits, p_value / max(hits.size, 1), 1 - alike * 0.5), originals


def _near_finding(
    train: Dataset, other: Dataset, flagged: Any, originals: Any, suspicion: Any
) -> Finding:
    places = np.flatnonzero(flagged)
    worst = places[np.argsort(-suspicion[places], kind="stable")][:_SHOWN]
    pairs = ", ".join(f"{place} from {originals[place]}" for place in worst)
    counts, edges = np.histogram(np.minimum(suspicion, 50.0), bins=20)
    return Finding(
        message=f"{places.size} of {flagged.size} rows of {other.name} are near copies of rows "
        f"of {train.name}",
        path=other.name,
        severity=Severity.HIGH,
        threats=SplitLeakage.threats,
        location=Location(rows=tuple(int(place) for place in worst)),
        remedy="Look at the pairs; if they are copies, split again by what they share.",
        evidence=Evidence(
            statistic="rows far nearer to one training row than to any other",
            value=float(places.size),
            threshold=0.0,
            n=int(flagged.size),
            facts={"row and likely original": pairs},
            plots=(
                Histogram(
                    title="Surprise of the nearest training row, -log10 p",
                    edges=tuple(edges.tolist()),
                    series={"rows": tuple(map(float, counts))},
                ),
            ),
        ),
    )


def _scores(other: Dataset, suspicion: Any) -> RowScores:
    return RowScores(
        path=other.name,
        n_rows=int(suspicion.size),
        read=lambda: iter([(0, suspicion.tolist())]),
    )


# Groups and times --------------------------------------------------------------------


def _cells(part: Dataset, name: str) -> list[Any]:
    return [cell for batch in part.read() for cell in batch.column(name).to_pylist()]


def _groups(subject: Splits, other: Dataset) -> Iterator[Finding]:
    if subject.group is None:
        return
    own = set(_cells(subject.train, subject.group)) - {None}
    cells = _cells(other, subject.group)
    rows = [row for row, cell in enumerate(cells) if cell in own]
    if rows:
        both = len({cells[row] for row in rows})
        yield _declared(
            other,
            subject.group,
            rows,
            f"{both} groups of {subject.group} stand in {subject.train.name} and in "
            f"{other.name}, there with {len(rows)} rows",
            "Split by group, so that each stands on one side only.",
        )


def _times(subject: Splits, other: Dataset) -> Iterator[Finding]:
    if subject.time is None:
        return
    last = max((t for t in _cells(subject.train, subject.time) if t is not None), default=None)
    cells = _cells(other, subject.time)
    rows = [row for row, t in enumerate(cells) if last is not None and t is not None and t < last]
    if rows:
        yield _declared(
            other,
            subject.time,
            rows,
            f"{len(rows)} rows of {other.name} are older than the newest row of "
            f"{subject.train.name}",
            "Split by time: all test rows after all training rows.",
        )


def _declared(other: Dataset, column: str, rows: list[int], message: str, remedy: str) -> Finding:
    return Finding(
        message=message,
        path=other.name,
        severity=Severity.HIGH,
        threats=SplitLeakage.threats,
        location=Location(rows=tuple(rows[:_SHOWN]), field=column),
        remedy=remedy,
        evidence=Evidence(
            statistic="rows on the wrong side", value=float(len(rows)), threshold=0.0
        ),
    )
