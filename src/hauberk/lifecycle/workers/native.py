"""Score and convert a model in the library that made it; see the package's docstring."""

from __future__ import annotations

import base64
import json
import warnings
from itertools import product
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError, HauberkError, UnavailableError

TENSOR = "input"
"""Name of the one input of models whose features are all numbers."""

OPSET = 17
"""ONNX operator set written; every onnxruntime of the last three years reads it."""


def score(payload: bytes) -> bytes:
    """Score a table with a native model.

    Args:
        payload: JSON with ``model`` and ``table`` (paths that the worker may read) and
            ``label`` (column to leave out).

    Returns:
        JSON with ``classes``, ``features``, ``shape`` and ``scores`` (float64, row-major,
        base64): shape ``(n_rows, n_classes)``, or ``(n_rows,)`` for regression.
    """
    request = json.loads(payload)
    model = _load(Path(request["model"]))
    frame = _frame(Path(request["table"]))
    features = _features(model, frame, request["label"])
    return _answer(model, features, _scores(model, frame[features]))


def score_onnx(payload: bytes) -> bytes:
    """Score a table with an ONNX model; as `score`, with ``features`` in the request."""
    request = json.loads(payload)
    graph = Path(request["model"]).read_bytes()
    frame = _frame(Path(request["table"]))
    classes, scores = _run_onnx(graph, frame[request["features"]])
    return json.dumps(
        {
            "classes": classes,
            "features": request["features"],
            "shape": list(scores.shape),
            "scores": base64.b64encode(scores.tobytes()).decode(),
        }
    ).encode()


def export(payload: bytes) -> bytes:
    """Convert a native model to ONNX, one named input per feature.

    Args:
        payload: JSON as for `score`; the table only says the types of the columns.

    Returns:
        JSON with ``onnx`` (base64), ``features`` and ``classes``.
    """
    request = json.loads(payload)
    model = _load(Path(request["model"]))
    frame = _frame(Path(request["table"]))
    features = _features(model, frame, request["label"])
    graph = _converted(model, frame[features])
    return json.dumps(
        {
            "onnx": base64.b64encode(graph).decode(),
            "features": features,
            "classes": _classes(model),
        }
    ).encode()


def rewrite(payload: bytes) -> bytes:
    """A model of the skops format as a pickle, for an interpreter that lacks skops.

    Args:
        payload: JSON with ``model``.

    Returns:
        JSON with ``pickled`` (base64), which has to pass the load gate like any other.
    """
    import io

    import joblib

    buffer = io.BytesIO()
    joblib.dump(_load(Path(json.loads(payload)["model"])), buffer)
    return json.dumps({"pickled": base64.b64encode(buffer.getvalue()).decode()}).encode()


def _read(path: Path) -> Any:
    import zipfile

    import joblib

    from hauberk.lifecycle.workers.adapting import adapted

    if (found := adapted(path)) is not None:
        return found
    if zipfile.is_zipfile(path) and "schema.json" in zipfile.ZipFile(path).namelist():
        from skops.io import get_untrusted_types, load

        return load(path, trusted=get_untrusted_types(file=path))  # the gate judged them
    return joblib.load(path)  # noqa: TID251 - the isolated worker is where this happens


def _load(path: Path) -> Any:
    """The model object. This runs code of its author, in this worker only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(path)
    except HauberkError:
        raise
    except Exception as error:  # foreign code may raise anything; it becomes our error
        raise ArtifactError(
            "the model cannot be loaded",
            subject=path.name,
            expected="a pickle, joblib or skops file, a program of torch or a booster, "
            "of an installed library",
            found=f"{type(error).__name__}: {str(error)[:200]}",
            hint="the model's libraries must be installed beside Hauberk in the same versions",
        ) from error


def _frame(path: Path) -> Any:
    """The table as a pandas frame, read as the user's scripts read it.

    Only pandas is needed for CSV, so that this runs in a project's own environment.
    """
    if path.suffix.lower() == ".csv":
        import pandas as pd

        return pd.read_csv(path)
    import pyarrow as pa

    from hauberk.formats.tables import open_table

    return pa.Table.from_batches(list(open_table(path).read())).to_pandas()


def _features(model: Any, frame: Any, label: str | None) -> list[str]:
    named = getattr(model, "feature_names_in_", None)
    features = [str(name) for name in (named if named is not None else frame.columns)]
    features = [name for name in features if name != label] if named is None else features
    missing = [name for name in features if name not in frame.columns]
    if missing:
        raise ArtifactError(
            "the model wants columns that the table lacks",
            expected=", ".join(features[:20]),
            found=f"no {', '.join(missing[:20])}",
        )
    return features


def _input(model: Any, rows: Any) -> Any:
    return rows if getattr(model, "feature_names_in_", None) is not None else rows.to_numpy()


def _scores(model: Any, rows: Any) -> Any:
    import numpy as np

    name = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    if not hasattr(model, name):
        raise ArtifactError(
            "the model predicts nothing",
            expected="a method predict_proba or predict",
            found=type(model).__name__,
        )
    raw = np.asarray(getattr(model, name)(_input(model, rows)))
    if name == "predict" and _classes(model):
        return (raw[:, None] == np.asarray(model.classes_)[None, :]).astype(np.float64)
    return raw.astype(np.float64)


def _classes(model: Any) -> list[str]:
    found = getattr(model, "classes_", None)
    return [] if found is None else [str(item) for item in found]


def _answer(model: Any, features: list[str], scores: Any) -> bytes:
    return json.dumps(
        {
            "classes": _classes(model),
            "features": features,
            "shape": list(scores.shape),
            "scores": base64.b64encode(scores.tobytes()).decode(),
        }
    ).encode()


def _converted(model: Any, rows: Any) -> bytes:
    if type(model).__name__ == "Adapted":
        return _tried(model.to_onnx(rows, TENSOR, OPSET), rows)
    try:
        from skl2onnx import to_onnx
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "models are converted by skl2onnx", hint="pip install 'hauberk[train]'"
        ) from error

    problem = ""
    for kinds, options in product(_input_layouts(rows), _options(model)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                graph = to_onnx(model, initial_types=kinds, options=options, target_opset=OPSET)
            return _tried(bytes(graph.SerializeToString()), rows)
        except Exception as error:  # noqa: BLE001 - a converter may raise anything
            problem = problem or f"{type(error).__name__}: {str(error)[:200]}"
    raise UnavailableError(
        "the model cannot be converted to ONNX",
        subject=type(model).__name__,
        found=problem,
        hint="models that do not convert are served in an isolated native runtime",
    )


def _options(model: Any) -> list[dict[int, dict[str, bool]]]:
    """Scores as a table and not as maps, or, of models without probabilities, as they are."""
    if not _classes(model):
        return [{}]
    steps = getattr(model, "steps", None)
    last = steps[-1][1] if steps else model
    return [{id(model): {"zipmap": False}}, {id(last): {"raw_scores": True}}]


def _input_layouts(rows: Any) -> list[list[tuple[str, Any]]]:
    """Ways to declare inputs, best first: one tensor in double, in float, one per column."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    text = {name for name in rows.columns if rows[name].dtype.kind not in "biuf"}
    layouts = []
    for number in (DoubleTensorType, FloatTensorType):
        if not text:
            layouts.append([(TENSOR, number([None, len(rows.columns)]))])
        layouts.append(
            [
                (name, (StringTensorType if name in text else number)([None, 1]))
                for name in rows.columns
            ]
        )
    return sorted(layouts, key=len)


def _tried(graph: bytes, rows: Any) -> bytes:
    """``graph`` if onnxruntime can really score a row with it."""
    _run_onnx(graph, rows.iloc[:1])
    return graph


def _run_onnx(graph: bytes, rows: Any) -> tuple[list[str], Any]:
    """Class names, where the graph gives labels, and scores as float64."""
    import numpy as np

    session = _session(graph)
    outputs = session.run(None, _feed(session.get_inputs(), rows))
    scores = np.asarray(outputs[-1], dtype=np.float64)
    # Converters give a column where a regressor gives a number for each row.
    return [], scores[:, 0] if scores.ndim == 2 and scores.shape[1] == 1 else scores  # noqa: PLR2004


def _named_by(graph: bytes, rows: Any, classes: list[str]) -> Any:
    """What a graph calls each row, one column for each class, as a model without scores has it."""
    import numpy as np

    session = _session(graph)
    labels = session.run(None, _feed(session.get_inputs(), rows))[0]
    named = np.asarray([str(label) for label in labels])
    return (named[:, None] == np.asarray(classes)[None, :]).astype(np.float64)


def _feed(inputs: list[Any], rows: Any) -> dict[str, Any]:
    """One tensor of all columns, or one tensor per column in the order of the inputs."""
    if len(inputs) == 1 and len(rows.columns) > 1:
        return {inputs[0].name: rows.to_numpy().astype(_dtype(inputs[0].type))}
    pairs = zip(inputs, rows.columns, strict=True)
    return {node.name: rows[[name]].to_numpy().astype(_dtype(node.type)) for node, name in pairs}


def _dtype(kind: str) -> str:
    known = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(string)": "object"}
    if kind not in known:
        raise ArtifactError("the graph takes a type that tables have not", found=kind)
    return known[kind]


def signature(payload: bytes) -> bytes:
    """Names, types and shapes of an ONNX graph's inputs and outputs, as JSON."""
    session = _session(Path(json.loads(payload)["model"]).read_bytes())
    answer = {
        "inputs": [_node(node) for node in session.get_inputs()],
        "outputs": [_node(node) for node in session.get_outputs()],
    }
    return json.dumps(answer).encode()


def _node(node: Any) -> dict[str, Any]:
    return {"name": node.name, "type": node.type, "shape": list(node.shape)}


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
