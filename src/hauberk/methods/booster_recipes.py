"""How a booster of XGBoost was grown, worked out from the numbers that its file keeps.

The file holds no settings, but every node keeps its weight and the sum of second derivatives
that it was computed from. The weight of a node is ``-G / (H + lambda)``, the first derivatives
``G`` of two children add up to their parent's, and a leaf gives its weight times the learning
rate: both ``lambda`` and the rate follow from splits alone. How deep trees go, how light their
lightest node is and how many rounds there were is counted. What leaves no trace (columns drawn
for each tree) is taken as the library's default; rules that break the equation (L1, bounded
steps, dropped trees) are noticed by its residuals.

References:
    Chen and Guestrin (2016), XGBoost: a scalable tree boosting system, equations 5 to 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

OBJECTIVES = ("binary:logistic", "multi:softprob", "multi:softmax")

_TRUSTED = 0.02
"""Share of a node's sum that the equations may leave over; float32 leaves a thousandth."""

_STEPS = 20
_WHOLE = 0.97
"""From this share of the rows on, none were left out; sums of floats are no closer."""

_LEAST, _DEEP, _MANY = 0.05, 30, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BoosterRecipe:
    """What a booster can be grown with again.

    Attributes:
        settings: As the library takes them.
        rounds: Of boosting.
    """

    settings: Mapping[str, Any]
    rounds: int


def of_xgboost(document: Mapping[str, Any], n_rows: int | None = None) -> BoosterRecipe:
    """The recipe of a booster.

    Args:
        document: Its file in JSON.
        n_rows: Rows that it was trained on, from which follows how many each tree was shown.

    Raises:
        ValueError: The file does not tell, with what stands in the way.
    """
    try:
        return _recipe(document["learner"], n_rows)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        message = f"its file lacks what is needed: {type(error).__name__} {error}"
        raise ValueError(message) from error


def _recipe(learner: Any, n_rows: int | None) -> BoosterRecipe:
    objective, booster = str(learner["objective"]["name"]), learner["gradient_booster"]
    if objective not in OBJECTIVES:
        message = f"its objective is {objective}; known are {', '.join(OBJECTIVES)}"
        raise ValueError(message)
    if booster["name"] != "gbtree":
        message = f"it is a {booster['name']}; only plain trees keep how they were grown"
        raise ValueError(message)
    model = booster["model"]
    trees = [_Nodes.of(tree) for tree in model["trees"]]
    n_classes = int(learner["learner_model_param"]["num_class"])
    a_round = max(n_classes, 1)
    side_by_side = max(int(model["gbtree_model_param"].get("num_parallel_tree", 1)), 1)
    settings = {"objective": "multi:softprob" if n_classes else objective, **_grown(trees)}
    settings |= {"num_class": n_classes} if n_classes else {}
    settings |= {"num_parallel_tree": side_by_side} if side_by_side > 1 else {}
    share = _share_of_rows(learner, trees[:a_round], n_classes, n_rows)
    settings |= {"subsample": round(share, 2)} if share < _WHOLE else {}
    return BoosterRecipe(settings=settings, rounds=len(trees) // (a_round * side_by_side))


def _grown(trees: Sequence[_Nodes]) -> dict[str, Any]:
    """What the trees themselves tell."""
    splits = [split for tree in trees for split in tree.splits()]
    if not splits:
        raise ValueError("none of its trees has a split")
    rate, smoothing = _rate_and_lambda(splits)
    depth = max(tree.depth for tree in trees)
    found: dict[str, Any] = {"eta": _short(rate), "lambda": _short(smoothing), "max_depth": depth}
    if len(splits) >= _MANY:  # the least of a few says nothing of where the bound was
        found["min_child_weight"] = _below(min(tree.lightest for tree in trees))
        found["gamma"] = _below(min(tree.least_gain for tree in trees))
    leaves = [int((tree.left < 0).sum()) for tree in trees]
    if _is_bound(leaves) and max(leaves) < 2 ** min(depth, _DEEP):
        found |= {"grow_policy": "lossguide", "max_leaves": max(leaves)}
    return found


def _is_bound(leaves: Sequence[int]) -> bool:
    """Whether most trees have the largest number of leaves, which is then no chance."""
    return sum(one == max(leaves) for one in leaves) > len(leaves) / 2


@dataclass(frozen=True, slots=True)
class _Nodes:
    """One tree; a leaf's weight is what it gives, after the learning rate."""

    weight: Any
    hessian: Any
    gain: Any
    left: Any
    right: Any
    depth: int

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> _Nodes:
        left, right = (np.asarray(tree[name], np.int64) for name in _CHILDREN)
        weight, given, hessian, gain = (np.asarray(tree[name], np.float64) for name in _NUMBERS)
        if not len(left) == len(right) == len(weight) == len(given) == len(hessian) == len(gain):
            raise ValueError("a tree has several values a leaf")
        level = np.zeros(len(left), np.int64)
        for at in range(len(left)):  # children stand behind their parents
            for child in (left[at], right[at]):
                if child >= 0:
                    if not at < child < len(left):
                        raise ValueError("a tree is no tree")
                    level[child] = level[at] + 1
        weight = np.where(left < 0, given, weight)  # leaves keep their value among the cuts
        return cls(weight, hessian, gain, left, right, int(level.max(initial=0)))

    @property
    def lightest(self) -> float:
        """Sum of second derivatives of the lightest node below the root."""
        return float(self.hessian[1:].min()) if len(self.hessian) > 1 else float("inf")

    @property
    def least_gain(self) -> float:
        """What the poorest split gained."""
        return float(self.gain[self.left >= 0].min(initial=np.inf))

    def splits(self) -> Iterator[tuple[tuple[float, float], list[tuple[float, float, bool]]]]:
        """Weight and sum of a parent, and of each child with whether that is a leaf."""
        for at in np.flatnonzero(self.left >= 0):
            children = [
                (float(self.weight[one]), float(self.hessian[one]), bool(self.left[one] < 0))
                for one in (self.left[at], self.right[at])
            ]
            yield (float(self.weight[at]), float(self.hessian[at])), children


_CHILDREN = ("left_children", "right_children")
_NUMBERS = ("base_weights", "split_conditions", "sum_hessian", "loss_changes")


def _rate_and_lambda(splits: Sequence[Any]) -> tuple[float, float]:
    """Learning rate and lambda by least squares over all splits.

    With ``u = 1 / rate``, parents ``p``, inner children ``i`` and leaves ``l``:
    ``w_p (H_p + lambda) = sum w_i (H_i + lambda) + u sum v_l (H_l + lambda)``.
    """
    parent = np.array([p for p, _ in splits])
    inner, leaves = np.zeros((len(splits), 2)), np.zeros((len(splits), 2))
    for at, (_, children) in enumerate(splits):
        for weight, hessian, is_leaf in children:
            (leaves if is_leaf else inner)[at] += weight * hessian, weight
    left = parent[:, 0] * parent[:, 1] - inner[:, 0]
    size = np.abs(parent[:, 0] * parent[:, 1]) + np.abs(inner[:, 0]) + np.abs(leaves[:, 0])
    size = np.maximum(size, np.median(size))
    own = inner[:, 1] - parent[:, 0]
    columns = np.column_stack([leaves[:, 0], own, leaves[:, 1]]) / size[:, None]
    u, smoothing, _ = np.linalg.lstsq(columns, left / size, rcond=None)[0]
    for _ in range(_STEPS):  # Gauss-Newton: the third unknown is the product of the others
        slopes = np.column_stack([leaves[:, 0] + smoothing * leaves[:, 1], own + u * leaves[:, 1]])
        rest = left - u * leaves[:, 0] - smoothing * (own + u * leaves[:, 1])
        step = np.linalg.lstsq(slopes / size[:, None], rest / size, rcond=None)[0]
        u, smoothing = u + step[0], max(smoothing + step[1], 0.0)
    rest = left - u * leaves[:, 0] - smoothing * (own + u * leaves[:, 1])
    if u <= 0 or not np.median(np.abs(rest) / size) < _TRUSTED:
        raise ValueError("its weights follow from other rules than L2 and a learning rate")
    return float(1 / u), float(smoothing)


def _share_of_rows(learner: Any, first: Sequence[_Nodes], n_classes: int, n: int | None) -> float:
    """Share of the rows that a tree was shown, by the sum at the roots of the first round."""
    if not n:
        return 1.0
    said = str(learner["learner_model_param"]["base_score"]).strip("[] ")
    start = np.array([float(part) for part in said.split(",")])
    if n_classes:  # every class pulls twice as strongly as in the equation of two
        start = np.broadcast_to(start, n_classes)
        chance = np.exp(start - start.max())
        a_row = 2 * (chance := chance / chance.sum()) * (1 - chance)
    else:
        a_row = start * (1 - start)
    shares = [
        tree.hessian[0] / max(n * one, 1e-12) for tree, one in zip(first, a_row, strict=False)
    ]
    share = float(np.median(shares))
    return share if share > _LEAST else 1.0


def _short(value: float) -> float:
    """Two digits where they are nearly all there is; somebody wrote the setting down."""
    short = float(f"{value:.2g}")
    return short if abs(short - value) <= _TRUSTED * max(abs(value), 1.0) else float(f"{value:.4g}")


def _below(value: float) -> float:
    """A bound that admits ``value``; sums of another order of rows differ in the last digits."""
    return float(f"{value * 0.99:.3g}") if np.isfinite(value) else 0.0
