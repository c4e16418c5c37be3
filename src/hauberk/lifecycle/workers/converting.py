"""Write an estimator in a format without code, in a worker; see `lifecycle.conversion`."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.lifecycle.workers import native
from hauberk.lifecycle.workers.predicting import loaded, rows_of

N_ROWS = 512
"""Rows drawn where none are given."""


def convert(payload: bytes) -> bytes:
    """Load an estimator, score rows with it and write it in another format.

    Args:
        payload: JSON with ``model``, ``sha256``, ``format`` (``onnx`` or ``skops``) and,
            where there are rows to compare on, ``columns``.

    Returns:
        JSON with ``converted`` (base64), ``columns`` (the rows that were scored), ``named``
        (classes, of a model that names one and gives no scores), ``shape`` and ``scores``
        (float64, base64).
    """
    request = json.loads(payload)
    data = Path(request["model"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != request["sha256"]:
        raise TrustError("the model changed after it was judged", expected=request["sha256"])
    model = loaded(data)
    rows = rows_of(request) if request.get("columns") else _drawn(model)
    features = native._features(model, rows, None)  # noqa: SLF001 - the sister worker
    rows = rows[features]
    scores = native._scores(model, rows)  # noqa: SLF001
    writer = {"onnx": native._converted, "skops": _skops}[request["format"]]  # noqa: SLF001
    return json.dumps(
        {
            "converted": base64.b64encode(writer(model, rows)).decode(),
            "columns": {name: _encoded(rows[name].to_numpy()) for name in rows.columns},
            "named": [] if hasattr(model, "predict_proba") else native._classes(model),  # noqa: SLF001
            **_array(scores),
        }
    ).encode()


def score_onnx(payload: bytes) -> bytes:
    """Score rows with an ONNX graph: ``graph`` (base64), ``columns`` and ``named``."""
    request = json.loads(payload)
    graph, rows = base64.b64decode(request["graph"]), rows_of(request)
    if request.get("named"):
        scores = native._named_by(graph, rows, request["named"])  # noqa: SLF001
    else:
        _, scores = native._run_onnx(graph, rows)  # noqa: SLF001
    return json.dumps(_array(scores)).encode()


def score_skops(payload: bytes) -> bytes:
    """Score rows with a skops file, whose types are all trusted: the gate judged them."""
    request = json.loads(payload)
    data = base64.b64decode(request["graph"])
    from skops.io import get_untrusted_types, loads

    model = loads(data, trusted=get_untrusted_types(data=data))
    return json.dumps(_array(native._scores(model, rows_of(request)))).encode()  # noqa: SLF001


def _array(scores: Any) -> dict[str, Any]:
    return {
        "shape": list(scores.shape),
        "scores": base64.b64encode(scores.astype("float64").tobytes()).decode(),
    }


def _skops(model: Any, _rows: Any) -> bytes:
    try:
        from skops.io import dumps
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "skops files are written by skops", hint="pip install skops beside the model's library"
        ) from error
    return bytes(dumps(model))


def _drawn(model: Any) -> Any:
    """Rows of normal numbers, where the caller gave none."""
    import numpy as np
    import pandas as pd

    n_features = getattr(model, "n_features_in_", None)
    if not isinstance(n_features, int) or n_features < 1:
        raise ArtifactError(
            "the model does not say how many features it takes",
            hint="give rows to compare predictions on: --rows FILE",
        )
    named = getattr(model, "feature_names_in_", None)
    names = [f"f{at}" for at in range(n_features)] if named is None else [str(n) for n in named]
    values = np.random.default_rng(0).normal(size=(N_ROWS, n_features))
    return pd.DataFrame(values, columns=names)


def _encoded(array: Any) -> str:
    import numpy as np

    plain = array.astype(str) if array.dtype.kind == "O" else array
    buffer = io.BytesIO()
    np.save(buffer, plain, allow_pickle=False)
    return base64.b64encode(buffer.getvalue()).decode()
