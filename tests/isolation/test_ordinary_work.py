"""What machine-learning steps do every day must work where it is held."""

from __future__ import annotations

import pytest

from hauberk.isolation import Limits

ROOMY = Limits(wall_s=120, cpu_s=100, memory_bytes=4 << 30)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

TRAIN = """
import numpy as np
import pyarrow as pa, pyarrow.csv, pyarrow.parquet
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
X, y = load_iris(return_X_y=True)
pa.parquet.write_table(pa.table({"a": X[:, 0]}), "prepared.parquet")
assert pa.parquet.read_table("prepared.parquet").num_rows == len(X)
model = LogisticRegression(max_iter=500).fit(X, y)
np.savez("model.npz", coefficients=model.coef_)
print(model.score(X, y) > 0.9)
"""

PARALLEL = """
import warnings
warnings.simplefilter("ignore")
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
X, y = load_iris(return_X_y=True)
print(cross_val_score(RandomForestClassifier(5), X, y, n_jobs=2).mean() > 0.8)
"""

SERVE = """
import onnx, onnxruntime
from onnx import TensorProto, helper
node = helper.make_node("Relu", ["x"], ["y"])
value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2])
graph = helper.make_graph([node], "g", [value("x")], [value("y")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
import numpy as np
session = onnxruntime.InferenceSession(model.SerializeToString())
print(session.run(None, {"x": np.array([[-1, 2]], dtype=np.float32)})[0].tolist())
"""


def test_tables_are_written_and_models_trained(python_step, enforced) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("pyarrow")
    done = python_step(TRAIN, enforced, limits=ROOMY, env=ONE_THREAD)
    assert done.stdout == b"True\n", done.stderr


def test_processes_side_by_side_work_or_fall_back(python_step, enforced) -> None:
    pytest.importorskip("sklearn")
    done = python_step(PARALLEL, enforced, limits=ROOMY, env=ONE_THREAD)
    assert done.stdout == b"True\n", done.stderr


def test_a_model_answers(python_step, enforced) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    done = python_step(SERVE, enforced, limits=ROOMY, env=ONE_THREAD)
    assert done.stdout == b"[[0.0, 2.0]]\n", done.stderr
