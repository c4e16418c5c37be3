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
from hauberk.lifecycle.workers.attacking import Opened
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
        return replace(made, classes=names, scores=both)
    return made


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
