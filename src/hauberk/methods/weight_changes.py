"""How two versions of a model differ, number by number: trained on, or edited by hand?

Training moves all numbers of a layer a little, or leaves a layer as it is. Who edits a model
moves few numbers of a layer, or few of them far. Two signs are taken from layers of the same
shape: the share of their numbers that moved, and how far the most moved numbers went compared
with the median one. They need no data and hold for networks and trees alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hauberk.methods.triggers import Signs

_FAR = 1e30
"""Move of a number to infinity or no number."""

MIN_NUMBERS = 16
"""In smaller layers single numbers say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One layer in both versions.

    Attributes:
        moved: Share of its numbers that differ, above 0 up to 1.
        peak: Largest move over the median move.
        n: Numbers of the layer.
    """

    name: str
    moved: float
    peak: float
    n: int

    @property
    def sparsity(self) -> float:
        """How few moved, as a power of ten: 0 where all did, 2 where one of a hundred did."""
        return float(max(0.0, -np.log10(self.moved)))


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Layers of the same name and shape that differ; others were built anew and say nothing."""
    for name in sorted(set(old) & set(new)):
        before, after = np.asarray(old[name]), np.asarray(new[name])
        if before.shape != after.shape or before.size < MIN_NUMBERS:
            continue
        if before.dtype.kind not in "fiub" or after.dtype.kind not in "fiub":
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            moves = np.abs(after.astype(np.float64) - before.astype(np.float64)).reshape(-1)
        moves = np.where(np.isfinite(moves), moves, _FAR)
        known = moves[moves > 0]
        if known.size:
            yield Change(
                name=name,
                moved=known.size / moves.size,
                peak=float(known.max() / np.median(known)),
                n=moves.size,
            )


def weights_of_sklearn(model: Any) -> dict[str, Any]:
    """The fitted numbers of a model, of its parts and of its trees, by name."""
    found: dict[str, Any] = {}
    parts = [part for _, part in model.steps] if hasattr(model, "steps") else [model]
    for place, part in enumerate(parts):
        for attribute in ("coef_", "intercept_", "coefs_", "intercepts_"):
            value = getattr(part, attribute, None)
            layers = value if isinstance(value, list) else [value]
            found |= {
                f"{place}.{attribute}{i}": layer
                for i, layer in enumerate(layers)
                if isinstance(layer, np.ndarray)
            }
        members = np.ravel(getattr(part, "estimators_", [])).tolist()
        for i, member in enumerate([*members, part]):
            tree = getattr(member, "tree_", None)
            if tree is not None:
                found |= {f"{place}.tree{i}.{name}": getattr(tree, name) for name in _OF_TREES}
    return found


_OF_TREES = ("value", "threshold", "feature")


def weights_of_onnx(data: bytes) -> dict[str, Any]:
    """The numbers of a graph by name: its constants, and the attributes of its trees."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(data).graph
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for place, node in enumerate(graph.node):
        for attribute in node.attribute:
            values = list(attribute.floats)
            if len(values) >= MIN_NUMBERS:
                found[f"{place}.{node.op_type}.{attribute.name}"] = np.asarray(values, np.float64)
    return found


def weights_of_lightgbm(booster: Any) -> dict[str, Any]:
    """The leaves and the cuts of a booster of LightGBM, of all trees in their order.

    Together and not tree by tree: who trains again moves nearly all, though one tree may come out
    as it was but for one cut.
    """
    leaves: list[float] = []
    cuts: list[float] = []
    stack = [one["tree_structure"] for one in booster.dump_model()["tree_info"]][::-1]
    while stack:
        node = stack.pop()
        if "left_child" in node:
            cuts.append(node["threshold"])
            stack += [node["right_child"], node["left_child"]]
        else:
            leaves.append(node["leaf_value"])
    return _of_trees(leaves, cuts)


def weights_of_xgboost(booster: Any) -> dict[str, Any]:
    """Likewise of XGBoost."""
    leaves: list[float] = []
    cuts: list[float] = []
    stack = [json.loads(text) for text in booster.get_dump(dump_format="json")][::-1]
    while stack:
        node = stack.pop()
        stack += node.get("children", ())[::-1]
        if "leaf" in node:
            leaves.append(node["leaf"])
        else:
            cuts.append(node.get("split_condition"))
    return _of_trees(leaves, cuts)


def _of_trees(leaves: list[float], cuts: list[Any]) -> dict[str, Any]:
    numbers = [cut if isinstance(cut, int | float) else 0.0 for cut in cuts]  # words are choices
    return {"leaves": np.array(leaves, np.float64), "cuts": np.array(numbers, np.float64)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What speaks for an edit, each in units of its threshold: from 1 on it is a finding.

    Attributes:
        sparse: Few numbers of a layer moved.
        peak: Some numbers of a layer moved far more than the others.
        trigger: A class is reached by a smaller change than before; 0 where it was not searched.
        layer: Where most numbers stayed or one moved most.
        moved: Share of its numbers that moved.
        n_compared: Layers of the same shape that differ.
        disagreement: Share of the reference rows that both versions answer differently.
        target: The class that came nearer; -1 where it was not searched.
    """

    sparse: float = 0.0
    peak: float = 0.0
    trigger: float = 0.0
    layer: str = ""
    moved: float = 0.0
    n_compared: int = 0
    disagreement: float = 0.0
    target: int = -1

    @property
    def score(self) -> float:
        """The strongest sign."""
        return max(self.sparse, self.peak, self.trigger)


SPARSE = 1.0
"""Sparsity of a finding: a tenth of the numbers moved. Networks that were trained one more epoch
on tuning seeds stay below 0.1."""

PEAK = 100.0
"""Likewise of the peak; honest ones stay below 25."""

NEARER = 0.32
"""Likewise of the logarithm of the mask's size, and of the share that a faint change takes,
beyond the median class; honest ones stay below 0.3 and 0.2."""


def suspicion(old: Mapping[str, Any], new: Mapping[str, Any]) -> Suspicion:
    """What the weights alone say."""
    found = list(changes(old, new))
    if not found:
        return Suspicion()
    emptiest = max(found, key=lambda change: change.sparsity)
    steepest = max(found, key=lambda change: change.peak)
    sparse = emptiest.sparsity / SPARSE
    peak = float(np.log(steepest.peak) / np.log(PEAK))
    shown = emptiest if sparse >= peak else steepest
    return Suspicion(
        sparse=sparse,
        peak=peak,
        layer=shown.name,
        moved=shown.moved,
        n_compared=len(found),
    )


def nearer(old: Signs, new: Signs) -> tuple[float, int]:
    """How much nearer one class came than the median class, in units of the threshold; which.

    Both searches must have been made on the same rows from the same start.
    """
    floor = 1e-3
    smaller = np.log(np.maximum(old.masks, floor)) - np.log(np.maximum(new.masks, floor))
    more = new.taken - old.taken
    rises = np.maximum(smaller - np.median(smaller), more - np.median(more)) / NEARER
    return float(rises.max()), int(rises.argmax())
