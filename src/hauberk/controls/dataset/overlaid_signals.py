"""A signal laid over some pictures of a class; see `OverlaidSignals`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import (
    Evidence,
    Finding,
    Level,
    Location,
    RowScores,
    Severity,
    Thumbnail,
)
from hauberk.core.threat import ThreatId
from hauberk.methods import embed
from hauberk.methods.overlays import SOFTNESS, Heap, degrees, heaps, looks

_SHOWN = 10
_MIN_ROWS = 60
_LIKELY = 0.5
_MIN_HEAP = 10
_MIN_PIXELS = 100
_FINE = 0.75
"""Weight of fine structure, in which honest classes split more often."""

_SCALE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlaidSignals(Check[Dataset]):
    """Some pictures of one class carry the same faint signal, and their labels are honest.

    Sinusoids, patches over blurred pictures and other noise with honest labels contradict no
    label. They are the same in many rows of one class, so that the class falls into two heaps
    along one direction in which other classes (or trusted rows, ``reference``) hardly vary.
    Rows are scored by how clear the heap is that they are in.

    Limits:
        A signal that differs from row to row (the gradient of some model for each) makes no
        heap, nor does one in fewer than about one in ten rows of its class or more than four in
        five; in about half of them either half may be named. Kinds of things
        within a class make heaps too: a finding is of level ``review``, and clean classes
        rank below planted ones but not at nothing. Pictures of fewer than 100 pixels are
        scored and not named: digits of 8 x 8 fall into heaps honestly. Needs two classes.

    Args:
        min_distance: Of two heaps, in units of their spread, from which on a class is named.
            Classes of clean draws of Fashion-MNIST came up to 4.1 with ten rows or more.

    Example:
        >>> from hauberk.formats.tables import table_of
        >>> import pyarrow as pa
        >>> table = table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0], "y": ["a"]})], label="y")
        >>> list(OverlaidSignals().check(table))
        Traceback (most recent call last):
        hauberk.core.control.NotApplicable: there are no pictures of two classes

    References:
        Barni, Kallas and Tondi (2019), A new backdoor attack in CNNs by training set
        corruption without label poisoning (SIG). Turner, Tsipras and Madry (2019),
        Label-consistent backdoor attacks. For the statistics see `hauberk.methods.overlays`.
    """

    title: ClassVar[str] = "A signal lies over pictures of a class"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-2"),)
    subject: ClassVar[Any] = Dataset

    min_distance: float = 4.8

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows, and at most one finding.

        Raises:
            NotApplicable: There are no pictures, labels or rows enough.
            UsageError: The trusted rows have other columns.
        """
        rows = embed.load(subject)
        sizes = np.bincount(rows.labels[rows.labels >= 0], minlength=1)
        if rows.images is None or (sizes >= _MIN_ROWS).sum() < 2:  # noqa: PLR2004 - another class to compare with
            raise NotApplicable("there are no pictures of two classes")
        labels = np.where(sizes[rows.labels] >= _MIN_ROWS, rows.labels, -1)
        plain, fine = _heaps(subject, rows, labels)
        scores = np.maximum(degrees(plain, labels), _FINE * degrees(fine, labels))
        large = [c for c in plain if (plain[c].chances > _LIKELY).sum() >= _MIN_HEAP]
        code = max(large, key=lambda c: plain[c].distance, default=-1)
        is_large = rows.images[0, ..., 0].size >= _MIN_PIXELS
        is_much = is_large and code >= 0 and plain[code].distance > self.min_distance
        chances = np.clip(scores, 0, _SCALE) / _SCALE
        yield RowScores(
            path=subject.name,
            n_rows=rows.n_rows,
            read=lambda: iter([(0, chances.tolist())]),
            is_chance=False,
        )
        if is_much:
            yield _finding(subject, rows, code, plain[code], self.min_distance)


def _heaps(
    subject: Dataset, rows: embed.Rows, labels: Any
) -> tuple[dict[int, Heap], dict[int, Heap]]:
    trusted: tuple[Any, Any] = (None, None)
    if subject.reference is not None:
        vouched = embed.aligned(embed.load(subject.reference), rows)
        if vouched.images is not None:
            trusted = tuple((look, vouched.labels) for look in looks(vouched.images))  # type: ignore[assignment] # two looks
    plain, fine = looks(rows.images)  # type: ignore[arg-type] # checked before
    return (
        heaps(plain, labels, trusted[0], SOFTNESS[0], own=True),
        heaps(fine, labels, trusted[1], SOFTNESS[1], own=False),
    )


def _finding(
    subject: Dataset, rows: embed.Rows, code: int, heap: Heap, threshold: float
) -> Finding:
    places = np.flatnonzero(rows.labels == code)
    inside = places[heap.chances > _LIKELY]
    order = places[np.argsort(-heap.chances, kind="stable")][:_SHOWN]
    label = rows.classes[code]
    images: Any = rows.images
    apart = images[inside].mean(axis=(0, 3)) - np.median(images[places], axis=(0, 3))
    picture = np.clip(np.rint(128 + 255 * apart), 0, 255).astype(int)
    return Finding(
        message=f"{inside.size} of {places.size} pictures of the class {label} in "
        f"{subject.name} carry a signal that the others do not",
        path=subject.name,
        severity=Severity.HIGH,
        level=Level.REVIEW,
        threats=OverlaidSignals.threats,
        confidence=float(heap.chances[heap.chances > _LIKELY].mean()) if inside.size else _LIKELY,
        location=Location(rows=tuple(order.tolist()), field=subject.label),
        remedy="Look at these pictures beside others of their class, and find the step or the "
        "contributor that they came through.",
        evidence=Evidence(
            statistic="distance of two heaps in units of their spread",
            value=heap.distance,
            threshold=threshold,
            n=int(places.size),
            facts={"label": label, "share of the class": f"{heap.share:.3f}"},
            plots=(
                Thumbnail(
                    title="What sets them apart, on grey",
                    pixels=tuple(tuple(line) for line in picture.tolist()),
                ),
            ),
        ),
    )
