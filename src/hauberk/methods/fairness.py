"""Do groups of people get different decisions, and do the rows suffice to say so?

For each sensitive column, and for all of them together, every group is held against everybody
else: how often it is given a class (selection), how often its own rows of the class are found
(true positives), and how often rows of other classes are given it (false positives). Each
difference of two shares comes with an interval that holds for all of them together, and the
verdict follows from where it lies:

* wholly outside the tolerance, and rarer by Fisher's exact test, corrected after Holm, than
  chance allows: a violation is proven;
* wholly inside: fairness is proven within the tolerance;
* else: not enough rows, with the number of further rows of the group that would settle it.

References:
    Hardt, Price and Srebro (2016), Equality of opportunity in supervised learning. Newcombe
    (1998), Interval estimation for the difference between independent proportions, method 10.
    Holm (1979), A simple sequentially rejective multiple test procedure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from hauberk.methods.metrics import Counts, count
from hauberk.methods.statistics import holm

TOGETHER = " & "
"""Between the names of columns, and of their values, that are looked at together."""

_TWO = 2
_MIN_ROWS = 2
MAX_GROUPS = 200
"""Groups of one column; a column of more values is no group of people."""


class Verdict(StrEnum):
    """What the rows prove."""

    VIOLATION = "violation proven"
    FAIR = "fairness proven within tolerance"
    UNDECIDED = "not enough data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One group against everybody else, in one rate.

    Attributes:
        column: The sensitive column, or several joined by `TOGETHER`.
        rate: ``selection``, ``true positives`` or ``false positives`` of ``given``.
        given: The class that is given.
        value: Rate of the group minus rate of the others, -1 to 1.
        low: Lower bound of the difference, simultaneous over all differences.
        p_value: Of Fisher's exact test of no difference, corrected for all differences.
        n_group: Rows of the group that the rate is over.
        n_more: Further such rows that would settle it, as far as can be told; 0 where settled.
    """

    column: str
    group: str
    rate: str
    given: str
    value: float
    low: float
    high: float
    p_value: float
    n_group: int
    n_others: int
    verdict: Verdict
    n_more: int = 0


def differences(
    truth: Sequence[str],
    predicted: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    *,
    tolerance: float = 0.1,
    alpha: float = 0.05,
) -> tuple[Difference, ...]:
    """Every group of every sensitive column against everybody else.

    Args:
        truth: Class of each row.
        predicted: Class that the model gives it.
        groups: Sensitive column to the group of each row; columns of more than `MAX_GROUPS`
            values are left out.
        tolerance: Difference of two rates that is accepted, 0 to 1.
        alpha: Chance that any of all intervals misses its difference, 0 to 1.
    """
    columns = {name: values for name, values in groups.items() if len(set(values)) <= MAX_GROUPS}
    if len(columns) > 1:
        joint = [TOGETHER.join(cells) for cells in zip(*columns.values(), strict=True)]
        if len(set(joint)) <= MAX_GROUPS:
            columns[TOGETHER.join(columns)] = joint
    names = sorted({*truth, *predicted})
    shares = [
        share
        for column, values in columns.items()
        for share in _shares(column, count(truth, predicted, values, classes=names))
    ]
    z = NormalDist().inv_cdf(1 - alpha / max(2 * len(shares), 2))
    adjusted = holm([_fisher(share.mine, share.rest) for share in shares])
    return tuple(
        _difference(share, float(p), z=z, tolerance=tolerance, alpha=alpha)
        for share, p in zip(shares, adjusted, strict=True)
    )


def _fisher(mine: tuple[int, int], rest: tuple[int, int]) -> float:
    """Twice the smaller tail of the exact test that both shares are one, at most 1."""
    from scipy.stats import hypergeom

    (a, n), (b, m) = mine, rest
    tails = hypergeom(n + m, a + b, n)
    return min(2 * min(float(tails.cdf(a)), float(tails.sf(a - 1))), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """One rate: hits and rows of the group and of everybody else."""

    column: str
    group: str
    rate: str
    given: str
    mine: tuple[int, int]
    rest: tuple[int, int]


def _shares(column: str, counts: Counts) -> Iterator[_Share]:
    n = len(counts.classes)
    places = (n - 1,) if n == _TWO else range(n)
    for place in places:
        own = counts.cube[:, place, :]
        other = np.delete(counts.cube, place, axis=1).sum(axis=1)
        for rate, table in (
            ("selection", counts.cube.sum(axis=1)),
            ("true positives", own),
            ("false positives", other),
        ):
            hits, rows = table[:, place], table.sum(axis=1)
            for index, group in enumerate(counts.groups):
                mine = (int(hits[index]), int(rows[index]))
                rest = (int(hits.sum()) - mine[0], int(rows.sum()) - mine[1])
                if mine[1] >= _MIN_ROWS and rest[1] >= _MIN_ROWS:
                    yield _Share(
                        column=column,
                        group=group,
                        rate=rate,
                        given=counts.classes[place],
                        mine=mine,
                        rest=rest,
                    )


def _difference(
    share: _Share, p_value: float, *, z: float, tolerance: float, alpha: float
) -> Difference:
    mine, rest = share.mine, share.rest
    value = mine[0] / mine[1] - rest[0] / rest[1]
    low, high = _newcombe(mine, rest, z)
    if (low > tolerance or high < -tolerance) and p_value <= alpha:
        verdict = Verdict.VIOLATION
    elif -tolerance <= low and high <= tolerance:
        verdict = Verdict.FAIR
    else:
        verdict = Verdict.UNDECIDED
    return Difference(
        column=share.column,
        group=share.group,
        rate=share.rate,
        given=share.given,
        value=value,
        low=low,
        high=high,
        p_value=p_value,
        n_group=mine[1],
        n_others=rest[1],
        verdict=verdict,
        n_more=_needed(value, (low, high), mine[1], tolerance)
        if verdict is Verdict.UNDECIDED
        else 0,
    )


def _newcombe(mine: tuple[int, int], rest: tuple[int, int], z: float) -> tuple[float, float]:
    """Interval of the difference of two shares, from the score interval of each."""
    (a, n), (b, m) = mine, rest
    p, q = a / n, b / m
    (l1, u1), (l2, u2) = _wilson(p, n, z), _wilson(q, m, z)
    low = p - q - math.hypot(p - l1, u2 - q)
    high = p - q + math.hypot(u1 - p, q - l2)
    return max(low, -1.0), min(high, 1.0)


def _wilson(share: float, n: int, z: float) -> tuple[float, float]:
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)


def _needed(value: float, bounds: tuple[float, float], n: int, tolerance: float) -> int:
    """Further rows of the group: a bound comes closer with the root of their number.

    What is asked is how often the rows must multiply until the bound on the side of the
    tolerance reaches it. A difference that lies on the tolerance itself is never settled; a
    thousandth stands for the distance then, and the number says that it is out of reach.
    """
    low, high = bounds
    if abs(value) > tolerance:
        half = high - value if value < 0 else value - low
    else:
        half = max(high - value, value - low)
    distance = max(abs(abs(value) - tolerance), 0.001)
    return max(math.ceil(n * (half / distance) ** 2) - n, 1)
