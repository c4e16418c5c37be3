"""Generated rows that give away the rows they were made from; see `SyntheticCopies`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset, Synthesis
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Histogram, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import row_digests
from hauberk.methods import embed, near
from hauberk.methods.statistics import binomial_tail, information

_SHOWN = 1_000
_PAIRS = 10
_MIN_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticCopies(Check[Synthesis]):
    """Generated rows nearer to the training rows than honest rows come.

    The distance of each generated row to the nearest training row is held against that to
    the nearest control row, which the generator never saw. How small the ratio may be is
    learnt from the control rows among themselves. Rows equal to a training row and to no
    control row are copies. A generator that is nearer to its training rows as a whole, though
    no single row proves it, is told by the share of rows on that side.

    Limits:
        Control rows must be drawn as the training rows were; a shifted control makes every
        generator look guilty, which the share among control rows reveals. Copies with most
        columns drawn anew pass. In tables of few and coarse columns equal rows prove little
        and need many.

    Args:
        alpha: Chance of naming any row of an honest generator, 0 to 1.
        min_share: Share of rows nearer to training rows from which on a generator leaks, above
            the half that chance gives.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> def table(name, start):
        ...     xs = [((start + 7 * i) * 0.618) % 1 for i in range(80)]
        ...     ys = [((start + 3 * i) * 0.414) % 1 for i in range(80)]
        ...     return table_of(name, [pa.RecordBatch.from_pydict({"x": xs, "y": ys})])
        >>> parts = {"train": table("train", 1), "control": table("control", 1000)}
        >>> copy = Synthesis(synthetic=table("train", 1), **parts)
        >>> [f.message for f in SyntheticCopies().check(copy) if isinstance(f, Finding)][0]
        '80 of 80 rows of train are copies of rows that the generator was fitted on'

    References:
        Zhao, Kunar, Birke and Chen (2021), CTAB-GAN, section 4.3 (distance to the closest
        record). Platzer and Reutterer (2021), Holdout-based empirical assessment of
        mixed-type synthetic data.
    """

    title: ClassVar[str] = "Generated rows copy real ones"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-3"),)
    subject: ClassVar[Any] = Synthesis

    alpha: float = 0.001
    min_share: float = 0.56

    def check(self, subject: Synthesis) -> Iterator[Finding | RowScores]:
        """Scores for all generated rows, and findings for copies and for the whole.

        Raises:
            NotApplicable: The parts have different columns, or too few rows.
        """
        parts = (subject.train, subject.control, subject.synthetic)
        x, sizes, grain = _features(parts)
        if min(sizes) < _MIN_ROWS:
            raise NotApplicable(f"fewer than {_MIN_ROWS} rows in a part: {sizes}")
        near_train, originals = _nearest(x[2], x[0], grain)
        near_control, _ = _nearest(x[2], x[1], grain)
        null_train, _ = _nearest(x[1], x[0], grain)
        null_control, _ = _nearest(x[1], x[1], grain, skip=1)
        p_values = near.ratio_p_values(near_train / near_control, null_train / null_control)
        equal, honest = _equal_rows(parts)
        is_excess = near.exact_excess(int(equal.sum()), equal.size, honest, sizes[1]) < self.alpha
        p_values = np.where(equal & is_excess, 0.0, p_values)
        copies = p_values < self.alpha / sizes[2]
        yield _scores(subject.synthetic, p_values, self.alpha / sizes[2])
        if copies.any():
            yield _copies(subject, copies, originals, p_values)
        yield from self._whole(subject, x, grain)

    def _whole(self, subject: Synthesis, x: list[Any], grain: float) -> Iterator[Finding]:
        """Whether generated rows lie on the side of the training rows more often than not."""
        n = min(len(x[0]), len(x[1]))
        taken = [part[np.linspace(0, len(part) - 1, n).astype(np.int64)] for part in x[:2]]
        to_train, _ = _nearest(x[2], taken[0], grain)
        to_control, _ = _nearest(x[2], taken[1], grain)
        nearer = int((to_train < to_control).sum() + (to_train == to_control).sum() // 2)
        share = nearer / len(x[2])
        # Rows near the same original say the same: the smallest part counts as the sample.
        n_free = min(len(x[2]), n)
        p_value = float(binomial_tail(round(share * n_free), n_free, 0.5))
        if share > self.min_share and p_value < self.alpha:
            yield _leaning(subject, share, self.min_share, n_free, p_value)


def _features(parts: tuple[Dataset, ...]) -> tuple[list[Any], list[int], float]:
    names = [[c.name for c in part.columns] for part in parts]
    if any(sorted(other) != sorted(names[0]) for other in names):
        raise NotApplicable("generated, training and control rows have different columns")
    joined = dataclasses.replace(parts[0], read=lambda: chain(*(_read(p, names[0]) for p in parts)))
    rows = embed.load(joined)
    whole = embed.features(rows)
    sizes = [sum(batch.num_rows for batch in part.read()) for part in parts]
    edges = np.cumsum([0, *sizes])
    split = [whole[a:b] for a, b in pairwise(edges)]
    return split, sizes, near.resolution(rows) if rows.images is None else 0.0


def _read(part: Dataset, names: list[str]) -> Iterator[Any]:
    for batch in part.read():
        yield batch.select(names)  # type: ignore[attr-defined] # Arrow's own


def _nearest(x: Any, pool: Any, grain: float, skip: int = 0) -> tuple[Any, Any]:
    places, distances = embed.neighbours(x, pool, skip + 1)
    return distances[:, skip].astype(np.float64) + grain + 1e-9, places[:, skip]


def _equal_rows(parts: tuple[Dataset, ...]) -> tuple[Any, int]:
    """Generated rows equal to a training and no control row; how many control rows are so."""
    names = sorted(c.name for c in parts[0].columns)
    train, control = ({d for b in _read(p, names) for d in row_digests(b)} for p in parts[:2])
    rows = [digest for batch in _read(parts[2], names) for digest in row_digests(batch)]
    equal = np.array([digest in train and digest not in control for digest in rows], bool)
    return equal, len(train & control)


def _scores(synthetic: Dataset, p_values: Any, threshold: float) -> RowScores:
    values = information(p_values)
    return RowScores(
        path=synthetic.name,
        n_rows=int(values.size),
        read=lambda: iter([(0, values.tolist())]),
        flagged_above=float(-np.log10(threshold)),
    )


def _copies(subject: Synthesis, copies: Any, originals: Any, p_values: Any) -> Finding:
    rows = np.flatnonzero(copies)
    worst = rows[np.argsort(p_values[rows], kind="stable")]
    counts, edges = np.histogram(np.minimum(information(p_values), 50.0), bins=20)
    return Finding(
        message=f"{rows.size} of {copies.size} rows of {subject.synthetic.name} are copies of "
        "rows that the generator was fitted on",
        path=subject.synthetic.name,
        severity=Severity.HIGH,
        threats=SyntheticCopies.threats,
        location=Location(rows=tuple(worst[:_SHOWN].tolist())),
        remedy="Do not publish the named rows. Fit the generator less closely, or with noise.",
        evidence=Evidence(
            statistic="rows far nearer to a training row than to any control row",
            value=float(rows.size),
            threshold=0.0,
            n=int(copies.size),
            facts={
                "row and original": ", ".join(
                    f"{row} from {originals[row]}" for row in worst[:_PAIRS]
                )
            },
            plots=(
                Histogram(
                    title="Surprise of the distance ratio, -log10 p",
                    edges=tuple(edges.tolist()),
                    series={"rows": tuple(map(float, counts))},
                ),
            ),
        ),
    )


def _leaning(subject: Synthesis, share: float, threshold: float, n: int, p_value: float) -> Finding:
    return Finding(
        message=f"{share:.0%} of the rows of {subject.synthetic.name} are nearer to rows that the "
        "generator was fitted on than to as many that it never saw",
        path=subject.synthetic.name,
        severity=Severity.HIGH,
        threats=SyntheticCopies.threats,
        confidence=1 - p_value,
        remedy="Fit the generator less closely, or with noise (differential privacy).",
        evidence=Evidence(
            statistic="share of rows nearer to training than to control rows",
            value=share,
            threshold=threshold,
            n=n,
            facts={"p-value": f"{p_value:.3g}"},
        ),
    )
