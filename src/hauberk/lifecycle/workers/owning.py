"""Search a loaded model of trees for places that a class owns; only in the worker that loaded it.

Trees that do not say how many rows they were grown on are counted on the training rows where these
are given. A model that is no trees, or whose trees are behind steps that are not known, has some
grown on its training rows beside it: they find where honest rows are missing, and the model itself
says whether a class owns the place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from hauberk.controls.model.owned_regions import OwnedRegions
from hauberk.core.control import NotApplicable
from hauberk.errors import HauberkError
from hauberk.lifecycle.workers.attacking import Opened
from hauberk.methods.tree_nodes import Tree, grown_on, of_estimator

_BESIDE, _LEAF = 40, 5
"""Trees that are grown beside a model, and rows that a leaf of theirs has at least."""

_MOST = 5000
"""Rows of training that they are grown on; more show smaller places and cost as much more."""


def owned(model: Opened, frames: Sequence[Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Places of ``model`` that a class owns and where rows are missing; see `OwnedRegions`.

    Args:
        frames: Rows that it was judged on, and rows that it was trained on where they are given.
        request: ``label`` and ``seed``.

    Returns:
        The fields of `Found`, ``beside`` (whether trees had to be grown for it) and ``rows``; or
        ``not_applicable`` with the reason.
    """
    if not model.classes:
        return {"not_applicable": "the model gives numbers, not classes"}
    if any(frames[0][name].dtype.kind not in "iufb" for name in model.features):
        return {"not_applicable": "not all features are numbers"}
    rows = frames[0][model.features]
    control = OwnedRegions(seed=int(request["seed"]))
    try:
        trees = model.trees()
    except (HauberkError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        trees = ()
    grown = len(frames) > 1
    is_beside = not trees and grown
    if is_beside:
        trees = _beside(frames[1], model.features, request)
    elif grown:
        trees = grown_on(trees, frames[1][model.features].to_numpy(np.float64))

    def ask(some: Any) -> Any:
        return np.asarray(model.scores(type(rows)(some, columns=rows.columns)), np.float64)

    try:
        found = control.searched(ask, trees, rows.to_numpy(np.float64))
    except NotApplicable as silent:
        return {"not_applicable": str(silent)}
    parts = asdict(found)
    parts["regions"] = [
        {**asdict(one), "box": [[at, *ends] for at, ends in one.box.items()]}
        for one in found.regions
    ]
    return {**parts, "beside": is_beside, "rows": len(rows)}


def _beside(frame: Any, features: Sequence[str], request: Mapping[str, Any]) -> Sequence[Tree]:
    """Trees of our own on the training rows; none where they do not fit."""
    from sklearn.ensemble import GradientBoostingClassifier

    rng = np.random.default_rng(int(request["seed"]))
    chosen = frame.iloc[np.sort(rng.permutation(len(frame))[:_MOST])]
    rows = chosen[list(features)]
    labels = chosen[request["label"]].astype(str)
    if any(kind.kind not in "iufb" for kind in rows.dtypes):
        return ()
    values = rows.to_numpy(np.float64)
    if not np.isfinite(values).all() or labels.nunique() < 2:  # noqa: PLR2004 - a choice
        return ()
    beside = GradientBoostingClassifier(
        n_estimators=_BESIDE, min_samples_leaf=_LEAF, random_state=int(request["seed"])
    )
    return of_estimator(beside.fit(values, labels), len(features))
