"""Copy training rows into the test set; see `LeakRows`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset, Splits
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.formats.tables import features_of
from hauberk.methods import rewrite

_SHIFT = 1
_FINE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakRows(Transform[Splits]):
    """Training rows in place of test rows, plain or disguised.

    Args:
        share: Share of the test rows that are replaced, 0 to 1.
        disguise: ``exact``; ``jitter`` (noise of a thousandth of each column's spread, two
            grey levels in images); ``shift`` (images, by one pixel); ``brightness``
            (images, by 15 per cent); ``mirror`` (images, left to right).

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> train = table_of("a", [pa.RecordBatch.from_pydict({"x": [1.0, 2.0]})])
        >>> test = table_of("b", [pa.RecordBatch.from_pydict({"x": [7.0, 8.0]})])
        >>> leaked = LeakRows(share=0.5).apply(Splits(train=train, test=test), Random(2))
        >>> next(leaked.subject.test.read()).column("x").to_pylist()[leaked.rows[0]] < 3
        True

    References:
        Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in
        machine-learning-based science, section 2.
    """

    title: ClassVar[str] = "Leak rows"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-2"),)
    subject: ClassVar[Any] = Splits

    share: float = 0.03
    disguise: str = "exact"

    def apply(self, subject: Splits, rng: Random) -> Attacked[Splits]:
        """The twin with a contaminated test set; ``rows`` are rows of the test set.

        Raises:
            UsageError: The disguise does not fit the data.
        """
        draws = np.random.default_rng(rng.getrandbits(64))
        train, test = rewrite.table(subject.train), rewrite.table(subject.test)
        number = min(max(1, round(self.share * test.num_rows)), train.num_rows, test.num_rows)
        taken = draws.choice(train.num_rows, number, replace=False)
        places = np.sort(draws.choice(test.num_rows, number, replace=False))
        import pyarrow as pa

        copied = rewrite.twin(subject.train, train.take(pa.array(taken)))
        disguised = _disguise(copied, self.disguise, draws)
        twin = rewrite.with_rows(subject.test, places.tolist(), rewrite.table(disguised))
        return Attacked(
            subject=dataclasses.replace(subject, test=twin),
            rows=tuple(places.tolist()),
            truth={"train_rows": taken.tolist(), "disguise": self.disguise},
        )


def _disguise(rows: Dataset, disguise: str, rng: np.random.Generator) -> Dataset:
    image = [c.name for c in features_of(rows) if c.kind is ColumnKind.IMAGE]
    if disguise == "exact":
        return rows
    if image:
        return _disguise_images(rows, image[0], disguise, rng)
    if disguise != "jitter":
        raise UsageError("Only images can be disguised so", found=disguise)
    return _jitter_numbers(rows, rng)


def _disguise_images(rows: Dataset, name: str, disguise: str, rng: np.random.Generator) -> Dataset:
    pixels = rewrite.table(rows).column(name).to_numpy_ndarray()
    high = 255 if pixels.dtype == np.uint8 else float(pixels.max())
    x = pixels.astype(np.float64)
    ways = {
        "jitter": lambda: x + rng.normal(0, high * 2 / 255, x.shape),
        "shift": lambda: _shifted(x, rng),
        "brightness": lambda: x * 1.15,
        "mirror": lambda: x[:, :, ::-1],
    }
    if disguise not in ways:
        raise UsageError("There is no such disguise", found=disguise)
    changed = np.clip(ways[disguise](), 0, high)
    changed = np.rint(changed) if pixels.dtype.kind in "iu" else changed
    return rewrite.with_cells(rows, name, range(len(pixels)), changed.astype(pixels.dtype))


def _shifted(x: Any, rng: np.random.Generator) -> Any:
    """By one pixel along one axis; what comes in from outside repeats the edge."""
    axis, step = int(rng.integers(1, 3)), int(rng.choice([-_SHIFT, _SHIFT]))
    moved = np.roll(x, step, axis=axis)
    edge = [slice(None)] * x.ndim
    source = list(edge)
    edge[axis] = source[axis] = slice(0, 1) if step > 0 else slice(-1, None)
    moved[tuple(edge)] = x[tuple(source)]
    return moved


def _jitter_numbers(rows: Dataset, rng: np.random.Generator) -> Dataset:
    whole = rewrite.table(rows)
    for column in features_of(rows):
        kind = whole.schema.field(column.name).type
        if column.kind is not ColumnKind.NUMBER or not str(kind).startswith(("float", "double")):
            continue
        cells = whole.column(column.name).to_numpy(zero_copy_only=False)
        spread = float(np.nanstd(cells)) or 1.0
        noisy = cells + rng.normal(0, spread * _FINE, cells.size)
        rows = rewrite.with_cells(rows, column.name, range(cells.size), noisy.tolist())
    return rows
