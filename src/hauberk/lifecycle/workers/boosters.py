"""Load boosters of XGBoost and LightGBM from the files of their own; only ever in the worker."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.lifecycle.workers.answers import is_choice, labels_of, named, two_columns
from hauberk.lifecycle.workers.attacking import Opened, class_name
from hauberk.lifecycle.workers.forms import LIGHTGBM, XGBOOST
from hauberk.methods import tree_nodes
from hauberk.methods.weight_changes import weights_of_lightgbm, weights_of_xgboost

_MATRIX = 2


def asked(path: Path, form: str) -> tuple[list[str], Callable[[Any], Any]]:
    """Names of the columns of the booster in a file, and its scores of a frame.

    Raises:
        UnavailableError: Its library is not installed.
        ArtifactError: The library does not take it.
    """
    own, ask, _ = _READERS[form](path)
    return own, ask


def is_binary(path: Path, form: str) -> bool:
    """Whether a booster of one score gives the probability of the second of two classes."""
    data = path.read_bytes()[: 1 << 20] + path.read_bytes()[-(1 << 16) :]
    return bool(re.search(rb"binary:logistic" if form == XGBOOST else rb"objective=binary", data))


def opened(path: Path, kind: str, frames: Sequence[Any], request: Mapping[str, Any]) -> Opened:
    """The booster in a file.

    Raises:
        UnavailableError: Its library is not installed.
        ArtifactError: The library does not take it, or the rows lack its columns.
    """
    own, ask, booster = _READERS[kind](path)
    frame = frames[0]
    features = list(request["features"]) or own
    if not set(features) <= set(frame.columns) or not features:
        named_here = [str(name) for name in frame.columns if name != request["label"]]
        if len(features) not in (0, len(named_here)) or not are_made_up(features):
            raise ArtifactError(
                "the model wants columns that the table lacks",
                expected=", ".join(features[:20]),
                found=", ".join(named_here[:20]),
                hint="name its columns in their order with --features",
            )
        features = named_here
    labels = labels_of(frames, request["label"])
    first = _asked(ask, frame[features])
    made = Opened(
        features=features,
        classes=named(first.shape[1], labels) if first.ndim == _MATRIX else [],
        scores=ask,
        network=_none,
        trees=lambda: _NODES[kind](booster),
        weights=lambda: _WEIGHTS[kind](booster),
    )
    if first.ndim != _MATRIX and is_choice(labels):
        names, both = two_columns(ask, labels, first)
        made = replace(made, classes=names, scores=both)
    again = _again(booster, made.classes) if kind == LIGHTGBM and made.classes else None
    return replace(made, again=again)


def _again(booster: Any, classes: Sequence[str]) -> Callable[[Any, Any, int], Any] | None:
    """How to train a booster of LightGBM like this one; ``None`` where its file does not say.

    XGBoost's files do not keep how their trees were grown.
    """
    kept = getattr(booster, "params", {})
    if kept.get("objective") not in _CLASSES or kept.get("boosting") not in _BOOSTED:
        return None
    library = _library("lightgbm")
    rounds = booster.num_trees() // booster.num_model_per_iteration()
    place = {name: at for at, name in enumerate(classes)}
    is_binary = kept["objective"] == "binary"

    def trained(rows: Any, labels: Any, seed: int) -> Callable[[Any], Any]:
        codes = np.array([place.get(class_name(one), -1) for one in labels])
        known = codes >= 0
        settings = {name: kept[name] for name in _GROWN if name in kept}
        settings |= {"objective": kept["objective"], "seed": seed, "verbosity": -1}
        settings |= {"num_threads": 1} | ({} if is_binary else {"num_class": len(classes)})
        data = library.Dataset(rows.to_numpy(np.float64)[known], codes[known])
        made = library.train(settings, data, num_boost_round=rounds)

        def ask(some: Any) -> Any:
            found = np.asarray(made.predict(some.to_numpy(np.float64), num_threads=1))
            return np.column_stack([1 - found, found]) if found.ndim == 1 else found

        return ask

    return trained


_CLASSES = ("binary", "multiclass")
_BOOSTED = ("gbdt", "dart", "rf")
_GROWN = (
    "boosting",
    "learning_rate",
    "num_leaves",
    "max_depth",
    "min_data_in_leaf",
    "min_sum_hessian_in_leaf",
    "bagging_fraction",
    "bagging_freq",
    "feature_fraction",
    "lambda_l1",
    "lambda_l2",
    "min_gain_to_split",
    "max_bin",
)
"""How trees are grown; what only says where files lie or how much is printed is left."""


def are_made_up(names: Sequence[str]) -> bool:
    """Names that a library made up where it was given none: ``f0``, ``Column_0``."""
    return all(re.fullmatch(r"(f|Column_)\d+", name) for name in names)


def _asked(ask: Callable[[Any], Any], rows: Any) -> Any:
    try:
        return np.asarray(ask(rows))
    except Exception as error:  # a foreign library may raise anything; it becomes our error
        raise ArtifactError(
            "the model cannot score the rows",
            found=f"{type(error).__name__}: {str(error)[:200]}",
            hint="name the columns that it takes in their order with --features",
        ) from error


def _xgboost(path: Path) -> tuple[list[str], Callable[[Any], Any], Any]:
    library = _library("xgboost")
    booster = library.Booster()
    _load(lambda: booster.load_model(str(path)), "XGBoost")
    booster.set_param({"nthread": 1})
    names = [str(name) for name in booster.feature_names or ()]

    def ask(rows: Any) -> Any:
        matrix = library.DMatrix(rows.to_numpy(np.float32), feature_names=names or None, nthread=1)
        return np.asarray(booster.predict(matrix), np.float64)

    return names, ask, booster


def _lightgbm(path: Path) -> tuple[list[str], Callable[[Any], Any], Any]:
    library = _library("lightgbm")
    booster = _load(lambda: library.Booster(model_file=str(path)), "LightGBM")
    names = [str(name) for name in booster.feature_name()]

    def ask(rows: Any) -> Any:
        found = booster.predict(rows.to_numpy(np.float64), num_threads=1)
        return np.asarray(found, np.float64)

    return names, ask, booster


_READERS = {XGBOOST: _xgboost, LIGHTGBM: _lightgbm}
_WEIGHTS = {XGBOOST: weights_of_xgboost, LIGHTGBM: weights_of_lightgbm}
_NODES = {XGBOOST: tree_nodes.of_xgboost, LIGHTGBM: tree_nodes.of_lightgbm}


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise UnavailableError(
            f"{name} is not installed beside Hauberk",
            rule="a model is scored by the library that made it",
            hint=f"pip install {name}, or name an interpreter that has it with --python",
        ) from None


def _load(work: Callable[[], Any], library: str) -> Any:
    try:
        return work()
    except Exception as error:  # a foreign library may raise anything; it becomes our error
        raise ArtifactError(
            f"{library} does not take the model",
            found=f"{type(error).__name__}: {str(error)[:200]}",
            hint="the library beside Hauberk may be older than the one that wrote the file",
        ) from error


def _none() -> Any:
    raise UnavailableError("trees have no gradients")
