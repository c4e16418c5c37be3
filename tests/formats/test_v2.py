"""Reading and writing messages of the Open Inference Protocol."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.formats import strict_json, v2, v2_binary
from hauberk.formats.v2 import Datatype, Request, Response, Tensor

_names = st.text(
    st.characters(exclude_characters="<>\"'\\`", categories=["L", "N", "P"]),
    min_size=1,
    max_size=12,
)
_ids = st.from_regex(r"[A-Za-z0-9._:/@+=-]{1,12}", fullmatch=True)
_elements = {
    Datatype.BOOL: st.booleans(),
    Datatype.BYTES: st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    Datatype.FP16: st.floats(width=16, allow_nan=False, allow_infinity=False),
    Datatype.FP32: st.floats(width=32, allow_nan=False, allow_infinity=False),
    Datatype.FP64: st.floats(allow_nan=False, allow_infinity=False),
    **{
        kind: st.integers(int(v2.BOUNDS[kind][0]), int(v2.BOUNDS[kind][1]))
        for kind in Datatype
        if kind.is_number and not kind.is_float
    },
}


@st.composite
def _tensors(draw):
    datatype = draw(st.sampled_from(list(Datatype)))
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    n = math.prod(shape)
    values = draw(st.lists(_elements[datatype], min_size=n, max_size=n))
    return Tensor(name=draw(_names), datatype=datatype, shape=shape, values=values)


_inputs = st.lists(_tensors(), min_size=1, max_size=3, unique_by=lambda tensor: tensor.name).map(
    tuple
)


def _body(**changes) -> bytes:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}
    tensor |= changes
    return json.dumps({"inputs": [{k: v for k, v in tensor.items() if v is not ...}]}).encode()


@given(_inputs, st.none() | _ids)
def test_a_written_request_reads_back_equal(inputs, request_id):
    request = Request(inputs=inputs, id=request_id)
    assert v2.parse_request(v2.write_request(request)) == request


@given(_inputs)
def test_a_written_response_reads_back_equal(outputs):
    response = Response(model_name="m", model_version="1", outputs=outputs)
    assert v2.parse_response(v2.write_response(response)) == response


@given(_inputs)
def test_a_binary_response_reads_back_with_the_same_values(outputs):
    body, header_length = v2_binary.write_response(Response(model_name="m", outputs=outputs))
    read = v2_binary.parse_response(body, header_length)
    assert [t.array().tolist() for t in read.outputs] == [t.array().tolist() for t in outputs]


@given(_inputs, st.randoms(use_true_random=False))
def test_a_damaged_message_ends_in_an_artifact_error_or_a_request(inputs, rng):
    body = bytearray(v2.write_request(Request(inputs=inputs)))
    for _ in range(3):
        body[rng.randrange(len(body))] = rng.choice(b'{}[]":,\\0e-NtfnuA\x00\xff')
    try:
        v2.parse_request(bytes(body))
    except ArtifactError:
        return


@given(_inputs, st.randoms(use_true_random=False), st.integers(-1, 3000))
def test_a_damaged_binary_message_ends_in_an_artifact_error_or_a_request(
    inputs, rng, header_length
):
    body, _ = v2_binary.write_response(Response(model_name="m", outputs=inputs))
    damaged = bytearray(body)
    damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    try:
        v2_binary.parse_response(bytes(damaged), header_length)
    except ArtifactError:
        return


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["inputs", "outputs", "name", "shape", "datatype", "data", "id", "parameters"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(_json)
def test_any_json_ends_in_an_artifact_error_or_a_request(value):
    try:
        v2.parse_request(json.dumps(value).encode())
    except ArtifactError:
        return


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"[]", "the request", "type"),
        (b"{}", "the request.inputs", "required field"),
        (b'{"inputs":{}}', "inputs", "type"),
        (b'{"inputs":[]}', "inputs", "number of entries"),
        (b'{"inputs":[1]}', "inputs[0]", "type"),
        (b'{"inputs":[],"command":"x"}', "the request", "no field but those of the protocol"),
        (_body(command="x"), "inputs[0]", "no field but those of the protocol"),
        (_body(__proto__={}), "inputs[0]", "no field but those of the protocol"),
        (
            _body(parameters={"run": 1}),
            "inputs[0].parameters",
            "no field but those of the protocol",
        ),
        (_body(parameters=None), "inputs[0].parameters", "type"),
        (_body(parameters={"content_type": ["x"]}), "inputs[0].parameters.content_type", "type"),
        (_body(name=...), "inputs[0].name", "required field"),
        (_body(name=1), "inputs[0].name", "type"),
        (_body(name=""), "inputs[0].name", "length"),
        (_body(name="x\r\n"), "inputs[0].name", "characters of a name"),
        (_body(name="<b>"), "inputs[0].name", "characters of a name"),
        (_body(datatype="FLOAT"), "inputs[0].datatype", "datatype"),
        (_body(datatype=["FP32"]), "inputs[0].datatype", "datatype"),
        (_body(shape=[]), "inputs[0].shape", "number of dimensions"),
        (_body(shape=[1] * 9), "inputs[0].shape", "number of entries"),
        (_body(shape=[1, -2]), "inputs[0].shape", "size of a dimension"),
        (_body(shape=[0]), "inputs[0].shape", "size of a dimension"),
        (_body(shape=[True, 2]), "inputs[0].shape", "type of a dimension"),
        (_body(shape=[2.0]), "inputs[0].shape", "type of a dimension"),
        (_body(shape=[10**9]), "inputs[0].shape", "size of a dimension"),
        (_body(shape=[10**5, 10**5]), "inputs[0].shape", "elements of all tensors"),
        (_body(shape=[3]), "inputs[0].data", "number of values"),
        (_body(shape=[1]), "inputs[0].data", "number of entries"),
        (_body(data=...), "inputs[0].data", "required field"),
        (_body(data="1"), "inputs[0].data", "type"),
        (_body(data=[[1.0], [2.0]]), "inputs[0].data", "number of values"),
        (_body(data=[[1.0, [2.0]]]), "inputs[0].data", "type of a value"),
        (_body(data=[1.0, "2"]), "inputs[0].data", "type of a value"),
        (_body(data=[1.0, True]), "inputs[0].data", "type of a value"),
        (_body(data=[1.0, None]), "inputs[0].data", "type of a value"),
        (_body(data=[1.0, {"a": 1}]), "inputs[0].data", "type of a value"),
        (_body(data=[1.0, 1e39]), "inputs[0].data", "range of the datatype"),
        (_body(data=[1, 10**60]), "inputs[0].data", "range of the datatype"),
        (_body(datatype="INT64", data=[1, 2**63]), "inputs[0].data", "range of the datatype"),
        (_body(datatype="INT64", data=[1, 2.0]), "inputs[0].data", "type of a value"),
        (_body(datatype="UINT8", data=[1, -1]), "inputs[0].data", "range of the datatype"),
        (_body(datatype="BOOL", data=[1, 0]), "inputs[0].data", "type of a value"),
        (_body(datatype="BYTES", data=["a", 1]), "inputs[0].data", "type of a value"),
        (_body(parameters={"binary_data_size": 8}), "inputs[0].data", "data stands in one place"),
        (
            _body().replace(b"}]}", b'}],"outputs":[{"name":"y"},{"name":"y"}]}'),
            "outputs",
            "no output stands twice",
        ),
        (_body().replace(b"}]}", b'}],"outputs":{}}'), "outputs", "type"),
        (_body().replace(b"}]}", b'}],"id":7}'), "id", "type"),
        (_body().replace(b"}]}", b'}],"id":"${x}"}'), "id", "characters of an identifier"),
    ],
)
def test_a_refusal_names_field_and_rule(body, field, rule):
    with pytest.raises(ArtifactError) as caught:
        v2.parse_request(body)
    assert (caught.value.subject, caught.value.rule) == (field, rule)


def test_an_input_that_stands_twice_is_refused():
    body = json.loads(_body())
    body["inputs"] *= 2
    with pytest.raises(ArtifactError, match="no tensor stands twice"):
        v2.parse_request(json.dumps(body).encode())


def test_the_bound_on_elements_holds_over_all_tensors():
    half = {"shape": [600_000], "datatype": "FP32"}
    body = {
        "inputs": [half | {"name": "a", "data": [0] * 600_000}, half | {"name": "b", "data": []}]
    }
    with pytest.raises(ArtifactError, match="elements of all tensors"):
        v2.parse_request(json.dumps(body, separators=(",", ":")).encode())


def test_a_refusal_repeats_no_value_of_the_sender():
    with pytest.raises(ArtifactError) as caught:
        v2.parse_request(_body(data=[1.0, "<script>secret</script>"]))
    assert "secret" not in str(caught.value)


def test_nested_and_flat_data_mean_the_same():
    nested = v2.parse_request(_body(shape=[2, 1, 2], data=[[[1, 2]], [[3, 4]]]))
    flat = v2.parse_request(_body(shape=[2, 1, 2], data=[1, 2, 3, 4]))
    assert nested == flat


def test_a_tensor_gives_a_numpy_array_of_its_type_and_shape():
    array = v2.parse_request(_body()).inputs[0].array()
    assert (array.dtype, array.shape, array.tolist()) == (np.float32, (1, 2), [[1.0, 2.0]])


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, 2.5]], "f4"),
        np.array([1, 2]),
        np.array([True]),
        np.array([["a"], ["b"]], object),
    ],
)
def test_a_numpy_array_becomes_a_tensor_and_back(array):
    assert v2.tensor_of("x", array).array().tolist() == array.tolist()


def test_an_array_of_complex_numbers_has_no_tensor():
    with pytest.raises(ArtifactError, match="no place in the protocol"):
        v2.tensor_of("x", np.array([1j]))


def test_an_answer_that_is_not_finite_is_not_written():
    tensor = Tensor(name="y", datatype=Datatype.FP32, shape=(1,), values=[math.nan])
    with pytest.raises(ArtifactError, match="NaN or infinity"):
        v2.write_response(Response(model_name="m", outputs=(tensor,)))


def test_huge_finite_sums_are_not_mistaken_for_infinity():
    tensor = Tensor(name="y", datatype=Datatype.FP64, shape=(2,), values=[1.7e308, 1.7e308])
    assert v2.parse_response(v2.write_response(Response(model_name="m", outputs=(tensor,))))


# The binary extension ----------------------------------------------------------------


def _binary(raw: bytes, *, size: int | None = None, **changes) -> tuple[bytes, int]:
    size = len(raw) if size is None else size
    tensor = {"name": "x", "shape": [2], "datatype": "FP32"}
    tensor |= {"parameters": {"binary_data_size": size}} | changes
    header = json.dumps({"inputs": [tensor]}).encode()
    return header + raw, len(header)


def test_raw_tensors_are_read_behind_the_json():
    request = v2_binary.parse_request(*_binary(np.array([1, 2], "<f4").tobytes()))
    assert request.inputs[0].array().tolist() == [1.0, 2.0]


def test_a_raw_bool_is_read():
    request = v2_binary.parse_request(*_binary(b"\x00\x01", datatype="BOOL"))
    assert request.inputs[0].array().tolist() == [False, True]


def test_raw_texts_are_read():
    request = v2_binary.parse_request(*_binary(b"\x01\0\0\0a\x02\0\0\0\xc3\xa4", datatype="BYTES"))
    assert request.inputs[0].values == ["a", "ä"]


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (_binary(np.array([1, np.nan], "<f4").tobytes()), "range of the datatype"),
        (_binary(np.array([1, np.inf], "<f4").tobytes()), "range of the datatype"),
        (_binary(bytes(4)), "size of a raw tensor"),
        (_binary(bytes(8), size=9), "size of a raw tensor"),
        (_binary(bytes(8), size=-1), "size of a raw tensor"),
        (_binary(bytes(8), parameters={"binary_data_size": "8"}), "size of a raw tensor"),
        (_binary(bytes(9), size=8), "nothing behind the last tensor"),
        (_binary(bytes(8), data=[1, 2]), "data stands in one place"),
        (_binary(b"\x00\x02", datatype="BOOL"), "range of the datatype"),
        (_binary(b"\xff\xff\xff\xff", datatype="BYTES"), "lengths of BYTES elements"),
        (_binary(b"\x01\0\0", datatype="BYTES"), "lengths of BYTES elements"),
        (_binary(b"\x01\0\0\0a", datatype="BYTES"), "number of values"),
        (_binary(b"\0\0\0\0" * 3, datatype="BYTES"), "number of values"),
        (_binary(b"\x01\0\0\0\xff\0\0\0\0", datatype="BYTES"), "BYTES elements are text"),
        ((b"{}", 0), "length of the JSON part"),
        ((b"{}", 3), "length of the JSON part"),
        ((bytes((4 << 20) + 1), 5), "size in bytes"),
    ],
)
def test_a_binary_refusal_names_the_rule(message, rule):
    with pytest.raises(ArtifactError) as caught:
        v2_binary.parse_request(*message)
    assert caught.value.rule == rule


def test_without_the_faster_library_the_same_is_read_and_written(monkeypatch):
    monkeypatch.setitem(sys.modules, "msgspec", None)
    strict_json._decoder.cache_clear()
    v2._encoder.cache_clear()
    try:
        request = v2.parse_request(_body(data=[1.5, -2.0]))
        assert v2.parse_request(v2.write_request(request)) == request
    finally:
        strict_json._decoder.cache_clear()
        v2._encoder.cache_clear()


@pytest.mark.parametrize(
    "extra",
    [
        {"id": None},
        {"parameters": {"binary_data_output": 1}},
        {"parameters": {"binary_data_output": "true"}},
        {"parameters": {"content_type": True}},
        {"outputs": [{"name": "y", "parameters": {"binary_data": "false"}}]},
    ],
)
def test_what_has_one_type_in_the_protocol_is_taken_in_no_other(extra):
    body = json.dumps(json.loads(_body()) | extra).encode()
    with pytest.raises(ArtifactError) as refused:
        v2.parse_request(body)
    assert refused.value.rule == "type"


@pytest.mark.parametrize(
    ("length", "expected"),
    [("100", True), ("101", False), ("", False), ("-1", False), ("9" * 30, False), ("x", False)],
)
def test_a_body_is_mostly_raw_where_its_json_is_short(length, expected):
    assert v2_binary.is_mostly_raw(length, 100) is expected
