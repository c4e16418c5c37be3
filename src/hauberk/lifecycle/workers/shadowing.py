"""Train shadows of a loaded model and ask who was in its training set; only in its worker."""

from __future__ import annotations

from typing import Any

import numpy as np

from hauberk.controls.model.exposed_rows import ExposedRows
from hauberk.core.control import NotApplicable
from hauberk.errors import HauberkError
from hauberk.lifecycle.workers.answers import softmax
from hauberk.lifecycle.workers.attacking import Opened, class_name

MAX_ROWS = 2000
"""Members and others each; more make the intervals narrower and the shadows dearer."""

MAX_COST_S = 600.0
"""Processor seconds of shadows where nobody says what is accepted; the worker's own end is near."""

_SHOWN = 50
_PARTS = (16, 8, 4)
"""Parts of what a shadow trains on, for a forecast; the first one warms up."""

_LEAST = 30
_STEEPEST = 2.5
"""Largest exponent of rows that a forecast believes."""


def again(model: Any) -> Any:
    """How to train a scikit-learn model like ``model``; ``None`` where it is none."""
    if not hasattr(model, "get_params") or not hasattr(model, "predict_proba"):
        return None

    def trained(rows: Any, labels: Any, seed: int) -> Any:
        return fitted_again(model, rows, labels, seed).predict_proba

    return trained


def fitted_again(model: Any, rows: Any, labels: Any, seed: int, weights: Any = None) -> Any:
    """A fresh estimator like ``model``, fitted; ``None`` where it takes no weights of rows."""
    import inspect
    import warnings

    from sklearn.base import clone

    shadow = clone(model)
    seeds = {name: seed for name in shadow.get_params() if name.endswith("random_state")}
    last = shadow.steps[-1] if hasattr(shadow, "steps") else ("", shadow)
    given = {}
    if weights is not None:
        if "sample_weight" not in inspect.signature(last[1].fit).parameters:
            return None
        given = {f"{last[0]}__sample_weight" if last[0] else "sample_weight": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return shadow.set_params(**seeds).fit(rows, labels, **given)


def exposed(model: Opened, frames: list[Any], request: dict[str, Any]) -> dict[str, Any]:
    """The audit with shadow models.

    Args:
        model: The model, with a way to train it again.
        frames: Rows that it was judged on, and rows that it was trained on.
        request: ``label``, ``shadows``, ``seed``, ``max_cost_s`` (none by ``None``).

    Returns:
        ``rates`` (false rate, rate, low, high, false positives), ``auc``, ``shadows``,
        ``members``, ``others``, ``exposed`` (row of the training data and its ratio), ``cost_s``
        ``recipe`` (how shadows were trained, in words, where the file does not say it) and
        ``forecast_s``, what it was thought to cost; or ``not_applicable`` with the reason.
    """
    trained = model.again
    if trained is None or not model.classes:
        return {"not_applicable": model.not_again}
    if len(frames) < 2:  # noqa: PLR2004 - judged rows and training rows
        return {"not_applicable": "the rows of training are not given"}
    import pandas as pd

    rng = np.random.default_rng(request["seed"])
    parts = []
    for frame in (frames[1], frames[0]):
        places = np.sort(rng.permutation(len(frame))[:MAX_ROWS])
        parts.append(frame.iloc[places])
    pool = pd.concat(parts, ignore_index=True)
    names = [class_name(value) for value in pool[request["label"]]]
    place = {name: index for index, name in enumerate(model.classes)}
    labels = np.array([place.get(name, -1) for name in names], np.int64)
    rows = pool[model.features]

    def fit(chosen: Any, seed: int) -> Any:
        ask = trained(rows.iloc[chosen], pool[request["label"]].iloc[chosen], seed)
        return lambda at: _wide(ask(rows.iloc[at]), labels[chosen], len(model.classes))

    try:
        forecast = forecast_of(fit, len(pool), int(request["shadows"]), rng)
    except HauberkError as error:
        return {"not_applicable": f"its shadows cannot be trained: {error}"}
    said = request.get("max_cost_s")
    bound = MAX_COST_S if said is None else said
    if forecast is not None and forecast > bound:
        return {
            "not_applicable": f"{request['shadows']} shadow models would cost about {forecast:.1f} "
            f"processor seconds; accepted are {bound:g} (--max-cost)",
            "is_dear": True,
        }
    control = ExposedRows(n_shadows=int(request["shadows"]), seed=int(request["seed"]))
    try:
        scores = np.asarray(model.scores(rows), np.float64)
        scores = softmax(scores) if model.are_logits else scores
        found = control.audited(scores, labels, np.arange(len(pool)) < len(parts[0]), fit)
    except (NotApplicable, HauberkError) as silent:
        return {"not_applicable": str(silent)}
    return {
        "recipe": model.recipe(),
        "rates": [
            [one.false_rate, one.rate, one.low, one.high, one.n_false] for one in found.rates
        ],
        "auc": found.auc,
        "shadows": found.n_shadows,
        "members": int(found.is_member.sum()),
        "others": int((~found.is_member).sum()),
        "exposed": [[int(parts[0].index[at]), ratio] for at, ratio in found.most_exposed(_SHOWN)],
        "cost_s": found.cost_s,
        "forecast_s": forecast,
    }


def forecast_of(fit: Any, n_rows: int, n_shadows: int, rng: Any) -> float | None:
    """Processor seconds of all shadows, from three small trainings and how their cost grows.

    ``None`` where so few rows cannot be trained on.
    """
    import math
    import time

    took = []
    for part in _PARTS:
        chosen = np.sort(rng.permutation(n_rows)[: max(n_rows // 2 // part, _LEAST)])
        started = time.process_time()
        try:
            fit(chosen, 0)
        except ValueError:  # of scikit-learn, where a class is missing
            return None
        took.append(max(time.process_time() - started, 1e-4))
    growth = min(max(math.log2(took[2] / took[1]), 0.0), _STEEPEST)
    return float(n_shadows * took[2] * _PARTS[2] ** growth)


def _wide(given: Any, seen: Any, n_classes: int) -> Any:
    """Probabilities of all classes; a shadow knows only those that it saw."""
    known = np.unique(seen)
    if given.shape[1] == n_classes:
        return given
    out = np.zeros((len(given), n_classes))
    out[:, known] = given
    return out
