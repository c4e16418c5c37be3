"""Load boosters of XGBoost and LightGBM from the files of their own; only ever in the worker."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.lifecycle.workers.answers import advice, is_choice, labels_of, named, two_columns
from hauberk.lifecycle.workers.attacking import Opened, class_name
from hauberk.lifecycle.workers.forms import LIGHTGBM, XGBOOST
from hauberk.lifecycle.workers.relearning import is_retrained
from hauberk.methods import booster_recipes, tree_nodes
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
    if not made.classes or not is_retrained(request):
        return made
    n_rows = len(frames[1]) if len(frames) > 1 else None
    try:
        how = _HOWS[kind](booster, made.classes, request.get("recipe") or {}, n_rows)
    except ValueError as error:
        return replace(made, not_again=f"{error}; {_WAY_OUT}")
    return replace(made, again=how.trained, recipe=how.said)


_WAY_OUT = (
    'give how it was grown with --shadow-recipe FILE, as {"rounds": 100, "eta": 0.1, '
    '"max_depth": 6}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """How to grow a booster like another.

    Attributes:
        settings: As its library takes them.
        rounds: Of boosting.
        classes: Names in the order of the scores.
        grow: Settings, rounds, rows and codes to what answers rows.
    """

    settings: Mapping[str, Any]
    rounds: int
    classes: Sequence[str]
    grow: Callable[[Mapping[str, Any], int, Any, Any], Callable[[Any], Any]]

    def trained(self, rows: Any, labels: Any, seed: int) -> Callable[[Any], Any]:
        """A booster of these rows, as what answers a frame with probabilities."""
        place = {name: at for at, name in enumerate(self.classes)}
        codes = np.array([place.get(class_name(one), -1) for one in labels])
        cells = rows.to_numpy(np.float64)
        made = self.grow(
            {**self.settings, "seed": seed}, self.rounds, cells[codes >= 0], codes[codes >= 0]
        )

        def ask(some: Any) -> Any:
            found = np.asarray(made(some.to_numpy(np.float64)), np.float64)
            return np.column_stack([1 - found, found]) if found.ndim == 1 else found

        return ask

    def said(self) -> str:
        """The recipe in words."""
        plain = ", ".join(f"{name} {value}" for name, value in sorted(self.settings.items()))
        return f"{self.rounds} rounds, {plain}"


def _with(settings: dict[str, Any], rounds: int, given: Mapping[str, Any]) -> tuple[Any, int]:
    """What the user gives stands before what the file tells.

    Raises:
        ArtifactError: It is no recipe of a booster.
    """
    odd = sorted(set(given) - _SAID)
    values = {name: value for name, value in given.items() if name != "rounds"}
    rounds = given.get("rounds", rounds)
    if odd or type(rounds) is not int or not 0 < rounds <= _MOST_ROUNDS:
        raise ArtifactError(
            "the recipe of the shadows is none for a booster",
            rule="--shadow-recipe",
            expected=f"rounds (1 to {_MOST_ROUNDS}), {', '.join(sorted(_SAID - {'rounds'}))}",
            found=str(dict(given))[:200],
        )
    return settings | values, rounds


def _lightgbm_how(
    booster: Any, classes: Sequence[str], given: Mapping[str, Any], _n_rows: int | None
) -> _How:
    kept = getattr(booster, "params", {})
    objective = kept.get("objective")
    if objective not in _CLASSES or kept.get("boosting") not in _BOOSTED:
        message = f"its file tells objective {objective} and boosting {kept.get('boosting')}"
        raise ValueError(message)
    library = _library("lightgbm")
    rounds = booster.num_trees() // booster.num_model_per_iteration()
    settings = {name: kept[name] for name in _GROWN if name in kept} | {"objective": objective}
    settings |= {} if objective == "binary" else {"num_class": len(classes)}
    settings, rounds = _with(settings, rounds, given)

    def grow(how: Mapping[str, Any], rounds: int, cells: Any, codes: Any) -> Callable[[Any], Any]:
        quiet = {**how, "verbosity": -1, "num_threads": 1}
        made = library.train(quiet, library.Dataset(cells, codes), num_boost_round=rounds)
        return lambda some: made.predict(some, num_threads=1)

    return _How(settings=settings, rounds=rounds, classes=classes, grow=grow)


def _xgboost_how(
    booster: Any, classes: Sequence[str], given: Mapping[str, Any], n_rows: int | None
) -> _How:
    library = _library("xgboost")
    try:
        found = booster_recipes.of_xgboost(json.loads(bytes(booster.save_raw("json"))), n_rows)
    except ValueError as error:
        if "rounds" not in given:
            message = f"its file does not keep how its trees were grown, and {error}"
            raise ValueError(message) from error
        many = {"objective": "multi:softprob", "num_class": len(classes)}
        plain = {"objective": "binary:logistic"} if len(classes) == 2 else many  # noqa: PLR2004
        found = booster_recipes.BoosterRecipe(settings=plain, rounds=1)
    settings, rounds = _with(dict(found.settings), found.rounds, given)

    def grow(how: Mapping[str, Any], rounds: int, cells: Any, codes: Any) -> Callable[[Any], Any]:
        quiet = {**how, "verbosity": 0, "nthread": 1}
        made = library.train(quiet, library.DMatrix(cells, codes, nthread=1), rounds)
        return lambda some: made.predict(library.DMatrix(some, nthread=1))

    return _How(settings=settings, rounds=rounds, classes=classes, grow=grow)


_HOWS = {XGBOOST: _xgboost_how, LIGHTGBM: _lightgbm_how}
_MOST_ROUNDS = 100_000
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

_SAID = frozenset(_GROWN) - {"boosting"} | {
    "rounds",
    "eta",
    "lambda",
    "alpha",
    "gamma",
    "subsample",
    "colsample_bytree",
    "colsample_bylevel",
    "colsample_bynode",
    "max_leaves",
    "grow_policy",
    "min_child_weight",
    "max_delta_step",
    "num_parallel_tree",
    "tree_method",
    "scale_pos_weight",
}
"""What a recipe of the user's may say: nothing that names files, devices or code."""


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
            hint=advice(error, "name the columns that it takes in their order with --features"),
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
