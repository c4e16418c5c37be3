"""Load a model once and ask it all that validation wants to know; see the package's docstring."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hauberk.lifecycle.workers import native

ONNX_MARKS = (b"\x08",)
"""The first field of an ONNX file is its version: field 1 as a number."""

_TWO = 2


def evaluate(payload: bytes) -> bytes:
    """Score tables, then move rows as far as allowed towards a wrong answer.

    Args:
        payload: JSON with ``model``, ``tables`` (the first is the one judged), ``label``,
            ``features`` (empty for the model's own), ``eps`` (radii in units of each
            feature's spread), ``rows`` and ``queries`` (bounds of the search), ``seed``.

    Returns:
        JSON with ``classes``, ``features``, ``scores`` (one entry per table: shape and
        float64, row-major, base64), ``curve`` (radius to share of rows that stay right),
        ``movable`` (features that were moved) and ``cpu_s`` (processor seconds of the search).
    """
    request = json.loads(payload)
    path = Path(request["model"])
    frames = [native._frame(Path(name)) for name in request["tables"]]  # noqa: SLF001
    model = _opened(path, frames[0], request)
    scores = [model.scores(frame[model.features]) for frame in frames]
    return json.dumps(
        {
            "classes": model.classes,
            "features": model.features,
            "scores": [_packed(item) for item in scores],
            "robustness": attacked(model, frames[0], request) if request["eps"] else None,
        }
    ).encode()


class _Opened:
    """A loaded model: its features, its classes and how it scores a frame of them."""

    def __init__(
        self, features: list[str], classes: list[str], scores: Callable[[Any], Any]
    ) -> None:
        self.features = features
        self.classes = classes
        self.scores = scores


def _opened(path: Path, frame: Any, request: dict[str, Any]) -> _Opened:
    with path.open("rb") as file:
        is_onnx = path.suffix == ".onnx" or file.read(1) in ONNX_MARKS
    if is_onnx:
        return _onnx(path, frame, request)
    model = native._load(path)  # noqa: SLF001
    features = native._features(model, frame, request["label"])  # noqa: SLF001
    classes = native._classes(model)  # noqa: SLF001
    return _Opened(features, classes, lambda rows: native._scores(model, rows))  # noqa: SLF001


def _onnx(path: Path, frame: Any, request: dict[str, Any]) -> _Opened:
    session = native._session(path.read_bytes())  # noqa: SLF001
    inputs = session.get_inputs()
    named = [node.name for node in inputs]
    own = named if set(named) <= set(frame.columns) else []
    features = request["features"] or own
    features = features or [name for name in frame.columns if name != request["label"]]

    def outputs(rows: Any) -> list[Any]:
        found: list[Any] = session.run(None, native._feed(inputs, rows))  # noqa: SLF001
        return found

    def scores(rows: Any) -> Any:
        import numpy as np

        return np.asarray(outputs(rows)[-1], dtype=np.float64)

    return _Opened(features, _onnx_classes(outputs(frame[features]), frame, request), scores)


def _onnx_classes(outputs: list[Any], frame: Any, request: dict[str, Any]) -> list[str]:
    """Names of the score columns: from the graph's own labels, else the sorted labels of the data.

    A graph that gives labels beside scores says itself which column is which class.
    """
    import numpy as np

    scores = np.asarray(outputs[-1])
    if scores.ndim != _TWO or scores.shape[1] < _TWO:
        return []
    width = scores.shape[1]
    known = sorted({_name(value) for value in frame[request["label"]]}, key=_natural)
    if len(outputs) < _TWO:
        return known if len(known) == width else [str(place) for place in range(width)]
    places = scores.argmax(axis=1)
    said = dict(zip(places.tolist(), map(_name, np.asarray(outputs[0]).reshape(-1)), strict=False))
    left = [name for name in known if name not in said.values()]
    for place in range(width):
        if place not in said and len(left) == width - len(said):
            said[place] = left.pop(0)
    return [said.get(place, f"class {place}") for place in range(width)]


def _name(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers in their order, before words in theirs."""
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)


def _packed(scores: Any) -> dict[str, Any]:
    return {
        "shape": list(scores.shape),
        "data": base64.b64encode(scores.astype("float64").tobytes()).decode(),
    }


def attacked(model: _Opened, frame: Any, request: dict[str, Any]) -> dict[str, Any]:
    """How many rows stay right while attacks move them, and how hard that was tried.

    Returns:
        ``curve`` (radius, rows that stay right), ``rows`` of ``of``, ``attacks``, ``queries``,
        ``radius``, ``norm``, ``unit``, ``movable``, ``cpu_s``; or ``not_applicable`` with the
        reason.
    """
    import numpy as np

    from hauberk.methods.perturb import ATTACKS, stays_right

    if not model.classes:
        return {"not_applicable": "the model gives numbers, not classes"}
    place = {name: index for index, name in enumerate(model.classes)}
    kept = frame[[_name(value) in place for value in frame[request["label"]]]]
    kept = kept.dropna(subset=model.features)
    movable = [name for name in model.features if _is_movable(kept[name])]
    if len(kept) < _TWO or not movable:
        return {"not_applicable": "no numeric feature of more than two values to move"}
    started = time.process_time()
    rng = np.random.default_rng(request["seed"])
    rows = kept.iloc[np.sort(rng.permutation(len(kept))[: max(int(request["rows"]), 0)])]
    moving = _Moving(model, rows[model.features], movable)
    labels = np.array([place[_name(value)] for value in rows[request["label"]]], np.int64)
    curve = []
    for eps in sorted(request["eps"]):
        right = stays_right(
            moving.scores, moving.start, labels, moving.ball(eps), rng, n_queries=request["queries"]
        )
        curve.append([float(eps), int(right.sum())])
    return {
        "curve": curve,
        "rows": len(rows),
        "of": len(kept),
        "attacks": list(ATTACKS),
        "queries": int(request["queries"]),
        "radius": max(eps for eps, _ in curve),
        "norm": "linf",
        "unit": "spread of each feature",
        "movable": movable,
        "cpu_s": time.process_time() - started,
    }


def _is_movable(column: Any) -> bool:
    """Numbers of more than two values; a switch or a category has no neighbourhood."""
    return bool(column.dtype.kind in "iuf") and column.nunique() > _TWO


class _Moving:
    """Rows whose movable features are changed while the others stay as they were.

    Attributes:
        start: ``(n_rows, 1 + n_movable)``: the row's number, which no ball moves, then its
            movable features.
    """

    def __init__(self, model: _Opened, rows: Any, movable: list[str]) -> None:
        import numpy as np

        self._model = model
        self._rows = rows.reset_index(drop=True)
        self._movable = movable
        self._whole = np.array([rows[name].dtype.kind in "iu" for name in movable])
        numbers = self._rows[movable].to_numpy(np.float64)
        self.start = np.column_stack([np.arange(len(numbers), dtype=np.float64), numbers])

    def ball(self, eps: float) -> Any:
        """How far rows may move: ``eps`` spreads of each feature, within what the data holds."""
        from hauberk.methods.perturb import Ball

        scale = self.start.std(axis=0)
        scale[0] = 0.0
        return Ball(eps=eps, scale=scale, low=self.start.min(axis=0), high=self.start.max(axis=0))

    def scores(self, moved: Any) -> Any:
        """Scores of moved rows; whole numbers stay whole, rounded towards where they were."""
        import numpy as np

        places = moved[:, 0].astype(np.int64)
        before = self.start[places, 1:]
        step = moved[:, 1:] - before
        values = before + np.where(self._whole, np.trunc(step), step)
        frame = self._rows.iloc[places].reset_index(drop=True)
        for place, name in enumerate(self._movable):
            frame[name] = values[:, place].astype(frame[name].dtype)
        return self._model.scores(frame)
