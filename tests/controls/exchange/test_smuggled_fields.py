"""What the closed schema at the door does with headers and bodies."""

from __future__ import annotations

import doctest
import json
from typing import Any

import pytest

from hauberk.controls.exchange import smuggled_fields
from hauberk.controls.exchange.smuggled_fields import SmuggledFields
from hauberk.core.artifact import Exchange
from hauberk.core.control import Action
from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, TensorSchema

_SCHEMA = InputSchema(inputs=(TensorSchema(name="x", datatype=Datatype.FP32, shape=(None, 2)),))
_BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
_NO_STATE: Any = None


def _observe(body: bytes = _BODY, content_type: str = "application/json", **headers: str):
    exchange = Exchange(
        name="m",
        principal="p",
        at=0.0,
        request=body,
        content_type=content_type,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    return SmuggledFields(schema=_SCHEMA).observe(exchange, _NO_STATE)


def test_an_honest_request_passes():
    assert _observe() is None


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_an_honest_content_type_passes(content_type):
    assert _observe(content_type=content_type) is None


def test_an_honest_content_length_passes():
    assert _observe(content_length=str(len(_BODY))) is None


def test_an_undeclared_input_is_blocked_with_status_400():
    signal = _observe(_BODY.replace(b'"x"', b'"y"'))
    assert (signal.action, signal.status) == (Action.BLOCK, 400)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-7",
        "application/vnd.apache.arrow.stream",
    ],
)
def test_another_content_type_is_status_415(content_type):
    assert _observe(content_type=content_type).status == 415


@pytest.mark.parametrize(
    "headers",
    [
        {"x_http_method_override": "DELETE"},
        {"content_encoding": "gzip"},
        {"content_length": "1"},
        {"content_length": "+70"},
        {"content_length": str(len(_BODY)), "transfer_encoding": "chunked"},
        {"inference_header_content_length": "0x10"},
        {"inference_header_content_length": "9999999"},
        {"Content_Length": str(len(_BODY)), "content_length": str(len(_BODY))},
    ],
)
def test_headers_that_contradict_the_body_are_refused(headers):
    assert _observe(**headers) is not None


def test_a_binary_request_is_held_against_the_schema_too():
    tensor = {
        "name": "y",
        "shape": [1, 2],
        "datatype": "FP32",
        "parameters": {"binary_data_size": 8},
    }
    header = json.dumps({"inputs": [tensor]}).encode()
    signal = _observe(
        header + bytes(8),
        "application/octet-stream",
        inference_header_content_length=str(len(header)),
    )
    assert "only declared inputs" in signal.reason


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(smuggled_fields).failed == 0
