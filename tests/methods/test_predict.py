"""Models are fed by their inputs, and answer with scores or not at all."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from hauberk.core.artifact import Predictor
from hauberk.errors import ArtifactError, UsageError
from hauberk.formats.tables import table_of
from hauberk.methods.predict import CLASSES_KEY, OnnxPredictor, feature_names, score_batches

RNG = np.random.default_rng(3)
X = RNG.normal(size=(200, 3)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


def batch(x=X) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(c) for c in x.T], names=["a", "b", "c"])


@pytest.fixture(scope="module")
def linear():
    return LogisticRegression().fit(X, Y)


@pytest.fixture(scope="module")
def tensor_model(linear) -> bytes:
    return to_onnx(linear, X[:1], options={"zipmap": False}).SerializeToString()


def test_one_tensor_is_made_of_the_columns(linear, tensor_model):
    predictor = OnnxPredictor.open(tensor_model, features=("a", "b", "c"))
    assert isinstance(predictor, Predictor)
    assert np.allclose(predictor.scores(batch()), linear.predict_proba(X), atol=1e-5)
    assert predictor.predict(batch()) == [str(y) for y in linear.predict(X)]


def test_maps_of_probabilities_are_read_too(linear):
    model = to_onnx(linear, X[:1]).SerializeToString()
    assert np.allclose(
        OnnxPredictor.open(model).scores(batch()), linear.predict_proba(X), atol=1e-5
    )


def test_batch_cuts_do_not_change_the_scores(tensor_model):
    predictor = OnnxPredictor.open(tensor_model)
    table = table_of("t", [batch().slice(0, 7), batch().slice(7)])
    cut = np.concatenate(list(score_batches(predictor, table)))
    assert np.array_equal(cut, predictor.scores(batch()))


def test_each_column_may_have_an_input_of_its_own():
    import pandas as pd

    frame = pd.DataFrame({"n": X[:, 0], "s": np.where(X[:, 1] > 0, "p", "q")})
    pipeline = make_pipeline(
        ColumnTransformer([("n", StandardScaler(), ["n"]), ("s", OneHotEncoder(), ["s"])]),
        LogisticRegression(),
    ).fit(frame, Y)
    inputs = [("n", FloatTensorType([None, 1])), ("s", StringTensorType([None, 1]))]
    model = to_onnx(pipeline, initial_types=inputs, options={"zipmap": False})
    predictor = OnnxPredictor.open(model.SerializeToString(), classes=("no", "yes"))
    rows = pa.RecordBatch.from_pydict(
        {"s": frame["s"].to_list(), "n": frame["n"].to_list(), "extra": [1] * len(frame)}
    )
    assert np.allclose(predictor.scores(rows), pipeline.predict_proba(frame), atol=1e-5)
    assert set(predictor.predict(rows)) == {"no", "yes"}
    with pytest.raises(UsageError, match="lack the column 's'"):
        predictor.scores(rows.select(["n"]))


def test_a_regression_gives_one_score_a_row():
    model = to_onnx(LinearRegression().fit(X, X[:, 0]), X[:1]).SerializeToString()
    predictor = OnnxPredictor.open(model)
    assert predictor.scores(batch()).shape == (200,)
    with pytest.raises(UsageError, match="no classes"):
        predictor.predict(batch())


def graph(shape, kind=TensorProto.FLOAT, op="Identity", out=TensorProto.FLOAT) -> onnx.ModelProto:
    node = helper.make_node(op, ["x"], ["y"], **({"to": out} if op == "Cast" else {}))
    inner = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", out, None)],
    )
    return helper.make_model(inner, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [([None, 1, 2, 2], (3, 1, 2, 2)), ([None, 4], (3, 4)), ([None, 2, 2], (3, 2, 2))],
)
def test_images_take_the_axes_of_the_model(shape, expected):
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((3, 2, 2), np.uint8))
    predictor = OnnxPredictor.open(graph(shape).SerializeToString(), features=("X",))
    rows = pa.RecordBatch.from_arrays([images, pa.array([1, 2, 3])], names=["X", "y"])
    assert predictor.scores(rows).shape == expected


def test_integers_are_fed_as_integers_and_may_not_be_missing():
    model = graph([None, 1], TensorProto.INT64, "Cast").SerializeToString()
    predictor = OnnxPredictor.open(model)
    assert predictor.scores(pa.RecordBatch.from_pydict({"x": [1, 2]})).tolist() == [1.0, 2.0]
    with pytest.raises(ArtifactError, match="missing cells"):
        predictor.scores(pa.RecordBatch.from_pydict({"x": [1, None]}))


def test_class_names_travel_in_the_metadata():
    model = graph([None, 2])
    helper.set_model_props(model, {CLASSES_KEY: json.dumps(["x", "y"])})
    assert OnnxPredictor.open(model.SerializeToString()).classes == ("x", "y")
    for bad in ("{", '"x"'):
        helper.set_model_props(model, {CLASSES_KEY: bad})
        with pytest.raises(ArtifactError):
            OnnxPredictor.open(model.SerializeToString())


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ArtifactError):
        OnnxPredictor.open(b"not a model")
    with pytest.raises(UsageError):
        OnnxPredictor.open(tmp_path / "none.onnx")


def test_a_model_in_a_file_is_bounded(tmp_path, tensor_model, monkeypatch):
    path = tmp_path / "m.onnx"
    path.write_bytes(tensor_model)
    assert OnnxPredictor.open(path).scores(batch()).shape == (200, 2)
    monkeypatch.setattr("hauberk.methods.predict.MAX_MODEL_BYTES", 10)
    with pytest.raises(ArtifactError, match="at most 10 bytes"):
        OnnxPredictor.open(path)


@pytest.mark.parametrize(
    ("columns", "features", "error"),
    [
        ({"a": [1.0]}, (), UsageError),
        ({"a": [1.0]}, ("z",), UsageError),
        ({"a": ["w"], "b": ["w"], "c": ["w"]}, (), ArtifactError),
    ],
)
def test_rows_that_do_not_fit_the_model_are_named(tensor_model, columns, features, error):
    with pytest.raises(error):
        OnnxPredictor.open(tensor_model, features=features).scores(
            pa.RecordBatch.from_pydict(columns)
        )


def test_a_model_without_scores_is_refused():
    model = graph([None, 1], op="Cast", out=TensorProto.INT64).SerializeToString()
    with pytest.raises(ArtifactError, match="without any"):
        OnnxPredictor.open(model).scores(pa.RecordBatch.from_pydict({"x": [1.0]}))


def test_a_model_that_answers_other_rows_is_refused():
    model = graph([None, 2], op="Transpose").SerializeToString()
    rows = pa.RecordBatch.from_pydict({"p": [1.0] * 3, "q": [1.0] * 3})
    with pytest.raises(ArtifactError, match="3 rows of scores"):
        OnnxPredictor.open(model).scores(rows)


def test_features_leave_out_the_label():
    assert feature_names(table_of("t", [batch()], label="b")) == ("a", "c")
