"""Attack a loaded model on rows of a table; only ever in the worker that loaded it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hauberk.errors import HauberkError
from hauberk.methods import schema as schemas
from hauberk.methods.certified import exact_radii, smoothed_radii
from hauberk.methods.evasion import Gradient, Space
from hauberk.methods.networks import (
    Network,
    cross_entropy_pull,
    margin_pull,
    straightened,
)
from hauberk.methods.perturb import Ball
from hauberk.methods.stress import Budget, stressed
from hauberk.methods.torch_networks import quickened
from hauberk.methods.tree_nodes import Tree

NOT_AGAIN = "the model cannot be trained again here"

_TWO = 2
_FAITHFUL = 1e-3
_CHECKED = 64
_DECISIONS = 6
_SMOOTHED = 100
"""Rows whose radius is proven by noisy answers; each costs all draws."""

_PICTURE, _LEAST_PIXELS = 3, 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A loaded model.

    Attributes:
        features: Columns that it takes, in its order.
        classes: Names in the order of the scores; none for a regression.
        scores: A frame of the features to scores.
        network: Gives the model as a network, or raises where it is none.
        weights: Gives its numbers by name.
        again: Trains a model of the same kind on a frame, its labels and a seed; ``None`` where
            that cannot be done.
        not_again: Why it cannot, and what to give.
        recipe: How shadows are trained, in words, where the model does not say it itself.
        are_logits: Whether the scores are logits, which are attacked as they are and told as
            probabilities.
        estimator: The fitted estimator of scikit-learn, where it is one.
        trees: Gives the trees that it is made of, by the order of its features; none where none
            are known.
    """

    features: list[str]
    classes: list[str]
    scores: Callable[[Any], Any]
    network: Callable[[], Network]
    weights: Callable[[], Mapping[str, Any]] = dict
    again: Callable[[Any, Any, int], Callable[[Any], Any]] | None = None
    not_again: str = NOT_AGAIN
    recipe: Callable[[], str] = str
    are_logits: bool = False
    estimator: Any = None
    trees: Callable[[], Sequence[Tree]] = tuple


def class_name(value: Any) -> str:
    """A label as class names spell it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def attacked(model: Opened, frame: Any, request: dict[str, Any]) -> dict[str, Any]:
    """How many rows stay right while attacks move them, and how hard that was tried.

    Args:
        request: ``label``, ``eps``, ``rows``, ``queries``, ``seed``; ``norm`` and ``schema``
            where they are not the usual.

    Returns:
        ``curve`` (radius, rows that stay right), ``rows`` of ``of``, ``attacks``, ``queries``,
        ``steps``, ``radius``, ``norm``, ``unit``, ``movable``, ``passes``, ``fooled``, ``valid``,
        ``hides_gradients``, ``schema``, ``certified``, ``cpu_s``; or ``not_applicable`` with the
        reason.
    """
    if not model.classes:
        return {"not_applicable": "the model gives numbers, not classes"}
    place = {name: index for index, name in enumerate(model.classes)}
    kept = frame[[class_name(value) in place for value in frame[request["label"]]]]
    kept = kept.dropna(subset=model.features)
    numeric = [name for name in model.features if kept[name].dtype.kind in "iuf"]
    schema = schemas.learn(numeric, kept[numeric].to_numpy(np.float64)) if len(kept) else None
    if schema is not None and request.get("schema"):
        schema = schemas.corrected(schema, request["schema"])
    if schema is None or len(kept) < _TWO or not any(schema.scale):
        return {"not_applicable": "no numeric feature of more than two values to move"}
    rng = np.random.default_rng(request["seed"])
    places = np.sort(rng.permutation(len(kept))[: max(int(request["rows"]), 0)])
    rows = kept.iloc[places].reset_index(drop=True)
    labels = np.array([place[class_name(value)] for value in rows[request["label"]]], np.int64)
    fight = _Fight(model=model, rows=rows, numeric=numeric, labels=labels)
    return fight.fought(schema, request, rng) | {"of": len(kept)}


def moved_rows(model: Opened, frame: Any, request: Mapping[str, Any], eps: float) -> Any:
    """Rows of ``frame`` where attacks moved them, with their labels; ``None`` where none can move.

    Args:
        request: As for `attacked`; ``rows`` bounds them.
    """
    place = {name: index for index, name in enumerate(model.classes)}
    kept = frame[[class_name(value) in place for value in frame[request["label"]]]]
    kept = kept.dropna(subset=model.features)
    numeric = [name for name in model.features if kept[name].dtype.kind in "iuf"]
    if not numeric or len(kept) < _TWO:
        return None
    schema = schemas.learn(numeric, kept[numeric].to_numpy(np.float64))
    rng = np.random.default_rng(request["seed"])
    rows = kept.iloc[rng.permutation(len(kept))[: max(int(request["rows"]), 1)]]
    rows = rows.reset_index(drop=True)
    labels = np.array([place[class_name(value)] for value in rows[request["label"]]], np.int64)
    fight = _Fight(model=model, rows=rows, numeric=numeric, labels=labels)
    values = rows[numeric].to_numpy(np.float64)
    fight.start = np.column_stack([values, np.arange(len(values), dtype=np.float64)])
    found = stressed(
        fight.scores,
        fight.start,
        labels,
        _space(schema, eps, request.get("norm", "linf")),
        rng,
        slope=fight.slope(fight.known(values)),
        budget=Budget(n_queries=int(request["queries"])),
    )
    moved = rows.copy()
    for column, name in enumerate(numeric):
        moved[name] = found.moved[:, column].astype(rows[name].dtype)
    return moved


def triggered(model: Opened, frame: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Search the model for a trigger of some class, see `hauberk.methods.triggers`.

    Returns:
        ``masks``, ``taken``, ``target``, ``calibrated``, ``rows`` of ``of``; or ``not_applicable``
        with the reason.
    """
    from hauberk.controls.model.planted_triggers import PlantedTriggers
    from hauberk.core.control import NotApplicable
    from hauberk.methods.triggers import Search, ranges, signs

    control = PlantedTriggers()
    network, values, labels = rows_of(model, frame, request)
    if network is None:
        return {"not_applicable": "no gradients of the model are known"}
    try:
        control.refuse(len(model.classes), values.shape[1], len(values))
    except NotApplicable as silent:
        return {"not_applicable": str(silent)}
    low, high = ranges(values)
    found = signs(
        quickened(network),
        values,
        labels,
        np.random.default_rng(request["seed"]),
        low=low,
        high=high,
        search=Search(n_rows=control.n_rows),
    )
    return {
        "masks": found.masks.tolist(),
        "taken": found.taken.tolist(),
        "target": found.target,
        "calibrated": control.is_calibrated(network),
        "rows": min(control.n_rows, len(values)),
        "of": len(values),
    }


def rows_of(
    model: Opened, frame: Any, request: Mapping[str, Any]
) -> tuple[Network | None, Any, Any]:
    """The model as a network where it is one, and rows of known classes as numbers."""
    place = {name: index for index, name in enumerate(model.classes)}
    numeric = [name for name in model.features if frame[name].dtype.kind in "iuf"]
    kept = frame.dropna(subset=model.features)
    names = [class_name(value) for value in kept[request["label"]]]
    kept = kept[[name in place for name in names]]
    labels = np.array([place[name] for name in names if name in place], np.int64)
    fight = _Fight(model=model, rows=kept, numeric=numeric, labels=labels)
    values = kept[numeric].to_numpy(np.float64)
    fight.start = np.column_stack([values, np.arange(len(values), dtype=np.float64)])
    network = fight.known(values)
    return network, values, labels


@dataclass(slots=True, kw_only=True)
class _Fight:
    """Rows of numbers, with their own number in the last column for what does not move."""

    model: Opened
    rows: Any
    numeric: list[str]
    labels: Any
    start: Any = None
    passes: dict[str, list[int]] = field(default_factory=dict)
    fooled: dict[str, int] = field(default_factory=dict)

    def fought(
        self, schema: schemas.Schema, request: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        started = time.process_time()
        values = self.rows[self.numeric].to_numpy(np.float64)
        self.start = np.column_stack([values, np.arange(len(values), dtype=np.float64)])
        network = self.known(values)
        budget = Budget(
            n_queries=int(request["queries"]),
            n_decisions=_DECISIONS,
            picture=_picture(network, values) if self.numeric == self.model.features else None,
        )
        alive, curve, hides, valid = np.arange(len(values)), [], None, True
        for eps in sorted(request["eps"]):
            space = _space(schema, float(eps), request.get("norm", "linf"))
            found = stressed(
                self.scores,
                self.start[alive],
                self.labels[alive],
                space,
                rng,
                slope=self.slope(network),
                straight=self.slope(network, straight=True),
                budget=budget,
            )
            self._count(found)
            valid &= bool(schema.keeps(found.moved[:, :-1], self.start[alive][:, :-1]).all())
            if found.hides_gradients is not None:
                hides = bool(hides) or found.hides_gradients
            alive = alive[found.right]
            curve.append([float(eps), len(alive)])
        return {
            "curve": curve,
            "rows": len(values),
            "attacks": list(self.passes),
            "queries": budget.n_queries,
            "steps": budget.n_steps,
            "radius": max(eps for eps, _ in curve),
            "norm": request.get("norm", "linf"),
            "unit": "spread of each feature",
            "movable": list(schema.movable),
            "passes": self.passes,
            "fooled": self.fooled,
            "valid": valid,
            "hides_gradients": hides,
            "schema": schema.to_json(),
            "certified": self.certified(schema, request, rng),
            "cpu_s": time.process_time() - started,
        }

    def certified(
        self, schema: schemas.Schema, request: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any] | None:
        """Rows that are proven to stay right at each radius; ``None`` where nothing is proven."""
        if self.numeric != self.model.features:
            return None
        values, radii = self.start[:, :-1], sorted(map(float, request["eps"]))
        scale = np.asarray(schema.scale, np.float64)
        norm, draws = request.get("norm", "linf"), int(request.get("certify") or 0)
        if draws:
            values, unit = values[:_SMOOTHED], radii[len(radii) // 2]
            proven = smoothed_radii(
                lambda some: self.model.scores(_framed(self.rows[self.numeric].iloc[:0], some)),
                values,
                self.labels[:_SMOOTHED],
                rng,
                sigma=unit * scale,
                unit=unit,
                n_draws=draws,
            )
            how = f"randomised smoothing, L2, noise of {unit:g} spreads, {draws} draws a row"
        else:
            try:
                proven = exact_radii(self.model.estimator, values, self.labels, scale, norm)
            except (HauberkError, ValueError, AttributeError, TypeError):
                return None
            how = "exact"
        curve = [[eps, int((proven > eps).sum())] for eps in radii]
        return {"how": how, "curve": curve, "rows": len(values)}

    def scores(self, moved: Any) -> Any:
        if self.numeric == self.model.features:
            whole = self.rows[self.numeric].iloc[:0]
            return np.asarray(self.model.scores(_framed(whole, moved[:, :-1])), np.float64)
        places = moved[:, -1].astype(np.int64)
        frame = self.rows.iloc[places].reset_index(drop=True)
        for column, name in enumerate(self.numeric):
            frame[name] = moved[:, column].astype(self.rows[name].dtype)
        return np.asarray(self.model.scores(frame[self.model.features]), np.float64)

    def known(self, values: Any) -> Network | None:
        """The model as a network, where it is one and answers as the model does."""
        if self.numeric != self.model.features or not len(values):
            return None
        try:
            network = self.model.network()
            mine = network.scores(values[:_CHECKED])
        except (HauberkError, ValueError, KeyError, IndexError, TypeError, AttributeError):
            return None
        theirs = self.scores(self.start[:_CHECKED])
        if mine.shape != theirs.shape or not np.abs(mine - theirs).max() < _FAITHFUL:
            return None
        return network

    def slope(self, network: Network | None, *, straight: bool = False) -> Gradient | None:
        if network is None:
            return None
        taken = straightened(network) if straight else network
        if taken.result == network.result and straight:
            return None
        if straight and not _has_all_scores(taken, self.start[:1, :-1], len(self.model.classes)):
            return None
        taken = quickened(taken)

        def slope(rows: Any, labels: Any) -> tuple[Any, Any]:
            if straight:
                pull = margin_pull(labels)
            else:
                pull = cross_entropy_pull(labels, is_probability=taken.is_probability)
            scores, gradient = taken.gradient(rows[:, :-1].astype(np.float32), pull)
            return scores, np.column_stack([gradient, np.zeros(len(rows))])

        return slope

    def _count(self, found: Any) -> None:
        for name, tally in found.tally.items():
            self.fooled[name] = self.fooled.get(name, 0) + found.fooled[name]
            before = self.passes.get(name, [0, 0, 0])
            now = [tally.calls, tally.forward, tally.backward]
            self.passes[name] = [a + b for a, b in zip(before, now, strict=True)]


def _picture(network: Network | None, values: Any) -> tuple[int, int, int] | None:
    """Channels, height and width where each row is a picture: one range, and a square of it."""
    from hauberk.methods.triggers import ranges

    if network is not None and len(network.shape) == _PICTURE:
        channels, height, width = network.shape
        return channels, height, width
    n_inputs = values.shape[1]
    if n_inputs < _LEAST_PIXELS or len(values) < _TWO:
        return None
    low, high = ranges(values)
    if np.ptp(low) or np.ptp(high):
        return None
    for channels in (1, 3):
        side = math.isqrt(n_inputs // channels)
        if side * side * channels == n_inputs:
            return channels, side, side
    return None


def _has_all_scores(network: Network, row: Any, n: int) -> bool:
    return bool(network.scores(row).shape == (1, n))


def _framed(like: Any, values: Any) -> Any:
    """A frame of numbers with the columns of ``like``."""
    return type(like)(values, columns=like.columns)


def _space(schema: schemas.Schema, eps: float, norm: str) -> Space:
    def repaired(moved: Any, rows: Any) -> Any:
        return np.column_stack([schema.repaired(moved[:, :-1], rows[:, :-1]), rows[:, -1]])

    scale = np.append(schema.scale, 0.0)
    low = np.append([one.low for one in schema.features], -np.inf)
    high = np.append([one.high for one in schema.features], np.inf)
    ball = Ball(eps=eps, scale=scale, low=low, high=high)
    return Space(ball=ball, norm=norm, repaired=repaired)
