"""Load a model once and ask it all that validation wants to know; see the package's docstring."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from hauberk.controls.model.drawn_answers import DrawnAnswers
from hauberk.errors import ArtifactError, UnavailableError
from hauberk.lifecycle.workers import boosters, native, torch_models
from hauberk.lifecycle.workers.answers import (
    advice,
    are_probabilities,
    is_choice,
    labels_of,
    named,
    softmax,
    two_columns,
)
from hauberk.lifecycle.workers.attacking import NOT_AGAIN, Opened, attacked, class_name, triggered
from hauberk.lifecycle.workers.comparing import decided, edited, inferred
from hauberk.lifecycle.workers.forms import booster_form, torch_form
from hauberk.lifecycle.workers.graphs import Graph, opened
from hauberk.lifecycle.workers.owning import owned
from hauberk.lifecycle.workers.relearning import is_retrained, learning_graph
from hauberk.lifecycle.workers.remedies import remedied
from hauberk.lifecycle.workers.shadowing import again, exposed
from hauberk.methods.network_reading import of_onnx, of_sklearn
from hauberk.methods.tree_nodes import of_estimator
from hauberk.methods.tree_nodes import of_onnx as trees_of_onnx
from hauberk.methods.weight_changes import weights_of_onnx, weights_of_sklearn

ONNX_MARKS = (b"\x08",)
"""The first field of an ONNX file is its version: field 1 as a number."""

_TWO = 2
_HEAD = 4096
_OWN_RECIPE = (
    "an estimator of scikit-learn is trained again with its own settings; leave --shadow-recipe out"
)


def evaluate(payload: bytes) -> bytes:
    """Score tables, then move rows as far as allowed towards a wrong answer.

    Args:
        payload: JSON with ``model``, ``tables`` (the first is the one judged), ``label``,
            ``features`` (empty for the model's own), ``eps`` (radii in units of each
            feature's spread), ``rows`` and ``queries`` (bounds of the search), ``seed``,
            ``previous`` (path of the version before), ``property`` (column and value) and
            ``shape`` (of one row, where a program of torch takes another than a line);
            ``identifiers`` (columns); ``recipe`` (of shadows, where the model does not tell);
            ``remedies`` and ``sensitive`` as `remedied` takes them.

    Returns:
        JSON with ``classes``, ``features``, ``scores`` (one entry per table: shape and
        float64, row-major, base64), ``drawn`` (see `DrawnAnswers.differences`), ``robustness``,
        ``triggers``, ``regions``, ``exposure``, ``edited`` and ``inferred`` (see `attacked`,
        `triggered`, `owned`, `exposed`, `edited` and `inferred`; ``null`` where not asked for),
        ``decided`` (see `decided`) and ``remedies`` (see `remedied`).
    """
    request = json.loads(payload)
    path = Path(request["model"])
    frames = [native._frame(Path(name)) for name in request["tables"]]  # noqa: SLF001
    _refuse_nothing(frames[0], request)
    model = _opened(path, frames, request)
    scores = [_told(model, frame) for frame in frames]
    before = _opened(Path(request["previous"]), frames, request) if request["previous"] else None
    is_audited = request["property"] and len(frames) == _TWO
    return json.dumps(
        {
            "classes": model.classes,
            "features": model.features,
            "scores": [_packed(item) for item in scores],
            "drawn": _drawn(model, frames[0]),
            "robustness": attacked(model, frames[0], request) if request["eps"] else None,
            "exposure": exposed(model, frames, request) if request.get("shadows") else None,
            "edited": edited(model, before, frames[0], request) if before else None,
            "inferred": inferred(model, frames, request) if is_audited else None,
            "triggers": triggered(model, frames[0], request) if request.get("triggers") else None,
            "regions": owned(model, frames, request) if request.get("triggers") else None,
            "decided": decided(model, frames[0], request) if request.get("identifiers") else [],
            "remedies": remedied(model, frames, request) if request.get("remedies") else [],
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
            hint="give rows with the label to predict; look at what made the table empty",
        )


def _drawn(model: Opened, frame: Any) -> list[float]:
    """Rows, rows with another class and the largest difference of two calls of the same rows."""
    control = DrawnAnswers()
    rows = frame.iloc[: control.n_rows]
    return list(control.differences(lambda: _told(model, rows)))


def _told(model: Opened, frame: Any) -> Any:
    scores = model.scores(frame[model.features])
    return softmax(scores) if model.are_logits else scores


def _opened(path: Path, frames: list[Any], request: dict[str, Any]) -> Opened:
    with path.open("rb") as file:
        is_graph = path.suffix == ".onnx" or file.read(1) in ONNX_MARKS
    if is_graph:
        return _onnx(path, frames, request)
    if kind := torch_form(path):
        return torch_models.opened(path, kind, frames, request)
    if kind := booster_form(path):
        return boosters.opened(path, kind, frames, request)
    model = native._load(path)  # noqa: SLF001
    features = native._features(model, frames[0], request["label"])  # noqa: SLF001
    classes = native._classes(model)  # noqa: SLF001
    return Opened(
        features=features,
        classes=classes,
        scores=lambda rows: _scored(model, rows),
        network=lambda: of_sklearn(model),
        weights=lambda: weights_of_sklearn(model),
        again=None if request.get("recipe") else again(model),
        not_again=_OWN_RECIPE if request.get("recipe") else NOT_AGAIN,
        estimator=model if hasattr(model, "get_params") else None,
        trees=lambda: of_estimator(model, len(features)),
    )


def _scored(model: Any, rows: Any) -> Any:
    try:
        return native._scores(model, rows)  # noqa: SLF001
    except ArtifactError:
        raise
    except Exception as error:  # foreign code may raise anything; it becomes our error
        raise ArtifactError(
            "the model cannot score the rows",
            rule="rows are as those it was trained on: columns, their order and their kinds",
            expected=f"rows of {', '.join(map(str, rows.columns[:10]))} that it takes",
            found=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
            hint=advice(
                error, "fill in missing cells and turn words into numbers as the training did"
            ),
        ) from error


def _onnx(path: Path, frames: list[Any], request: dict[str, Any]) -> Opened:
    frame, data = frames[0], path.read_bytes()
    graph = opened(data)
    inputs = [node.name for node in graph.session.get_inputs()]
    own = inputs if set(inputs) <= set(frame.columns) else []
    features = request["features"] or own
    features = features or [name for name in frame.columns if name != request["label"]]
    labels = labels_of(frames, request["label"])
    if said := graph.labels(frame[features].iloc[:_HEAD]):
        return _decided(graph, features, {*labels, *map(class_name, said)})
    first = graph.scores(frame[features])
    if first.ndim == 1 and is_choice(labels) and not _is_regressor(data):
        classes, both = two_columns(graph.scores, labels, first)
        return Opened(features=features, classes=classes, scores=both, network=_no_network)
    made = Opened(
        features=features,
        classes=_onnx_classes(graph, frame[features], first, labels),
        scores=graph.scores,
        network=lambda: of_onnx(data),
        weights=lambda: weights_of_onnx(data),
        trees=lambda: trees_of_onnx(data, len(features)),
        are_logits=first.ndim == _TWO and not are_probabilities(first),
    )
    return learning_graph(made, frames, request) if is_retrained(request) else made


def _decided(graph: Graph, features: list[str], names: set[str]) -> Opened:
    """A graph that gives classes and no scores: all or nothing for each."""
    import numpy as np

    classes = sorted(names)

    def scores(rows: Any) -> Any:
        given = [class_name(one) for one in graph.labels(rows) or ()]
        return (np.array(given)[:, None] == np.array(classes)[None, :]).astype(np.float64)

    return Opened(features=features, classes=classes, scores=scores, network=_no_network)


def _no_network() -> Any:
    raise UnavailableError("a model of one score has no gradients here")


def _is_regressor(data: bytes) -> bool:
    """Whether the graph says that it gives numbers; converters of estimators name it so."""
    import onnx

    nodes = onnx.load_model_from_string(data).graph.node
    return any(node.op_type.endswith("Regressor") for node in nodes)


def _onnx_classes(graph: Graph, rows: Any, scores: Any, labels: list[str]) -> list[str]:
    """Names of the score columns: from the graph's own labels, else the labels of the data.

    A graph that gives labels beside scores says itself which column is which class.
    """
    import numpy as np

    if scores.ndim != _TWO or scores.shape[1] < _TWO:
        return []
    width, outputs = scores.shape[1], graph.outputs(rows)
    given = np.asarray(outputs[0])
    if len(outputs) < _TWO or given.size != len(rows) or given.dtype.kind == "f":
        return named(width, labels)
    places = scores.argmax(axis=1)
    said = dict(zip(places.tolist(), map(class_name, given.reshape(-1)), strict=False))
    left = [name for name in labels if name not in said.values()]
    for place in range(width):
        if place not in said and len(left) == width - len(said):
            said[place] = left.pop(0)
    return [said.get(place, f"class {place}") for place in range(width)]


def _packed(scores: Any) -> dict[str, Any]:
    return {
        "shape": list(scores.shape),
        "data": base64.b64encode(scores.astype("float64").tobytes()).decode(),
    }
