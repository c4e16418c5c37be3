"""Trees of boosting libraries as links between nodes: every node is reached at most once.

Predicting walks from the root along numbers that the file gives. A child outside of its tree
is read from whatever lies there in memory, and a node that leads back to one above it keeps a
prediction from ever coming to an end. No writer makes either.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hauberk.formats.note_judgement import judge_note
from hauberk.formats.remarks import Said, evasive

_NONE = -1
_COLUMNS = ("right_children", "parents", "split_indices")
_CATEGORIES = ("categories_segments", "categories_sizes", "categories")


def walked_twice(children: Sequence[tuple[int, int]]) -> str:
    """What is wrong with the inner nodes below a root at 0; empty where each is reached once.

    Args:
        children: Of each node, left and right; both negative for one without any.
    """
    seen = {0}
    for pair in children:
        for child in pair:
            if child < 0:
                continue
            if child >= len(children):
                return f"a node leads outside of its tree of {len(children)}"
            if child in seen:
                return "a node is reached twice: the walk through its tree may never end"
            seen.add(child)
    return ""


def pairs_of(left: Sequence[int], right: Sequence[int]) -> tuple[list[tuple[int, int]], str]:
    """Children of each node, and what is wrong with one that has only one of them."""
    pairs = list(zip(left, right, strict=True))
    for one, other in pairs:
        if (one == _NONE) != (other == _NONE) or min(one, other) < _NONE:
            return pairs, "a node has one child, or one before the first"
    return pairs, ""


# XGBoost


def judge_forest(value: Any) -> Iterator[Said]:
    """What is wrong with a model of XGBoost that was read from JSON or UBJSON."""
    learner = _inside(value, "learner")
    booster = _inside(learner, "gradient_booster")
    model = _inside(_inside(booster, "gbtree") or booster, "model")
    trees = model.get("trees")
    parameters = _inside(learner, "learner_model_param")
    for tree in trees if isinstance(trees, list) else ():
        problem = _tree_problem(tree, _count(parameters.get("num_feature")))
        if problem:
            yield evasive(f"the model is malformed: {problem}")
            break
    if isinstance(trees, list) and (problem := _groups_problem(model, parameters, len(trees))):
        yield evasive(f"the model is malformed: {problem}")
    for key, text in _inside(learner, "attributes").items():
        if isinstance(text, str):
            yield from judge_note(str(key), text)


def _inside(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _count(value: Any) -> int:
    """A number as XGBoost writes it, in text; -1 where it is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


def _numbers(value: Any) -> Sequence[int] | None:
    if isinstance(value, array):
        return value if value.typecode in "bBhHiIlLqQ" else None
    is_plain = isinstance(value, list) and all(type(item) is int for item in value)
    return value if is_plain else None


def _tree_problem(tree: Any, n_features: int) -> str:
    if not isinstance(tree, Mapping) or "left_children" not in tree:
        return ""  # of another booster or version
    columns = [_numbers(tree.get(name)) for name in ("left_children", *_COLUMNS)]
    left = columns[0]
    if left is None or any(column is None for column in columns):
        return "a tree has links that are no numbers"
    claimed = _count(_inside(tree, "tree_param").get("num_nodes"))
    sizes = {len(column) for column in columns if column is not None}
    if len(sizes) > 1 or (claimed >= 0 and claimed != len(left)) or not left:
        return f"a tree of {claimed} nodes has columns of {', '.join(map(str, sorted(sizes)))}"
    _, right, parents, features = (column or () for column in columns)
    pairs, problem = pairs_of(left, right)
    return (
        problem
        or walked_twice(pairs)
        or _parents_problem(pairs, parents)
        or _features_problem(pairs, features, n_features)
        or _categories_problem(tree)
    )


def _parents_problem(pairs: Sequence[tuple[int, int]], parents: Sequence[int]) -> str:
    for at, pair in enumerate(pairs):
        if any(child > 0 and parents[child] != at for child in pair):
            return "a node names another parent than the one that leads to it"
    return ""


def _features_problem(
    pairs: Sequence[tuple[int, int]], features: Sequence[int], n_features: int
) -> str:
    asked = [feature for pair, feature in zip(pairs, features, strict=True) if pair[0] != _NONE]
    if asked and (min(asked) < 0 or 0 < n_features <= max(asked)):
        return f"a node asks for the feature {max(asked)} of {n_features}"
    return ""


def _categories_problem(tree: Mapping[str, Any]) -> str:
    segments, sizes, values = (_numbers(tree.get(name)) for name in _CATEGORIES)
    if segments is None or sizes is None or values is None:
        return ""
    ends = [start + size for start, size in zip(segments, sizes, strict=False)]
    is_wrong = len(segments) != len(sizes) or any(number < 0 for number in (*segments, *sizes))
    return (
        "categories lie outside of their list"
        if is_wrong or max(ends, default=0) > len(values)
        else ""
    )


def _groups_problem(model: Mapping[str, Any], parameters: Mapping[str, Any], n_trees: int) -> str:
    if any(_count(parameters.get(name, 0)) < 0 for name in ("num_feature", "num_class")):
        return "it claims less than no features or classes"
    claimed = _count(_inside(model, "gbtree_model_param").get("num_trees"))
    if claimed >= 0 and claimed != n_trees:
        return f"it claims {claimed} trees and has {n_trees}"
    groups = _numbers(model.get("tree_info"))
    if groups is None:
        return ""
    n_groups = max(1, *(_count(parameters.get(name)) for name in ("num_class", "num_target")))
    if len(groups) != n_trees or (groups and not 0 <= min(groups) <= max(groups) < n_groups):
        return f"its trees belong to groups outside of {n_groups}"
    return ""


# CatBoost


def judge_oblivious(value: Any) -> Iterator[Said]:
    """What is wrong with the trees of a model that CatBoost wrote as JSON."""
    trees = value.get("oblivious_trees") if isinstance(value, Mapping) else None
    features = _inside(value, "features_info").get("float_features")
    n_features = len(features) if isinstance(features, list) else 0
    for tree in trees if isinstance(trees, list) else ():
        if problem := _oblivious_problem(tree, n_features):
            yield evasive(f"the model is malformed: {problem}")
            return


def _oblivious_problem(tree: Any, n_features: int) -> str:
    splits, leaves = (_list(tree, name) for name in ("splits", "leaf_values"))
    if len(splits) > MAX_SPLITS or len(leaves) % (1 << len(splits)):
        return f"a tree of {len(splits)} questions has {len(leaves)} leaves"
    asked = [
        _count(split.get("float_feature_index", 0))
        for split in splits
        if isinstance(split, Mapping)
    ]
    if asked and (min(asked) < 0 or 0 < n_features <= max(asked)):
        return f"a tree asks for the feature {max(asked)} of {n_features}"
    return ""


MAX_SPLITS = 31
"""Questions of one tree; CatBoost takes 16 at most."""


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []
