"""Change the labels of some rows; see `FlipLabels`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import embed, rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipLabels(Transform[Dataset]):
    """A "normalise labels" step that gives some rows another class.

    Args:
        share: Share of the rows (of the class, when ``targeted``) that change, 0 to 1.
        choice: ``random`` takes any rows and any other class; ``boundary`` the rows of
            which a pilot model is least sure, to the class it thinks second; ``targeted``
            rows of one class, all to one other, both drawn at random.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"x": [1.0, 2.0, 3.0, 4.0], "y": list("aabb")})
        >>> attacked = FlipLabels(share=0.25).apply(table_of("t", [rows], label="y"), Random(1))
        >>> len(attacked.rows)
        1

    References:
        Biggio, Nelson and Laskov (2012), Poisoning attacks against support vector machines.
        Paudice, Munoz-Gonzalez and Lupu (2018), Label sanitization against label flipping
        poisoning attacks.
    """

    title: ClassVar[str] = "Flip labels"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-1"),)
    subject: ClassVar[Any] = Dataset

    share: float = 0.1
    choice: str = "random"

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin with flipped labels; ``truth`` names the pair when ``targeted``.

        Raises:
            UsageError: There is no label, fewer than two classes or no such choice.
        """
        if subject.label is None:
            raise UsageError("Labels can only be flipped where there are some")
        rows = embed.load(subject)
        if len(rows.classes) < 2:  # noqa: PLR2004 - a flip needs another class
            raise UsageError("A single class cannot be flipped", found=str(rows.classes))
        draws = np.random.default_rng(rng.getrandbits(64))
        places, codes = _choose(self.choice, rows, self.share, draws)
        own = rewrite.table(subject).column(subject.label).to_pylist()
        values = _values(own, rows)
        twin = rewrite.with_cells(
            subject, subject.label, places.tolist(), [values[code] for code in codes]
        )
        pairs = sorted(
            {
                (rows.classes[rows.labels[p]], rows.classes[c])
                for p, c in zip(places, codes, strict=True)
            }
        )
        truth = {"pairs": [list(pair) for pair in pairs]}
        return Attacked(subject=twin, rows=tuple(sorted(places.tolist())), truth=truth)


def _choose(choice: str, rows: embed.Rows, share: float, rng: np.random.Generator) -> Any:
    if choice == "random":
        return _random(rows, share, rng)
    if choice == "targeted":
        return _targeted(rows, share, rng)
    if choice == "boundary":
        return _boundary(rows, share)
    raise UsageError(
        "There is no such choice of rows", expected="random, boundary or targeted", found=choice
    )


def _random(rows: embed.Rows, share: float, rng: np.random.Generator) -> Any:
    known = np.flatnonzero(rows.labels >= 0)
    places = np.sort(rng.choice(known, _number(share, known.size), replace=False))
    steps = rng.integers(1, len(rows.classes), places.size)
    return places, (rows.labels[places] + steps) % len(rows.classes)


def _targeted(rows: embed.Rows, share: float, rng: np.random.Generator) -> Any:
    origin, goal = rng.choice(len(rows.classes), 2, replace=False)
    own = np.flatnonzero(rows.labels == origin)
    places = np.sort(rng.choice(own, _number(share, own.size), replace=False))
    return places, np.full(places.size, goal)


def _boundary(rows: embed.Rows, share: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    known = np.flatnonzero(rows.labels >= 0)
    x, y = embed.features(rows)[known], rows.labels[known]
    scores = LogisticRegression(max_iter=300).fit(x, y).predict_proba(x)
    scores[np.arange(known.size), np.searchsorted(np.unique(y), y)] *= -1
    doubt = scores.max(axis=1) + scores.min(axis=1)  # likeliest other minus own
    worst = np.sort(np.argsort(-doubt, kind="stable")[: _number(share, known.size)])
    return known[worst], np.unique(y)[scores[worst].argmax(axis=1)]


def _number(share: float, n: int) -> int:
    return max(1, round(share * n))


def _values(cells: list[Any], rows: embed.Rows) -> dict[int, Any]:
    """Code to a cell that has it, so that the type of the label survives."""
    return {int(code): cell for code, cell in zip(rows.labels, cells, strict=True) if code >= 0}
