"""What ordinary requests look like is learnt from the training rows, as requests carry them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from hauberk.formats.tables import table_of
from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, Rule, TensorSchema
from hauberk.lifecycle.production.input_data import _reference
from hauberk.methods import stream_reference

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


def shop_with(n_rows: int) -> Any:
    rng = np.random.default_rng(0)
    rows = {
        "a": rng.normal(5, 1, n_rows),
        "b": rng.normal(-5, 1, n_rows),
        "t": ["text"] * n_rows,
        "label": ["yes", "no"] * (n_rows // 2),
    }
    table = table_of("train", [pa.record_batch(rows)], label="label")
    plan = SimpleNamespace(prepared={"train": "train"})
    return SimpleNamespace(plan=plan, table=lambda _: table)


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
