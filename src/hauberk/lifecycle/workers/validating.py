"""Load a model once and ask it all that validation wants to know; see the package's docstring."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.lifecycle.workers import native
from hauberk.lifecycle.workers.attacking import Opened, attacked, class_name, triggered
from hauberk.lifecycle.workers.comparing import edited, inferred
from hauberk.lifecycle.workers.graphs import Graph, opened
from hauberk.lifecycle.workers.shadowing import again, exposed
from hauberk.methods.network_reading import of_onnx, of_sklearn
from hauberk.methods.weight_changes import weights_of_onnx, weights_of_sklearn

ONNX_MARKS = (b"\x08",)
"""The first field of an ONNX file is its version: field 1 as a number."""

_TWO = 2


def evaluate(payload: bytes) -> bytes:
    """Score tables, then move rows as far as allowed towards a wrong answer.

    Args:
        payload: JSON with ``model``, ``tables`` (the first is the one judged), ``label``,
            ``features`` (empty for the model's own), ``eps`` (radii in units of each
            feature's spread), ``rows`` and ``queries`` (bounds of the search), ``seed``,
            ``previous`` (path of the version before) and ``property`` (column and value).

    Returns:
        JSON with ``classes``, ``features``, ``scores`` (one entry per table: shape and
        float64, row-major, base64), ``robustness``, ``triggers``, ``exposure``, ``edited`` and
        ``inferred`` (see `attacked`, `triggered`, `exposed`, `edited` and `inferred`; ``null``
        where not asked for).
    """
    request = json.loads(payload)
    path = Path(request["model"])
    frames = [native._frame(Path(name)) for name in request["tables"]]  # noqa: SLF001
    _refuse_nothing(frames[0], request)
    model = _opened(path, frames[0], request)
    scores = [model.scores(frame[model.features]) for frame in frames]
    before = _opened(Path(request["previous"]), frames[0], request) if request["previous"] else None
    is_audited = request["property"] and len(frames) == _TWO
    return json.dumps(
        {
            "classes": model.classes,
            "features": model.features,
            "scores": [_packed(item) for item in scores],
            "robustness": attacked(model, frames[0], request) if request["eps"] else None,
            "exposure": exposed(model, frames, request) if request.get("shadows") else None,
            "edited": edited(model, before, frames[0], request) if before else None,
            "inferred": inferred(model, frames, request) if is_audited else None,
            "triggers": triggered(model, frames[0], request) if request.get("triggers") else None,
        }
    ).encode()


def _refuse_nothing(frame: Any, request: dict[str, Any]) -> None:
    if frame.empty or request["label"] not in frame:
        raise ArtifactError(
            "there are no rows to judge the model on",
            subject=request["tables"][0],
            rule=f"rows with the column {request['label']!r}",
            expected="one row or more",
            found=f"{len(frame)} rows, columns {', '.join(map(str, frame.columns))}"[:300],
        )


def _opened(path: Path, frame: Any, request: dict[str, Any]) -> Opened:
    with path.open("rb") as file:
        is_onnx = path.suffix == ".onnx" or file.read(1) in ONNX_MARKS
    if is_onnx:
        return _onnx(path, frame, request)
    model = native._load(path)  # noqa: SLF001
    features = native._features(model, frame, request["label"])  # noqa: SLF001
    classes = native._classes(model)  # noqa: SLF001
    return Opened(
        features=features,
        classes=classes,
        scores=lambda rows: native._scores(model, rows),  # noqa: SLF001
        network=lambda: of_sklearn(model),
        weights=lambda: weights_of_sklearn(model),
        again=again(model),
    )


def _onnx(path: Path, frame: Any, request: dict[str, Any]) -> Opened:
    graph = opened(path.read_bytes())
    named = [node.name for node in graph.session.get_inputs()]
    own = named if set(named) <= set(frame.columns) else []
    features = request["features"] or own
    features = features or [name for name in frame.columns if name != request["label"]]

    return Opened(
        features=features,
        classes=_onnx_classes(graph, frame[features], frame, request),
        scores=graph.scores,
        network=lambda: of_onnx(path.read_bytes()),
        weights=lambda: weights_of_onnx(path.read_bytes()),
    )


def _onnx_classes(graph: Graph, rows: Any, frame: Any, request: dict[str, Any]) -> list[str]:
    """Names of the score columns: from the graph's own labels, else the sorted labels of the data.

    A graph that gives labels beside scores says itself which column is which class.
    """
    import numpy as np

    outputs, scores = graph.outputs(rows), graph.scores(rows)
    if scores.ndim != _TWO or scores.shape[1] < _TWO:
        return []
    width = scores.shape[1]
    known = sorted({class_name(value) for value in frame[request["label"]]}, key=_natural)
    labels = np.asarray(outputs[0])
    if len(outputs) < _TWO or labels.size != len(rows) or labels.dtype.kind == "f":
        return known if len(known) == width else [str(place) for place in range(width)]
    places = scores.argmax(axis=1)
    said = dict(zip(places.tolist(), map(class_name, labels.reshape(-1)), strict=False))
    left = [name for name in known if name not in said.values()]
    for place in range(width):
        if place not in said and len(left) == width - len(said):
            said[place] = left.pop(0)
    return [said.get(place, f"class {place}") for place in range(width)]


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
