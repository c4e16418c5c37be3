"""What ordinary requests look like is learnt from the training rows, as requests carry them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_digits

from hauberk.formats.tables import table_of
from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, Rule, TensorSchema
from hauberk.lifecycle.production.input_data import _reference
from hauberk.methods import stream_reference
from hauberk.methods.small_networks import Recipe, one_hot, trained
from hauberk.range.worlds.pictures import onnx_of

SCHEMA = InputSchema(
    inputs=(
        TensorSchema(
            name="x",
            datatype=Datatype.FP32,
            shape=(None, 2),
            columns=(Rule(name="b"), Rule(name="a")),
        ),
    ),
    outputs=(),
)
TEXTS = InputSchema(
    inputs=(TensorSchema(name="t", datatype=Datatype.BYTES, shape=(None, 1)),), outputs=()
)


def shop_with(n_rows: int, model: bytes = b"") -> Any:
    rng = np.random.default_rng(0)
    rows = {
        "a": rng.normal(5, 1, n_rows),
        "b": rng.normal(-5, 1, n_rows),
        "t": ["text"] * n_rows,
        "label": ["yes", "no"] * (n_rows // 2),
    }
    table = table_of("train", [pa.record_batch(rows)], label="label")
    plan = SimpleNamespace(prepared={"train": "train"})
    return SimpleNamespace(plan=plan, table=lambda _: table, view=lambda _: exported(model))


def exported(model: bytes) -> Any:
    """A file of the run."""
    return SimpleNamespace(read_bytes=lambda: model)


def test_columns_stand_in_the_order_of_the_schema():
    found = stream_reference.from_bytes(_reference(shop_with(600), SCHEMA))
    assert found.oddness(np.array([[-5.0, 5.0]]))[0] < 1
    assert found.oddness(np.array([[5.0, -5.0]]))[0] > 1


def test_from_too_few_rows_nothing_is_learnt():
    assert _reference(shop_with(40), SCHEMA) == b""


def test_from_texts_nothing_is_learnt():
    assert _reference(shop_with(600), TEXTS) == b""


def test_rows_that_do_not_fit_the_schema_teach_nothing():
    strange = InputSchema(
        inputs=(
            TensorSchema(
                name="x", datatype=Datatype.FP32, shape=(None, 1), columns=(Rule(name="none"),)
            ),
        ),
        outputs=(),
    )
    assert _reference(shop_with(600), strange) == b""


def test_of_a_network_over_pictures_small_steps_are_learnt():
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    rng = np.random.default_rng(0)
    network = trained(images, one_hot(labels, 10), Recipe(hidden=32, epochs=20), rng)
    rows = {f"p{place}": column for place, column in enumerate(images.T)}
    table = table_of("train", [pa.record_batch(rows)])
    schema = InputSchema(
        inputs=(
            TensorSchema(
                name="x",
                datatype=Datatype.FP32,
                shape=(None, 64),
                columns=tuple(Rule(name=name) for name in rows),
            ),
        ),
        outputs=(),
    )
    shop: Any = SimpleNamespace(
        plan=SimpleNamespace(prepared={"train": "train"}),
        table=lambda _: table,
        view=lambda _: exported(onnx_of(network)),
    )
    found = stream_reference.from_bytes(_reference(shop, schema))
    assert found.residuals is not None
    assert found.steps is not None
