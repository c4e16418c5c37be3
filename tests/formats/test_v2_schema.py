"""The closed schema of a served model."""

from __future__ import annotations

import json

import pytest

from hauberk.errors import ArtifactError
from hauberk.formats import strict_json, v2, v2_schema
from hauberk.formats.v2 import Datatype, Request, RequestedOutput, Tensor
from hauberk.formats.v2_schema import InputSchema, Rule, TensorSchema

_WIDE = TensorSchema(
    name="x",
    datatype=Datatype.FP32,
    shape=(None, 2),
    columns=(Rule(name="age", low=0, high=120), Rule(name="score", low=-1.5, high=1.5)),
)
_TEXT = TensorSchema(
    name="colour",
    datatype=Datatype.BYTES,
    shape=(None, 1),
    columns=(Rule(categories=frozenset({"red", "blue"}), max_chars=8),),
)
_SCHEMA = InputSchema(
    inputs=(_WIDE, _TEXT),
    outputs=(TensorSchema(name="label", datatype=Datatype.INT64, shape=(None,)),),
    max_rows=100,
)


def _request(ages=(40.0,), colours=("red",), **changes) -> Request:
    x = Tensor(
        name="x",
        datatype=Datatype.FP32,
        shape=(len(ages), 2),
        values=[value for age in ages for value in (age, 0.5)],
    )
    colour = Tensor(
        name="colour", datatype=Datatype.BYTES, shape=(len(colours), 1), values=list(colours)
    )
    return Request(**({"inputs": (x, colour)} | changes))


def test_a_declared_request_passes_with_its_number_of_rows():
    assert _SCHEMA.check(_request(ages=(1.0, 2.0), colours=("red", "blue"))) == 2


def test_many_rows_pass_as_few_do():
    assert _SCHEMA.check(_request(ages=(40.0,) * 100, colours=("red",) * 100)) == 100


def _one(name="x", datatype=Datatype.FP32, shape=(1, 2), values=(40.0, 0.5)) -> Tensor:
    return Tensor(name=name, datatype=datatype, shape=shape, values=list(values))


_COLOUR = _request().inputs[1]


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (_request(inputs=(_COLOUR,)), "every declared input"),
        (_request(inputs=(_one(), _COLOUR, _one(name="admin"))), "only declared inputs"),
        (_request(inputs=(_one(datatype=Datatype.FP64), _COLOUR)), "declared datatype"),
        (_request(inputs=(_one(shape=(2,)), _COLOUR)), "declared shape"),
        (_request(inputs=(_one(shape=(2, 1)), _COLOUR)), "declared shape"),
        (_request(ages=(121.0,)), "declared range"),
        (_request(ages=(40.0,) * 99 + (-1.0,), colours=("red",) * 100), "declared range"),
        (_request(colours=("green",)), "declared categories"),
        (_request(ages=(1.0, 2.0)), "all inputs have the same number of rows"),
        (_request(ages=(1.0,) * 101, colours=("red",) * 101), "rows in one request"),
        (_request(outputs=(RequestedOutput(name="weights"),)), "only declared outputs"),
    ],
)
def test_what_is_not_declared_is_refused(request_, rule):
    with pytest.raises(ArtifactError) as caught:
        _SCHEMA.check(request_)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    ("text", "rule"), [("x" * 9, "declared length of text"), ("a\x1b[2J", "no control characters")]
)
def test_open_text_is_bounded_and_free_of_control_characters(text, rule):
    schema = InputSchema(
        inputs=(
            TensorSchema(
                name="t", datatype=Datatype.BYTES, shape=(None, 1), columns=(Rule(max_chars=8),)
            ),
        )
    )
    tensor = _one(name="t", datatype=Datatype.BYTES, shape=(1, 1), values=[text])
    with pytest.raises(ArtifactError) as caught:
        schema.check(Request(inputs=(tensor,)))
    assert caught.value.rule == rule


def test_integer_categories_hold_in_large_tensors_too():
    rule = Rule(categories=frozenset({1, 2}))
    schema = InputSchema(
        inputs=(TensorSchema(name="t", datatype=Datatype.INT64, shape=(None,), columns=(rule,)),)
    )
    tensor = _one(name="t", datatype=Datatype.INT64, shape=(200,), values=[1] * 199 + [3])
    with pytest.raises(ArtifactError, match="declared categories"):
        schema.check(Request(inputs=(tensor,)))


def test_a_refusal_tells_no_bound_of_the_training_data():
    with pytest.raises(ArtifactError) as caught:
        _SCHEMA.check(_request(ages=(121.0,)))
    assert "120" not in str(caught.value)
    assert "121" not in str(caught.value)


def test_the_schema_survives_its_bytes():
    assert v2_schema.from_bytes(v2_schema.to_bytes(_SCHEMA)) == _SCHEMA


def test_equal_schemas_have_equal_bytes_whatever_the_order_of_their_categories():
    again = v2_schema.from_bytes(v2_schema.to_bytes(_SCHEMA))
    assert v2_schema.to_bytes(again) == v2_schema.to_bytes(_SCHEMA)


def _changed(**changes) -> bytes:
    return json.dumps(json.loads(v2_schema.to_bytes(_SCHEMA)) | changes).encode()


def _first_input(**changes) -> bytes:
    value = json.loads(v2_schema.to_bytes(_SCHEMA))
    value["inputs"][0] |= changes
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        _changed(schema=2),
        _changed(inputs=[]),
        _changed(inputs=3),
        _changed(max_rows=0),
        _changed(extra=1),
        _first_input(shape=[-1, -1]),
        _first_input(shape=["a"]),
        _first_input(datatype="X"),
        _first_input(name=3),
        _first_input(columns=[1]),
        _first_input(
            columns=[{"name": "", "low": "a", "high": None, "categories": None, "max_chars": 1}]
        ),
        _first_input(name="colour"),
    ],
)
def test_bytes_that_are_no_schema_are_refused(data):
    with pytest.raises(ArtifactError):
        v2_schema.from_bytes(data)


@pytest.mark.parametrize("n_rows", [1, 100])
def test_whatever_the_schema_allows_fits_its_limits(n_rows):
    limits = v2_schema.limits_for(_SCHEMA, v2.DEFAULT_LIMITS)
    request = _request(ages=(40.0,) * n_rows, colours=("red",) * n_rows)
    assert v2.parse_request(v2.write_request(request), limits) == request


def test_what_the_schema_cannot_need_is_refused_before_it_is_decoded():
    numbers = InputSchema(inputs=(_WIDE,), max_rows=10)
    limits = v2_schema.limits_for(numbers, v2.DEFAULT_LIMITS)
    with pytest.raises(ArtifactError, match="number of values"):
        strict_json.scan(b"[" + b"1," * 1000 + b"1]", limits.json)


def test_no_allowed_request_of_numbers_is_larger_than_the_limit():
    tensor = TensorSchema(name="x", datatype=Datatype.FP64, shape=(None, 3))
    schema = InputSchema(inputs=(tensor,), max_rows=200)
    limit = v2_schema.limits_for(schema, v2.DEFAULT_LIMITS).json.max_bytes
    rows = [[-2.2250738585072014e-308] * 3] * 200
    sent = {"name": "x", "shape": [200, 3], "datatype": "FP64", "data": rows}
    largest = json.dumps({"id": "a" * 100, "inputs": [sent]}, indent=8).encode()
    assert len(largest) < limit < v2.DEFAULT_LIMITS.json.max_bytes


def test_texts_may_be_as_large_as_a_policy_says():
    tensor = TensorSchema(name="x", datatype=Datatype.BYTES, shape=(None, 1))
    schema = InputSchema(inputs=(tensor,), max_rows=2)
    limits = v2_schema.limits_for(schema, v2.DEFAULT_LIMITS)
    assert limits.json.max_bytes == v2.DEFAULT_LIMITS.json.max_bytes
