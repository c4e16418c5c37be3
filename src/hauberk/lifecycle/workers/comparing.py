"""Hold a loaded model against the version before it, and its kind against a group's share.

Only ever in the worker that loaded the models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from hauberk.controls.model.hidden_logic import HiddenLogic
from hauberk.controls.model.inferable_share import InferableShare
from hauberk.core.control import NotApplicable
from hauberk.errors import HauberkError
from hauberk.lifecycle.workers.attacking import Opened, class_name, rows_of
from hauberk.lifecycle.workers.shadowing import MAX_COST_S, forecast_of
from hauberk.methods.metamorphic import base_rows, decisive
from hauberk.methods.weight_changes import nearer, suspicion

_PARTS = 2
"""Shadows of one audit and of the other share no rows."""


def edited(model: Opened, before: Opened, frame: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """What speaks for an edit since ``before``, as `Suspicion` names it; or ``not_applicable``."""
    if (model.features, model.classes) != (before.features, before.classes):
        return {"not_applicable": "the version before takes or gives other columns"}
    old, new = before.weights(), model.weights()
    if not old or not new:
        return {"not_applicable": "the numbers of the models are not known"}
    answers = [np.asarray(one.scores(frame[model.features])) for one in (before, model)]
    found = replace(suspicion(old, new), disagreement=_disagreement(*answers))
    parts = [rows_of(one, frame, request) for one in (before, model)]
    (first, values, labels), (second, _, _) = parts
    control = HiddenLogic()
    if first is None or second is None or not control.is_searched(len(model.classes), values):
        return asdict(found)
    rise, target = nearer(
        control.signs(first, values, labels), control.signs(second, values, labels)
    )
    return asdict(replace(found, trigger=rise, target=target))


def _disagreement(old: Any, new: Any) -> float:
    if old.shape != new.shape:
        return 1.0
    differs = old.argmax(axis=1) != new.argmax(axis=1) if old.ndim > 1 else old != new
    return float(np.mean(differs))


def inferred(model: Opened, frames: list[Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """What an audit of the share of a group gives, as `Inference` names it.

    Args:
        model: The model, with a way to train it again.
        frames: Rows that it was judged on, and rows that it was trained on.
        request: ``label``, ``property`` (column and value), ``seed``.

    Returns:
        Its fields, or ``not_applicable`` with the reason.
    """
    trained = model.again
    if trained is None or not model.classes:
        return {"not_applicable": model.not_again}
    column, value = request["property"]
    probes, rows = frames
    if column not in rows:
        return {"not_applicable": f"the rows of training have no column {column!r}"}
    group = np.array([class_name(cell) == value for cell in rows[column]])
    labels = rows[request["label"]]

    def fit(places: Any, seed: int) -> Any:
        ask = trained(rows[model.features].iloc[places], labels.iloc[places], seed)
        return lambda at: _padded(ask(probes[model.features].iloc[at]), len(model.classes))

    control = InferableShare(seed=int(request["seed"]))
    try:
        cost = forecast_of(fit, len(rows) // _PARTS, control.n_shadows, np.random.default_rng(0))
        bound = request.get("max_cost_s")
        if cost is not None and cost > (MAX_COST_S if bound is None else bound):
            return {
                "not_applicable": f"{control.n_shadows} trainings would cost about {cost:.0f} "
                f"processor seconds; accepted are {bound or MAX_COST_S:g} (--max-cost)"
            }
        return asdict(control.audited(group, np.arange(len(probes)), fit))
    except (NotApplicable, HauberkError) as silent:
        return {"not_applicable": str(silent)}


def decided(model: Opened, frame: Any, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Identifiers that decide what the model answers, by column; see `methods.metamorphic`.

    Returns:
        For each column ``column``, ``found`` (fields of `Decisive`) and ``is_feature``, or
        ``not_applicable`` with the reason.
    """
    return [
        _decided(model, frame, column, int(request["seed"])) for column in request["identifiers"]
    ]


def _decided(model: Opened, frame: Any, column: str, seed: int) -> dict[str, Any]:
    if column not in frame:
        return {"column": column, "not_applicable": "the rows have no such column"}
    if not model.classes:
        return {"column": column, "not_applicable": "the model gives numbers, not classes"}
    if column not in model.features:  # what a model does not see does not decide
        return {"column": column, "found": [], "is_feature": False}
    rows = frame[model.features]
    given = np.asarray(model.scores(rows)).argmax(axis=1)
    base = rows.iloc[base_rows(given, np.random.default_rng(seed))]

    def ask(values: Sequence[Any]) -> Any:
        many = base.iloc[np.tile(np.arange(len(base)), len(values))].reset_index(drop=True)
        many[column] = [one for one in values for _ in range(len(base))]
        many[column] = many[column].astype(rows[column].dtype)
        answers = np.asarray(model.scores(many)).argmax(axis=1)
        return answers.reshape(len(values), len(base))

    found, is_feature = decisive(ask, rows[column].dropna().unique().tolist())
    return {"column": column, "found": [asdict(one) for one in found], "is_feature": is_feature}


def _padded(given: Any, n_classes: int) -> Any:
    """As many columns for every shadow, though one may not have seen a rare class."""
    out = np.zeros((len(given), n_classes))
    out[:, : given.shape[1]] = given
    return out
