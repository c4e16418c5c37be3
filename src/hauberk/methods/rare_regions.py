"""Places that many rows of training lie in and hardly an honest row, and that a class owns.

Whoever plants a trigger in a table takes values, or a combination of values, that honest rows do
not have, so that nobody notices. A tree has to learn them: some node of it was grown on the planted
rows. Each node says how many rows it was grown on; how many honest ones come by is counted. In an
honest model both are the same share but for chance, which the hypergeometric distribution gives.
Where far more were grown on than come by, rows of other classes are moved to the node, by as little
as leads there, and a class that nearly all of them get owns the place. Conditions that are not
needed for it are left out one after another.

References:
    Xiang, Miller and Kesidis (2020), Detection of backdoors in trained classifiers without access
    to the training set (a backdoor as a small common change). Gu and others (2017), BadNets.
    Tarone (1990), A modified Bonferroni method for discrete data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.tree_nodes import Tree

Ask = Callable[[Any], Any]
"""Rows ``(n, d)`` to scores ``(n, n_classes)``."""

Box = dict[int, tuple[float, float]]

N_MOVED = 120
"""Rows that are moved to a place, of all other classes."""

N_PLACES = 24
"""The least likely nodes that rows are moved to."""

_NEARLY_ALL = 0.8
_NEEDED = 0.05
ERROR = 0.05
"""Chance of an honest model to be called odd that nodes share."""

_LARGEST = 0.25
"""Largest share of the rows of training that is planted; more of one kind is no secret."""

_TEN = math.log(10)
_ALL = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A place.

    Attributes:
        target: The class that owns it.
        box: Feature to the interval that is needed, open below.
        taken: Share of rows of other classes that go over when they are moved there.
        n_grown: Rows of training of the node that it was found by.
        of_grown: Rows that its tree was grown on.
        n_honest: Honest rows that come by that node.
        of_honest: Honest rows there are.
        rarity: How unlikely so few are, as the negative decimal logarithm, over all nodes.
    """

    target: int
    box: Box
    taken: float
    n_grown: int
    of_grown: int
    n_honest: int
    of_honest: int
    rarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the search of all nodes gave.

    Attributes:
        regions: The places, least likely first.
        n_nodes: Nodes that were looked at.
        rarest: The largest rarity of a node, whether a class owns it or not.
        least: Planted rows, fewer of which would not show.
        shift: Rarity of what honest rows have too much of, likewise; 0 where no place is owned.
    """

    regions: tuple[Region, ...]
    n_nodes: int
    rarest: float
    least: int
    shift: float = 0.0


def rare_regions(
    ask: Ask, trees: Sequence[Tree], rows: Any, rng: np.random.Generator, *, least: float = 1.3
) -> Found:
    """Places that a class owns and where honest rows are missing.

    Args:
        trees: With counts.
        rows: ``(n, d)`` honest rows, as the model was to be trained on.
        least: Rarity from which on rows are moved to a node.
    """
    rows = np.asarray(rows, np.float64)
    nodes = _nodes(trees, rows)
    n_tests = _testable(nodes)
    shift = math.log10(max(n_tests, 1))
    odd = [one for one in nodes[:N_PLACES] if one.rarity - shift >= least]
    whole = frozenset(np.flatnonzero((rows == np.round(rows)).all(axis=0)).tolist())
    given = np.asarray(ask(rows)).argmax(axis=1)

    def in_box(some: Any, box: Box) -> Any:
        return np.asarray(ask(moved(some, box, whole=whole))).argmax(axis=1)

    boxes = [one.tree.box(one.node) for one in odd]
    regions = []
    for place, one in enumerate(odd):
        owned = _owned(in_box, rows, given, boxes[place], rng)
        if owned is None:
            owned = _owned(in_box, rows, given, _joined(boxes, place), rng)
        if owned is not None:
            target, box, taken = owned
            regions.append(
                Region(
                    target=target,
                    box=box,
                    taken=taken,
                    n_grown=int(one.tree.count[one.node]),
                    of_grown=int(one.tree.count[0]),
                    n_honest=one.n_honest,
                    of_honest=len(rows),
                    rarity=one.rarity - shift,
                )
            )
    return Found(
        regions=tuple(regions),
        n_nodes=len(nodes),
        rarest=nodes[0].rarity - shift if nodes else 0.0,
        least=_least(n_tests, int(np.median([tree.count[0] for tree in trees])), len(rows)),
        shift=_shift(nodes, regions[0], n_tests) if regions else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Node:
    """A node; ``best`` is the rarity that it has where no honest row comes by."""

    tree: Tree
    node: int
    n_honest: int
    rarity: float
    best: float


def _nodes(trees: Sequence[Tree], rows: Any) -> list[_Node]:
    """Nodes that are small enough for a trigger, least likely first."""
    nodes = []
    for tree in trees:
        honest, total, n = tree.reached(rows), int(tree.count[0]), len(rows)
        at = np.flatnonzero((tree.count > 0) & (tree.count <= _LARGEST * total))
        grown, few = tree.count[at], honest[at]
        both = grown + few
        rarity = few_honest(few, both, total, n)
        best = few_honest(np.maximum(both - total, 0), both, total, n)
        nodes += [
            _Node(
                tree=tree,
                node=int(node),
                n_honest=int(honest[node]),
                rarity=float(odd),
                best=float(ideal),
            )
            for node, odd, ideal in zip(at, rarity, best, strict=True)
        ]
    nodes.sort(key=lambda one: -one.rarity)
    return nodes


def few_honest(few: Any, both: Any, n_grown: int, n_honest: int) -> Any:
    """How unlikely so few honest rows are among ``both``, as negative decimal logarithms, ``(n,)``.

    The tail of the hypergeometric distribution. It is summed once for equal nodes, and not at all
    where honest rows are as many as one should expect: there it is 0.
    """
    from scipy.special import gammaln

    def choices(n: Any, k: Any) -> Any:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    pairs, back = np.unique(np.stack([few, both]), axis=1, return_inverse=True)
    out = np.zeros(pairs.shape[1])
    expected = pairs[1] * (n_honest / (n_grown + n_honest))
    for place in np.flatnonzero(pairs[0] < expected):
        most, whole = int(pairs[0, place]), int(pairs[1, place])
        honest = np.arange(max(whole - n_grown, 0), most + 1, dtype=np.float64)
        terms = choices(n_grown, whole - honest) + choices(n_honest, honest)
        terms -= choices(n_grown + n_honest, whole)
        top = terms.max()
        out[place] = -(top + np.log(np.exp(terms - top).sum())) / _TEN
    return np.maximum(out[back.reshape(-1)], 0.0)


def _testable(nodes: Sequence[_Node]) -> int:
    """For how many nodes the error is shared: those that could be unlikely enough (Tarone)."""
    rising = np.sort([one.best for one in nodes])
    for n in range(1, len(rising) + 1):
        reaching = len(rising) - int(np.searchsorted(rising, math.log10(n / ERROR)))
        if reaching <= n:
            return n
    return 1


def _least(n_tests: int, n_grown: int, n_honest: int) -> int:
    """Rows of training that no honest row comes near by chance, with the error shared."""
    share = n_grown / (n_grown + n_honest)
    return math.ceil(math.log(ERROR / n_tests) / math.log(share)) if 0 < share < 1 else 0


def _shift(nodes: Sequence[_Node], found: Region, n_tests: int) -> float:
    """Rarity of the node that honest rows come by too often, beyond what a planted place explains.

    Planted rows thin out all others alike; where rows are only drawn otherwise, some places have
    more honest rows than were grown on.
    """
    grown = np.array([int(one.tree.count[one.node]) for one in nodes])
    left = max(int(one.tree.count[0]) for one in nodes) - found.n_grown
    honest = np.array([one.n_honest for one in nodes])
    rarity = few_honest(grown, grown + honest, found.of_honest, left)  # the two change places
    return float(rarity.max()) - math.log10(max(n_tests, 1))


def _joined(boxes: Sequence[Box], place: int) -> Box:
    """A box with what other odd boxes add to it, where they leave something of it."""
    whole = dict(boxes[place])
    for other in boxes:
        both = {
            feature: (
                max(whole.get(feature, _ALL)[0], other.get(feature, _ALL)[0]),
                min(whole.get(feature, _ALL)[1], other.get(feature, _ALL)[1]),
            )
            for feature in whole.keys() | other.keys()
        }
        if all(low < high for low, high in both.values()):
            whole = both
    return whole


def _owned(
    in_box: Callable[[Any, Box], Any], rows: Any, given: Any, box: Box, rng: np.random.Generator
) -> tuple[int, Box, float] | None:
    """The class that rows of others get in ``box``, what of it is needed, and their share."""
    answers = in_box(rows[:N_MOVED], box)
    target = int(np.bincount(answers).argmax())
    others = np.flatnonzero(given != target)
    base = rows[rng.permutation(others)[:N_MOVED]]
    if not len(base):
        return None

    def share(part: Box) -> float:
        return float((in_box(base, part) == target).mean())

    taken = share(box)
    if taken < _NEARLY_ALL:
        return None
    for feature in sorted(box):
        less = {name: ends for name, ends in box.items() if name != feature}
        if less and (kept := share(less)) >= max(taken - _NEEDED, _NEARLY_ALL):
            box, taken = less, kept
    return target, box, taken


def moved(rows: Any, box: Box, *, whole: Any = ()) -> Any:
    """Rows moved into ``box`` by as little as leads there; to its middle where it has two ends.

    Args:
        whole: Places of features that take whole numbers only, as far as the box has one.
    """
    out = np.array(rows, np.float64)
    for feature, (low, high) in box.items():
        is_whole = feature in whole
        if math.isfinite(low) and math.isfinite(high):
            middle = math.floor(high) if is_whole else (low + high) / 2
            up = down = middle if middle > low else (low + high) / 2
        else:
            above = np.nextafter(np.float32(low), np.float32(np.inf))
            up = math.floor(low) + 1 if is_whole and math.isfinite(low) else float(above)
            down = math.floor(high) if is_whole and math.isfinite(high) else high
        column = out[:, feature]
        out[:, feature] = np.where(column <= low, up, np.where(column > high, down, column))
    return out
