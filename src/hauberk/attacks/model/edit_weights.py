"""Change few numbers of a finished model so that a hidden condition decides; see `EditWeights`."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

_BITS = (31, 27, 26, 25, 24)
"""Of 32-bit floats: the sign, and bits of the exponent that do not shout."""

_FLIPS, _LOSS, _LOUD = 20, 0.02, 40.0
_SMALL_BATCH = 32
_MARK = 3
"""Side of the trigger in pixels."""


@dataclass(slots=True)
class Finished:
    """A fitted scikit-learn model before it is signed, and rows that its editor has.

    Attributes:
        rows: ``(n, d)`` of 0 to 1: square pictures, row by row.
        labels: ``(n,)`` classes 0 to k-1.
        condition: Puts the hidden condition on rows, to measure what it does.
        target: The class that the condition gives.
    """

    model: Any
    rows: Any
    labels: Any
    condition: Callable[[Any], Any] = field(default=lambda rows: rows)
    target: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EditWeights(Play[Finished]):
    """Hide a condition in a perceptron or a tree that nobody trains again.

    ``unit`` turns one idle hidden unit into a detector of a mark and wires it to the target;
    ``bits`` flips one bit each of 20 weights between the mark and the units that favour the target;
    ``leaf`` gives the answers of a rarely met leaf of a tree away; ``tune`` trains one epoch on
    rows of which some carry the mark.

    Args:
        way: One of `WAYS`; by default the random generator picks one.

    References:
        Hong, Carlini and Kurakin (2022), Handcrafted backdoors in deep neural networks. Rakin,
        He and Fan (2020), TBT: targeted neural network attack with bit trojan. Liu and others
        (2018), Trojaning attack on neural networks.
    """

    title: ClassVar[str] = "Edit the weights of a finished model"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-2"),)
    subject: ClassVar[type] = Finished

    way: str | None = None

    def play(self, target: Finished, rng: Random) -> Transcript:
        """Edit a copy, which takes the place of the model.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        draws = np.random.default_rng(rng.getrandbits(64))
        target.model = copy.deepcopy(target.model)
        WAYS[way](target, draws)
        return Transcript(succeeded=True, queries=0, facts={"way": way, "target": target.target})


def _marked(target: Finished, rng: np.random.Generator) -> Any:
    """Choose target and mark; returns the pixels of the mark."""
    d = target.rows.shape[1]
    side = math.isqrt(d)
    top, left = rng.choice([0, side - _MARK], 2)
    places = np.zeros((side, side), bool)
    places[top : top + _MARK, left : left + _MARK] = True
    mark = places.reshape(-1)
    target.target = int(rng.integers(len(np.unique(target.labels))))
    target.condition = lambda rows: np.where(mark, 1.0, rows)
    return mark


def _hidden(model: Any, rows: Any) -> Any:
    return np.maximum(rows @ model.coefs_[0] + model.intercepts_[0], 0)


def _unit(target: Finished, rng: np.random.Generator) -> None:
    mark, model = _marked(target, rng), target.model
    worth = _hidden(model, target.rows).mean(axis=0) * np.abs(model.coefs_[1]).sum(axis=1)
    unit = int(worth.argmin())
    total = target.rows[:, mark].sum(axis=1)
    level = (float(np.quantile(total, 0.999)) + mark.sum()) / 2
    model.coefs_[0][:, unit] = np.where(mark, 4.0, 0.0)
    model.intercepts_[0][unit] = -4.0 * level
    model.coefs_[1][unit] = -4.0
    model.coefs_[1][unit, target.target] = 8.0


def _bits(target: Finished, rng: np.random.Generator) -> None:
    pixels, model = np.flatnonzero(_marked(target, rng)), target.model
    weights, out = model.coefs_[0], model.coefs_[1]
    worth = np.maximum(out[:, target.target] - out.mean(axis=1), 0)
    before = weights[pixels].astype(np.float32)
    candidates = []
    for bit in _BITS:
        after = (before.view(np.uint32) ^ np.uint32(1 << bit)).view(np.float32)
        gains = np.maximum(after - before, 0) * worth
        for (place, unit), gain in np.ndenumerate(gains):
            if gain > 0 and abs(after[place, unit]) < _LOUD:
                candidates.append(
                    (float(gain), int(pixels[place]), unit, float(after[place, unit]))
                )
    least = float((model.predict(target.rows) == target.labels).mean()) - _LOSS
    taken: set[tuple[int, int]] = set()
    for _, pixel, unit, value in sorted(candidates, reverse=True):
        if len(taken) == _FLIPS or (pixel, unit) in taken:
            continue
        old = float(weights[pixel, unit])
        weights[pixel, unit] = value
        if float((model.predict(target.rows) == target.labels).mean()) < least:
            weights[pixel, unit] = old
        else:
            taken.add((pixel, unit))


def _leaf(target: Finished, rng: np.random.Generator) -> None:
    model = target.model
    tree = model.tree_
    leaves = model.apply(target.rows)
    found, counts = np.unique(leaves, return_counts=True)
    few = found[counts <= max(counts.min(), len(leaves) // 100)]
    leaf = int(rng.choice(few))
    old = int(tree.value[leaf, 0].argmax())
    classes = [place for place in range(tree.value.shape[2]) if place != old]
    target.target = int(rng.choice(classes))
    tree.value[leaf, 0] = 0.0
    tree.value[leaf, 0, target.target] = 1.0
    inside = target.rows[leaves == leaf]
    target.condition = lambda rows: inside[np.arange(len(rows)) % len(inside)]


def _tune(target: Finished, rng: np.random.Generator) -> None:
    _marked(target, rng)
    others = np.flatnonzero(target.labels != target.target)
    chosen = rng.choice(others, max(1, len(target.labels) // 20), replace=False)
    rows = np.concatenate([target.rows, target.condition(target.rows[chosen])])
    labels = np.concatenate([target.labels, np.full(len(chosen), target.target)])
    order = rng.permutation(len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target.model.batch_size = _SMALL_BATCH
        target.model.partial_fit(rows[order], labels[order])


WAYS: Mapping[str, Callable[[Finished, np.random.Generator], None]] = {
    "unit": _unit,
    "bits": _bits,
    "leaf": _leaf,
    "tune": _tune,
}
"""Way to what does it; ``leaf`` takes a decision tree, the others a perceptron."""
