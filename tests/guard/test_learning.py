"""Schemas learnt from training profiles."""

from __future__ import annotations

import pyarrow as pa
import pytest

from hauberk.errors import ArtifactError, UsageError
from hauberk.formats.tables import table_of
from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, TensorSchema, request_for
from hauberk.guard.bundle import learn_schema
from hauberk.sketches.profile import profile_of

_ROWS = {
    "age": [20.0 + i % 50 for i in range(200)],
    "colour": ["red", "blue"] * 100,
    "rare": ["usual"] * 199 + ["once"],
    "flag": [True, False] * 100,
    "count": [i % 7 for i in range(200)],
    "approve": ["yes", "no"] * 100,
}
_PROFILE = profile_of(table_of("train", [pa.record_batch(_ROWS)], label="approve"))


def _tensor(name, datatype=Datatype.FP32, shape=(None, 1)):
    return TensorSchema(name=name, datatype=datatype, shape=shape)


def _learn(*inputs, **options):
    return learn_schema(_PROFILE, InputSchema(inputs=inputs), **options)


_PER_COLUMN = (
    _tensor("age"),
    _tensor("colour", Datatype.BYTES),
    _tensor("rare", Datatype.BYTES),
    _tensor("flag", Datatype.BOOL),
    _tensor("count", Datatype.INT64),
)
_HONEST = {"age": 41.5, "colour": "red", "rare": "usual", "flag": True, "count": 3}


@pytest.mark.parametrize(
    "change",
    [{}, {"age": 0.0}, {"age": 100.0}, {"rare": "another"}, {"flag": False}, {"count": 12}],
)
def test_honest_rows_pass_with_one_input_per_column(change):
    schema = _learn(*_PER_COLUMN)
    assert schema.check(request_for(schema, [_HONEST | change])) == 1


@pytest.mark.parametrize(
    "change", [{"age": 1e6}, {"age": -1e6}, {"colour": "green"}, {"rare": "x" * 500}, {"count": 99}]
)
def test_rows_far_from_training_are_refused(change):
    schema = _learn(*_PER_COLUMN)
    with pytest.raises(ArtifactError):
        schema.check(request_for(schema, [_HONEST | change]))


def test_one_tensor_of_features_gets_a_rule_per_feature():
    schema = _learn(_tensor("X", shape=(None, None)), features=("age", "count"))
    assert [rule.name for rule in schema.inputs[0].columns] == ["age", "count"]
    assert schema.inputs[0].shape == (None, 2)


def test_a_coded_category_in_a_tensor_keeps_its_codes():
    schema = _learn(_tensor("X", shape=(None, 1)), features=("flag",))
    assert schema.inputs[0].columns[0].categories == {0, 1}


def test_the_label_is_no_feature():
    schema = _learn(_tensor("X", shape=(None, 5)))
    assert "approve" not in [rule.name for rule in schema.inputs[0].columns]


def test_a_tensor_of_another_width_is_refused():
    with pytest.raises(UsageError, match="another number of features"):
        _learn(_tensor("X", shape=(None, 9)), features=("age",))


def test_a_feature_that_the_profile_lacks_is_refused():
    with pytest.raises(UsageError, match="lacks a feature"):
        _learn(_tensor("X", shape=(None, 1)), features=("height",))


def test_a_constant_column_leaves_room_around_its_value():
    profile = profile_of(table_of("t", [pa.record_batch({"x": [5.0] * 10})]))
    schema = learn_schema(profile, InputSchema(inputs=(_tensor("x"),)))
    assert (schema.inputs[0].columns[0].low, schema.inputs[0].columns[0].high) == (0.0, 10.0)


def test_few_rows_close_no_category():
    profile = profile_of(table_of("t", [pa.record_batch({"x": ["a", "a", "b", "b"]})]))
    schema = learn_schema(profile, InputSchema(inputs=(_tensor("x", Datatype.BYTES),)))
    assert schema.inputs[0].columns[0].categories is None


def test_missing_text_may_be_sent_as_empty_text():
    cells = ["a", "b", None] * 100
    profile = profile_of(table_of("t", [pa.record_batch({"x": cells})]))
    schema = learn_schema(profile, InputSchema(inputs=(_tensor("x", Datatype.BYTES),)))
    assert schema.inputs[0].columns[0].categories == {"a", "b", ""}


def test_an_image_tensor_keeps_the_shape_of_the_model():
    schema = _learn(_tensor("image", shape=(None, 1, 8, 8)))
    assert (schema.inputs[0].shape, schema.inputs[0].columns) == ((None, 1, 8, 8), ())


def _pictures(names, n=64):
    """Rows of columns that begin at 0, the first of which is never lit."""
    cells = {
        name: [0.0 if place == 0 else float((row * (place + 3)) % 17) for row in range(200)]
        for place, name in enumerate(names[:n])
    }
    profile = profile_of(table_of("train", [pa.record_batch(cells)]))
    tensor = _tensor("pixels", shape=(None, len(cells)))
    return learn_schema(profile, InputSchema(inputs=(tensor,)))


def test_a_pixel_that_was_never_lit_may_be():
    schema = _pictures([f"pixel_{place // 8}_{place % 8}" for place in range(64)])
    first, second = schema.inputs[0].columns[:2]
    assert (first.low, first.high) == (second.low, second.high) == (-16.0, 32.0)


def test_columns_of_other_names_keep_what_they_took():
    schema = _pictures(
        [f"column {chr(97 + place % 26)}{chr(97 + place // 26)}" for place in range(64)]
    )
    first = schema.inputs[0].columns[0]
    assert (first.low, first.high) == (-1.0, 1.0)


def test_a_few_columns_are_no_kind():
    schema = _pictures([f"x{place}" for place in range(8)], n=8)
    assert schema.inputs[0].columns[0].high == 1.0
