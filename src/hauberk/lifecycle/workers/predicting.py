"""Ask a native model for predictions, in a worker; see `hauberk.lifecycle.loading`."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError, TrustError


def predict(payload: bytes) -> bytes:
    """Load a model and ask one of its methods.

    Args:
        payload: JSON with ``model`` (path), ``sha256``, ``method``, and ``rows`` or
            ``columns`` (arrays in the npy format, base64).

    Returns:
        One array in the npy format, base64.
    """
    import numpy as np

    request = json.loads(payload)
    data = Path(request["model"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != request["sha256"]:
        raise TrustError(
            "the model changed after it was judged",
            subject=Path(request["model"]).name,
            expected=request["sha256"],
        )
    model = loaded(data)
    if request["method"] not in {"predict", "predict_proba"} or not hasattr(
        model, request["method"]
    ):
        raise ArtifactError(
            "the model does not answer this question",
            expected=f"a method {request['method']}",
            found=type(model).__name__,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = np.asarray(getattr(model, request["method"])(rows_of(request)))
    plain = answer.astype(str) if answer.dtype.kind == "O" else answer
    buffer = io.BytesIO()
    np.save(buffer, plain, allow_pickle=False)
    return base64.b64encode(buffer.getvalue())


def loaded(data: bytes) -> Any:
    """The model object. This runs code of its author, in this worker only."""
    import joblib

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return joblib.load(io.BytesIO(data))  # noqa: TID251 - the worker is where it happens
    except Exception as error:  # foreign code may raise anything; it becomes our error
        raise ArtifactError(
            "the model cannot be loaded",
            expected="a pickle or joblib file of an installed library",
            found=f"{type(error).__name__}: {str(error)[:200]}",
            hint="the worker's interpreter needs the model's libraries in fitting versions",
        ) from error


def rows_of(request: Any) -> Any:
    """The rows of a request: an array, or a frame where columns were named."""
    if "columns" not in request:
        return _array(request["rows"])
    import pandas as pd

    return pd.DataFrame({name: _array(text) for name, text in request["columns"].items()})


def _array(text: str) -> Any:
    import numpy as np

    return np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
