"""gRPC's messages against protobuf's own, and against senders who mean harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.formats import v2, v2_binary, v2_grpc

messages = pytest.importorskip("tests.worlds.v2_messages", exc_type=ImportError)
LIMITS = v2.Limits(max_elements=1000, max_tensors=4)
_FIELDS = {
    "BOOL": ("bool_contents", [True, False]),
    "INT8": ("int_contents", [-128, 127]),
    "INT16": ("int_contents", [-32768, 5]),
    "INT32": ("int_contents", [-(1 << 31), 5]),
    "INT64": ("int64_contents", [-(1 << 63), (1 << 63) - 1]),
    "UINT8": ("uint_contents", [0, 255]),
    "UINT32": ("uint_contents", [0, (1 << 32) - 1]),
    "UINT64": ("uint64_contents", [0, (1 << 64) - 1]),
    "FP32": ("fp32_contents", [0.5, -2.0]),
    "FP64": ("fp64_contents", [0.1, 1e300]),
    "BYTES": ("bytes_contents", [b"a", "gr\u00fc\u00df".encode()]),
}


def _request(datatype="FP32", values=(0.5, 1.5), field="fp32_contents", **more):
    tensor = {"name": "x", "datatype": datatype, "shape": [len(values)]}
    tensor["contents"] = {field: list(values)}
    return messages.Request(**{"model_name": "m", "inputs": [tensor]} | more)


def _read(message, limits=LIMITS):
    data = message if isinstance(message, bytes) else message.SerializeToString()
    asked = v2_grpc.read_request(data, limits)
    return v2_binary.parse_request(asked.body, asked.header_length, limits)


@pytest.mark.parametrize("datatype", _FIELDS)
def test_values_of_each_type_arrive_as_they_were_sent(datatype):
    field, values = _FIELDS[datatype]
    tensor = _read(_request(datatype, values, field)).inputs[0]
    wanted = [x.decode() if isinstance(x, bytes) else x for x in values]

    assert (tensor.datatype, list(tensor.values), tensor.shape) == (datatype, wanted, (2,))


def test_raw_values_arrive_as_they_were_sent():
    message = _request(raw_input_contents=[b"\0\0\0\x3f\0\0\xc0\x3f"])
    message.inputs[0].ClearField("contents")

    assert list(_read(message).inputs[0].values) == [0.5, 1.5]


def test_model_id_parameters_and_outputs_are_read():
    message = _request(model_version="2", id="a-1", outputs=[{"name": "y"}])
    message.inputs[0].parameters.add(key="content_type", value={"string_param": "np"})
    asked = v2_grpc.read_request(message.SerializeToString(), LIMITS)
    request = v2_binary.parse_request(asked.body, asked.header_length, LIMITS)

    assert (asked.model, asked.version, request.id) == ("m", "2", "a-1")
    assert request.inputs[0].parameters["content_type"] == "np"
    assert [output.name for output in request.outputs] == ["y"]


def _with(message, **changes):
    for name, value in changes.items():
        setattr(message.inputs[0], name, value)
    return message


def _with_shape(*shape):
    message = _request()
    message.inputs[0].shape[:] = shape
    return message


_RAW = [b"\0" * 8]
_HOSTILE = {
    "both places": _request(raw_input_contents=_RAW),
    "too few raw": _request(raw_input_contents=[*_RAW, b""]),
    "another field": _request("INT32", [1.0, 2.0], "fp32_contents"),
    "no such type": _with(_request(), datatype="STRING"),
    "no type": _with(_request(), datatype=""),
    "no name": _with(_request(), name=""),
    "out of range": _request("INT8", [1, 128], "int_contents"),
    "NaN": _request("FP32", [0.0, float("nan")]),
    "infinity": _request("FP64", [0.0, float("inf")], "fp64_contents"),
    "bytes that are no text": _request("BYTES", [b"\xff", b""], "bytes_contents"),
    "too few values": _with_shape(3),
    "a negative dimension": _with_shape(-2),
    "a huge shape": _with_shape(1 << 62, 1 << 62),
    "no shape": _with_shape(),
    "too many values": _request("INT64", [0] * 1001, "int64_contents"),
    "too many inputs": messages.Request(inputs=[{"name": str(n)} for n in range(5)]),
    "no inputs": messages.Request(model_name="m"),
    "raw by parameter": _request(
        parameters=[{"key": "binary_data_output", "value": {"bool_param": True}}]
    ),
    "a parameter twice": _request(
        parameters=[{"key": "content_type", "value": {"string_param": "a"}}] * 2
    ),
    "a parameter without value": _request(parameters=[{"key": "content_type"}]),
    "an unknown parameter": _request(parameters=[{"key": "cmd", "value": {"string_param": "a"}}]),
    "an id with markup": _request(id="<b>"),
}
_BODY = _request().SerializeToString()
_BROKEN = {
    "unknown field": _BODY + b"\x42\x00",
    "field zero": _BODY + b"\x02\x00",
    "name twice": _BODY + b"\x0a\x01m",
    "group": _BODY + b"\x0b\x0c",
    "cut": _BODY[:-1],
    "length beyond": _BODY + b"\x0a\x7f",
    "endless number": _BODY + b"\xff" * 20,
    "wrong wire type": _BODY + b"\x08\x01",
    "many fields": b"\x3a\x00" * 100_000,
}


@pytest.mark.parametrize("what", _HOSTILE)
def test_what_is_no_request_is_refused(what):
    with pytest.raises(ArtifactError):
        _read(_HOSTILE[what])


@pytest.mark.parametrize("what", _BROKEN)
def test_what_is_no_message_is_refused(what):
    with pytest.raises(ArtifactError):
        _read(_BROKEN[what])


def test_a_number_of_eleven_bytes_is_refused():
    packed = b"\x80" * 10 + b"\x01"
    contents = b"\x1a" + bytes([len(packed)]) + packed
    tensor = b"\x0a\x01x\x12\x05INT64\x1a\x01\x01\x2a" + bytes([len(contents)]) + contents
    with pytest.raises(ArtifactError):
        _read(b"\x2a" + bytes([len(tensor)]) + tensor)


@given(st.lists(st.tuples(st.integers(0, len(_BODY) - 1), st.integers(0, 255)), max_size=6))
def test_a_changed_message_is_refused_or_reads_as_protobuf_reads_it(changes):
    data = bytearray(_BODY)
    for place, byte in changes:
        data[place] = byte
    try:
        found = _read(bytes(data))
    except ArtifactError:
        return
    message = messages.Request.FromString(bytes(data))
    tensor = message.inputs[0]

    assert (tensor.name, tensor.datatype) == (found.inputs[0].name, found.inputs[0].datatype)
    assert tuple(tensor.shape) == found.inputs[0].shape


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data):
    try:
        v2_grpc.read_request(data, LIMITS)
    except ArtifactError:
        return


def test_a_response_reads_as_protobuf_reads_it():
    tensor = v2.Tensor(name="y", datatype=v2.Datatype.INT64, shape=(2,), values=[3, -4])
    response = v2.Response(model_name="m", model_version="1", id="a", outputs=(tensor,))
    found = messages.Response.FromString(
        v2_grpc.write_response(*v2_binary.write_response(response))
    )

    assert (found.model_name, found.model_version, found.id) == ("m", "1", "a")
    assert (found.outputs[0].name, found.outputs[0].datatype) == ("y", "INT64")
    assert list(found.outputs[0].shape) == [2]
    assert found.raw_output_contents[0] == (3).to_bytes(8, "little") + (-4).to_bytes(
        8, "little", signed=True
    )
