"""Scores from an ONNX model for batches of a table or of images.

A model is fed in one of two ways, told by its inputs: one input per column, with the name
of the column (as skl2onnx makes of a data frame), or one tensor of all features. It runs on
one thread unless told otherwise, so that scores are the same on every machine of one kind
and a host is not taken over. A foreign model belongs into a process of its own; this module
neither starts one nor opens anything but the bytes it is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.core.artifact import Batch, Dataset
from hauberk.errors import ArtifactError, UnavailableError, UsageError
from hauberk.formats.tables import features_of

MAX_MODEL_BYTES = 2 << 30
"""Protocol buffers, and so ONNX without external files, end here."""

MAX_THREADS = 16

CLASSES_KEY = "hauberk.classes"
"""Metadata of the model that holds the names of its classes as a JSON list."""

_ERRORS = (
    "EPFail",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "ModelRequiresCompilation",
    "NoModel",
    "NoSuchFile",
    "NotImplemented",
    "RuntimeException",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxPredictor:
    """An ONNX Runtime session as a `core.artifact.Predictor`.

    Attributes:
        features: Columns that make up the tensor, where the model takes a single one.
        classes: Names of the classes in the order of the scores; empty for regression.
    """

    session: Any
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        model: Path | bytes,
        *,
        features: Sequence[str] = (),
        classes: Sequence[str] = (),
        threads: int = 1,
    ) -> OnnxPredictor:
        """A predictor for the model in a file or in memory.

        Args:
            features: Needed where the model takes one tensor and the batches hold more
                columns than its features.
            classes: Names of the classes; else the model's metadata says them, else its
                output does, else they are ``0``, ``1`` ...
            threads: Processor threads of one prediction, 1 to `MAX_THREADS`.

        Raises:
            ArtifactError: The bytes are no model that ONNX Runtime accepts.
            UnavailableError: ONNX Runtime is not installed.
        """
        session = _session(_bytes_of(model), min(max(threads, 1), MAX_THREADS))
        named = tuple(classes) or _named_classes(session)
        return cls(session=session, features=tuple(features), classes=named)

    def scores(self, batch: Batch) -> Any:
        """``(n_rows, n_classes)`` float64 scores, or ``(n_rows,)`` for regression.

        Raises:
            UsageError: The batch lacks a column that the model takes.
            ArtifactError: The model fails on the batch or answers in another shape.
        """
        outputs = _run(self.session, encode(batch, self.session.get_inputs(), self.features))
        scores = _scores_in(outputs)
        if len(scores) != batch.num_rows:
            raise _refusal(f"{batch.num_rows} rows of scores", f"{len(scores)}")
        return scores

    def predict(self, batch: Batch) -> list[str]:
        """The class with the largest score for each row, as text.

        Raises:
            UsageError: The model is a regression.
        """
        scores = self.scores(batch)
        if scores.ndim == 1:
            raise UsageError("The model has no classes", expected="a classifier", found="scores")
        names = self.classes or tuple(map(str, range(scores.shape[1])))
        return [names[place] for place in scores.argmax(axis=1)]


def score_batches(predictor: OnnxPredictor, dataset: Dataset) -> Iterator[Any]:
    """The scores of each batch of ``dataset`` in landed order."""
    for batch in dataset.read():
        yield predictor.scores(batch)


def feature_names(dataset: Dataset) -> tuple[str, ...]:
    """Names of the columns that a model may learn from, in file order."""
    return tuple(column.name for column in features_of(dataset))


# Inputs ------------------------------------------------------------------------------


def encode(batch: Batch, inputs: Sequence[Any], features: Sequence[str]) -> dict[str, Any]:
    """What the model is fed for ``batch``: input name to array.

    Missing numbers become NaN and missing strings empty; a missing integer has no stand-in.

    Raises:
        UsageError: A column is missing or has another number of features.
        ArtifactError: A cell does not fit the type that the model takes.
    """
    names = set(batch.schema.names)
    if len(inputs) == 1 and inputs[0].name not in names:
        return {inputs[0].name: _tensor(batch, inputs[0], features)}
    absent = [item.name for item in inputs if item.name not in names]
    if absent:
        raise UsageError(
            f"The rows lack the column {absent[0]!r} that the model takes",
            rule="a model is fed the columns it was trained on",
            expected=", ".join(item.name for item in inputs),
            found=", ".join(sorted(names)),
            hint="Use the data that the model was exported for.",
        )
    return {item.name: _column(batch.column(item.name), item) for item in inputs}


def _column(cells: Any, item: Any) -> Any:
    """One column as ``(n_rows, 1)``, or ``(n_rows, ...)`` for tensors."""
    values = _cast(cells, item.type)
    return values.reshape(-1, 1) if values.ndim == 1 and len(item.shape) > 1 else values


def _tensor(batch: Batch, item: Any, features: Sequence[str]) -> Any:
    import pyarrow as pa

    names = tuple(features) or tuple(batch.schema.names)
    absent = [name for name in names if name not in batch.schema.names]
    if absent:
        raise UsageError(f"The rows lack the column {absent[0]!r}", found=", ".join(names))
    columns = [batch.column(name) for name in names]
    if len(columns) == 1 and isinstance(columns[0].type, pa.FixedShapeTensorType):
        return _fitted(_cast(columns[0], item.type), item)
    width = item.shape[1] if len(item.shape) > 1 else None
    if isinstance(width, int) and width != len(columns):
        raise UsageError(
            "The model takes another number of features than the rows have",
            expected=str(width),
            found=str(len(columns)),
            hint="Name the features: the label is none of them.",
        )
    return np.stack([_cast(column, item.type) for column in columns], axis=1)


def _fitted(images: Any, item: Any) -> Any:
    """Images in the number of axes that the model takes: channels added or pixels in a row."""
    missing = len(item.shape) - images.ndim
    if missing == 1:
        return images[:, None]
    return images.reshape(len(images), -1) if missing < 0 else images


def _cast(cells: Any, kind: str) -> Any:
    import pyarrow as pa

    from hauberk.formats.rows import cell_texts

    if isinstance(cells.type, pa.FixedShapeTensorType):
        return np.ascontiguousarray(cells.to_numpy_ndarray(), _DTYPES.get(kind, np.float32))
    if kind == "tensor(string)":
        return np.array([text or "" for text in cell_texts(cells).to_pylist()], object)
    dtype = _DTYPES.get(kind)
    if dtype is None:
        raise _refusal("inputs of numbers or strings", kind)
    if np.issubdtype(dtype, np.integer) and cells.null_count:
        raise _refusal("a number in every cell of an integer column", "missing cells")
    try:
        numbers = cells.cast(pa.from_numpy_dtype(dtype), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise _refusal(f"cells that fit {kind}", str(cells.type)) from None
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype)


_DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


# Sessions and outputs ----------------------------------------------------------------


def _bytes_of(model: Path | bytes) -> bytes:
    if isinstance(model, bytes):
        return model
    try:
        size = model.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise _refusal(f"at most {MAX_MODEL_BYTES} bytes", f"{size} bytes")
        return model.read_bytes()
    except OSError as error:
        raise UsageError(
            "The model cannot be opened", subject=str(model), found=error.strerror
        ) from None


def _session(model: bytes, threads: int) -> Any:
    try:
        import onnxruntime as ort
    except ImportError:
        raise UnavailableError(
            "ONNX Runtime is not installed", hint="pip install 'hauberk[serve]'"
        ) from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # No thread of the runtime spins while it waits: other work shares the processor.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _onnx_errors() as error:
        raise _refusal("a model that ONNX Runtime accepts", type(error).__name__) from None


def _onnx_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    known = tuple(getattr(state, name) for name in _ERRORS if hasattr(state, name))
    return (*known, RuntimeError, ValueError)


def _run(session: Any, feed: dict[str, Any]) -> list[Any]:
    try:
        outputs: list[Any] = session.run(None, feed)
    except _onnx_errors() as error:
        raise _refusal("an answer", type(error).__name__) from None
    return outputs


def _scores_in(outputs: Sequence[Any]) -> Any:
    """The probabilities among the outputs: maps or a matrix; else the only vector."""
    for output in reversed(outputs):
        if isinstance(output, list) and output and isinstance(output[0], dict):
            keys = list(output[0])
            return np.array([[row[key] for key in keys] for row in output], np.float64)
        if isinstance(output, np.ndarray) and output.dtype.kind == "f":
            scores = output.astype(np.float64)
            return scores[:, 0] if scores.ndim == 2 and scores.shape[1] == 1 else scores  # noqa: PLR2004 - a column
    raise _refusal("scores among the outputs", f"{len(outputs)} outputs without any")


def _named_classes(session: Any) -> tuple[str, ...]:
    text = session.get_modelmeta().custom_metadata_map.get(CLASSES_KEY, "[]")
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        raise _refusal(f"a JSON list as {CLASSES_KEY}", "other text") from None
    if not isinstance(names, list):
        raise _refusal(f"a JSON list as {CLASSES_KEY}", type(names).__name__)
    return tuple(map(str, names))


def _refusal(expected: str, found: str) -> ArtifactError:
    return ArtifactError(
        "The model cannot be used for prediction",
        subject="model",
        rule="a model takes tables or images and answers with scores",
        expected=expected,
        found=found,
        hint="Export it again, or evaluate it in the native runtime.",
    )
