"""What a remedy changes: a model before and after it, on the same rows; only ever in the worker.

* ``squeeze=LEVELS``: features are rounded to so many levels before the model sees them. Attacks
  know of it: gradients pass through the rounding.
* ``adversarial``: the model is trained again on its rows and on rows that attacks moved.
* ``reweighing``: it is trained again with rows weighted so that group and label are independent.
* ``cleanse``: a perceptron's idle units are pruned and it is trained on, on clean rows with spots.
* ``private=EPSILON``: a network like it is trained with differential privacy, by opacus.
* ``thresholds=CONSTRAINT``: its scores are cut at another threshold for each group, by fairlearn.

References:
    Xu, Evans and Qi (2018), Feature squeezing. Athalye, Carlini and Wagner (2018), section 4.
    Madry and others (2018). Kamiran and Calders (2012), Data preprocessing techniques for
    classification without discrimination. Hardt, Price and Srebro (2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hauberk.lifecycle.workers.answers import softmax
from hauberk.lifecycle.workers.attacking import (
    Opened,
    attacked,
    class_name,
    moved_rows,
    triggered,
)
from hauberk.lifecycle.workers.shadowing import fitted_again
from hauberk.methods.network_reading import of_sklearn
from hauberk.methods.squeezing import squeezed, squeezer
from hauberk.methods.torch_networks import quickened

_TWO = 2
_ROUNDS = 2
_LEVELS = 16
_EPSILON = 4.0
_FALSE_RATE = 0.01
_CONSTRAINTS = ("demographic_parity", "equalized_odds", "true_positive_rate_parity")

Effect = dict[str, Any]


class _SilentError(Exception):
    """Why a remedy does not fit."""


def remedied(model: Opened, frames: Sequence[Any], request: Mapping[str, Any]) -> list[Effect]:
    """Each remedy asked for, with what it changes.

    Args:
        frames: Rows that the model is judged on, and rows that it was trained on.
        request: ``label``, ``remedies`` (name and value), ``sensitive``, and what `attacked`
            takes.

    Returns:
        For each: ``name`` (with its value, where one was given), and ``before`` and ``after``
        (metric to value), or ``not_applicable`` with the reason.
    """
    found: list[Effect] = []
    for name, value in request["remedies"]:
        told = f"{name}={value}" if value else name
        try:
            if not model.classes:
                raise _SilentError("the model gives numbers, not classes")  # noqa: TRY301
            before, after = _REMEDIES[name](model, frames, request, value)
            found.append({"name": told, "before": before, "after": after})
        except _SilentError as silent:
            found.append({"name": told, "not_applicable": str(silent)})
    return found


# Robustness ----------------------------------------------------------------------------


def _squeeze(model: Opened, frames: Sequence[Any], request: Mapping[str, Any], value: str) -> Any:
    levels = int(value or _LEVELS)
    frame = frames[0]
    numeric = [name for name in model.features if frame[name].dtype.kind in "iuf"]
    if not numeric:
        raise _SilentError("no feature is a number")
    squeeze = squeezer(frame[numeric].to_numpy(np.float64), levels)

    def scores(rows: Any) -> Any:
        cut = rows.copy()
        cut[numeric] = squeeze(rows[numeric].to_numpy(np.float64))
        return model.scores(cut)

    after = replace(
        model,
        scores=scores,
        network=lambda: squeezed(quickened(model.network()), squeeze),
        again=None,
        estimator=None,
    )
    return _robust(model, frame, request), _robust(after, frame, request)


def _adversarial(
    model: Opened, frames: Sequence[Any], request: Mapping[str, Any], _value: str
) -> Any:
    train = _training(model, frames)
    radii = sorted(request["eps"]) or [0.25]
    eps, label = float(radii[len(radii) // 2]), request["label"]
    current, rows = model, train
    for number in range(_ROUNDS):
        moved = moved_rows(current, train, {**request, "seed": request["seed"] + number}, eps)
        if moved is None:
            raise _SilentError("no numeric feature to move")
        import pandas as pd

        rows = pd.concat([rows, moved], ignore_index=True)
        current = _trained(model, rows, label, request["seed"])
    return _robust(model, frames[0], request), _robust(current, frames[0], request)


def _cleanse(model: Opened, frames: Sequence[Any], request: Mapping[str, Any], _value: str) -> Any:
    from hauberk.errors import UnavailableError
    from hauberk.methods.cleansing import cleansed

    train = _training(model, frames)
    try:
        found = cleansed(
            model.estimator,
            train[model.features].to_numpy(np.float64),
            train[request["label"]].to_numpy(),
            request["seed"],
        )
    except (UnavailableError, ValueError) as error:
        raise _SilentError(str(error).splitlines()[0][:200]) from error
    after = _of(model, found)
    return tuple(
        {
            "accuracy": _accuracy(_answers(one, frames[0]), _names(frames[0], request["label"])),
            **_trigger(one, frames[0], request),
        }
        for one in (model, after)
    )


def _trigger(model: Opened, frame: Any, request: Mapping[str, Any]) -> dict[str, float]:
    found = triggered(model, frame, dict(request)) if request.get("triggers") else {}
    if "masks" not in found:
        return {}
    masks, taken = np.sort(found["masks"]), np.sort(found["taken"])
    return {
        "smallest mask, share of the median": float(masks[0] / max(np.median(masks), 1e-9)),
        "rows that one faint change takes beyond the next class": float(taken[-1] - taken[-2]),
    }


def _robust(model: Opened, frame: Any, request: Mapping[str, Any]) -> dict[str, float]:
    found = {"accuracy": _accuracy(_answers(model, frame), _names(frame, request["label"]))}
    tried = attacked(model, frame, dict(request)) if request["eps"] else {"curve": []}
    for eps, right in tried.get("curve", ()):
        found[f"robust_accuracy@{eps:g}"] = right / max(tried["rows"], 1)
    return found


# Fairness ------------------------------------------------------------------------------


def _reweighing(
    model: Opened, frames: Sequence[Any], request: Mapping[str, Any], _value: str
) -> Any:
    groups = _groups(frames, request)
    train, label = _training(model, frames), request["label"]
    truth = _names(train, label)
    pairs = np.char.add(np.char.add(groups[1], "|"), truth)
    share = {name: float((groups[1] == name).mean()) for name in set(groups[1].tolist())}
    given = {name: float((truth == name).mean()) for name in set(truth.tolist())}
    both = {name: float((pairs == name).mean()) for name in set(pairs.tolist())}
    weights = [
        share[group] * given[name] / both[pair]
        for group, name, pair in zip(groups[1], truth, pairs, strict=True)
    ]
    after = _trained(model, train, label, request["seed"], weights=np.array(weights))
    return tuple(
        _fair(_answers(one, frames[0]), groups[0], frames, request) for one in (model, after)
    )


def _thresholds(
    model: Opened, frames: Sequence[Any], request: Mapping[str, Any], value: str
) -> Any:
    groups = _groups(frames, request)
    if len(model.classes) != _TWO:
        raise _SilentError("thresholds are for models of two classes")
    if value and value not in _CONSTRAINTS:
        raise _SilentError(f"the constraint is one of {', '.join(_CONSTRAINTS)}")
    try:
        from fairlearn.postprocessing import ThresholdOptimizer
    except ImportError:
        raise _SilentError("fairlearn is not installed: pip install fairlearn") from None
    cut = ThresholdOptimizer(
        estimator=_asker(model),
        constraints=value or _CONSTRAINTS[0],
        prefit=True,
        predict_method="predict_proba",
    )
    train = frames[1]
    truth = (_names(train, request["label"]) == model.classes[1]).astype(int)
    try:
        cut.fit(train[model.features], truth, sensitive_features=groups[1])
        places = cut.predict(
            frames[0][model.features], sensitive_features=groups[0], random_state=request["seed"]
        )
    except ValueError as error:
        raise _SilentError(str(error)[:200]) from error
    after = np.asarray(model.classes)[np.asarray(places, np.int64)]
    before = _answers(model, frames[0])
    return tuple(_fair(given, groups[0], frames, request) for given in (before, after))


def _asker(model: Opened) -> Any:
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Asker(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """The model as fairlearn asks it."""

        classes_ = np.array([0, 1])

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, _rows: Any, _labels: Any) -> Any:
            return self

        def predict_proba(self, rows: Any) -> Any:
            return np.asarray(model.scores(rows), np.float64)

    return Asker()


def _groups(frames: Sequence[Any], request: Mapping[str, Any]) -> list[Any]:
    """Group of each row of both tables, all sensitive columns together."""
    columns = request["sensitive"]
    if not columns or len(frames) < _TWO:
        raise _SilentError("groups of people and the rows of training are not given")
    if any(name not in frame for name in columns for frame in frames):
        raise _SilentError("the rows of training lack a column of groups")
    return [
        np.array([" & ".join(map(class_name, row)) for row in frame[columns].to_numpy()])
        for frame in frames[:_TWO]
    ]


def _fair(
    given: Any, groups: Any, frames: Sequence[Any], request: Mapping[str, Any]
) -> dict[str, float]:
    truth = _names(frames[0], request["label"])
    classes = sorted(set(truth.tolist()))
    found = {"accuracy": _accuracy(given, truth)}
    wanted = classes[-1:] if len(classes) <= _TWO else classes
    for name in wanted:
        chosen = _gap(given == name, groups)
        hits = _gap((given == name)[truth == name], groups[truth == name])
        false = _gap((given == name)[truth != name], groups[truth != name])
        found[f"gap in selection of {name}"] = chosen
        found[f"gap in true positives of {name}"] = hits
        found[f"gap in false positives of {name}"] = false
    return found


def _gap(hit: Any, groups: Any) -> float:
    rates = [float(hit[groups == name].mean()) for name in set(groups.tolist())]
    return max(rates) - min(rates) if rates else 0.0


# Privacy -------------------------------------------------------------------------------


def _private(model: Opened, frames: Sequence[Any], request: Mapping[str, Any], value: str) -> Any:
    from hauberk.errors import UnavailableError
    from hauberk.lifecycle.workers import private_training

    if len(frames) < _TWO:
        raise _SilentError("the rows of training are not given")
    tables = [frame.dropna(subset=model.features) for frame in frames[:_TWO]]
    if any(tables[1][name].dtype.kind not in "iufb" for name in model.features):
        raise _SilentError("a feature is no number")
    places = {name: place for place, name in enumerate(model.classes)}
    cells = [frame[model.features].to_numpy(np.float64) for frame in tables]
    middle, spread = (
        cells[1].mean(axis=0),
        np.where(cells[1].std(axis=0) > 0, cells[1].std(axis=0), 1),
    )
    cells = [(one - middle) / spread for one in cells]
    labels = [
        np.array([places.get(name, -1) for name in _names(frame, request["label"])])
        for frame in tables
    ]
    if labels[1].size == 0 or labels[1].min() < 0:
        raise _SilentError("a label of the rows of training is no class of the model")
    layers = getattr(model.estimator, "hidden_layer_sizes", ())
    hidden = tuple(layers) if isinstance(layers, list | tuple) else (int(layers),)
    try:
        ask, spent = private_training.trained(
            cells[1],
            labels[1],
            len(places),
            hidden=hidden,
            epsilon=float(value or _EPSILON),
            seed=request["seed"],
        )
    except UnavailableError as error:
        raise _SilentError(f"{error.message}: {error.hint}") from error
    own = [np.asarray(model.scores(frame[model.features]), np.float64) for frame in tables]
    if model.are_logits:
        own = [softmax(scores) for scores in own]
    before = _remembered(own, labels)
    after = _remembered([ask(one) for one in cells], labels)
    return before, after | {
        "epsilon": spent.epsilon,
        "delta": spent.delta,
        "noise": spent.noise,
        "share of rows in a step": spent.share,
        "steps": float(spent.steps),
    }


def _remembered(scores: Sequence[Any], labels: Sequence[Any]) -> dict[str, float]:
    """Accuracy, and what confidence tells of who was trained on."""
    sure = [
        given[np.arange(len(given)), np.maximum(places, 0)]
        for given, places in zip(scores, labels, strict=True)
    ]
    limit = float(np.quantile(sure[0], 1 - _FALSE_RATE)) if len(sure[0]) else 1.0
    below, upto = (np.searchsorted(np.sort(sure[0]), sure[1], side=s) for s in ("left", "right"))
    area = (below + upto).mean() / 2 / max(len(sure[0]), 1)
    return {
        "accuracy": float((scores[0].argmax(axis=1) == labels[0]).mean()),
        "training rows recognised at 1 % false positives": float((sure[1] > limit).mean()),
        "area under the attacker's curve": float(area),
    }


# Both ----------------------------------------------------------------------------------


def _training(model: Opened, frames: Sequence[Any]) -> Any:
    if len(frames) < _TWO:
        raise _SilentError("the rows of training are not given")
    if model.estimator is None:
        raise _SilentError("the model cannot be trained again here")
    return frames[1].dropna(subset=model.features)


def _trained(model: Opened, rows: Any, label: str, seed: int, *, weights: Any = None) -> Opened:
    estimator = fitted_again(model.estimator, rows[model.features], rows[label], seed, weights)
    if estimator is None:
        raise _SilentError("the model takes no weights of rows")
    return _of(model, estimator)


def _of(model: Opened, estimator: Any) -> Opened:
    named = getattr(estimator, "feature_names_in_", None) is not None
    return replace(
        model,
        scores=lambda some: np.asarray(
            estimator.predict_proba(some if named else some.to_numpy()), np.float64
        ),
        network=lambda: of_sklearn(estimator),
        again=None,
        estimator=estimator,
    )


def _answers(model: Opened, frame: Any) -> Any:
    scores = np.asarray(model.scores(frame[model.features]))
    return np.asarray(model.classes)[scores.argmax(axis=1)]


def _names(frame: Any, label: str) -> Any:
    return np.array([class_name(value) for value in frame[label]])


def _accuracy(given: Any, truth: Any) -> float:
    return float((given == truth).mean())


_REMEDIES: Mapping[str, Callable[..., Any]] = {
    "squeeze": _squeeze,
    "adversarial": _adversarial,
    "reweighing": _reweighing,
    "thresholds": _thresholds,
    "private": _private,
    "cleanse": _cleanse,
}
