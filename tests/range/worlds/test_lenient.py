import json

import pytest

from hauberk.formats.http import Door, json_call
from hauberk.range.worlds.lenient import LenientDoor, repeat

TENSOR = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}


def status(body: bytes) -> int:
    return LenientDoor().call(json_call("/v2/models/classifier/infer", body)).status


def test_it_is_a_door():
    assert isinstance(LenientDoor(), Door)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 200),
        ({"name": "stranger"}, 200),
        ({"data": ["1", "2"]}, 200),
        ({"extra": {"command": "stop"}}, 200),
        ({"shape": [-1, 2]}, 200),
        ({"shape": [9, 2]}, 500),
        ({"shape": [10**9, 2]}, 500),
        ({"data": [[[]]]}, 500),
        ({"datatype": []}, 500),
    ],
)
def test_it_makes_what_it_can_of_a_request(change, expected):
    assert status(json.dumps({"inputs": [TENSOR | change]}).encode()) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"{", 400), (b"[" * 100_000, 400), (b"[]", 500), (b'{"inputs": []}', 500), (b"1", 500)],
)
def test_what_is_no_request_is_answered_too(body, expected):
    assert status(body) == expected


def test_a_parrot_repeats():
    tensor = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["<b>"]}
    body = json.dumps({"inputs": [tensor]}).encode()
    answer = LenientDoor(model=repeat).call(json_call("/v2/models/parrot/infer", body))
    assert json.loads(answer.body)["outputs"][0]["data"] == ["<b>"]
