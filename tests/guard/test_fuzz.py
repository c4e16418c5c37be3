"""Whatever is sent, the door answers, and never with a breakdown."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.formats.http import Call
from hauberk.range.worlds import clients, guarded

_NAMES = st.sampled_from(
    ["inputs", "outputs", "id", "parameters", "name", "shape", "datatype", "data", "x", "label"]
)
_WORDS = st.sampled_from(["FP32", "INT64", "BYTES", "x", "label", "", "\x00"]) | st.text(max_size=5)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)
_tensors = st.fixed_dictionaries(
    {
        "name": st.just("x") | _WORDS,
        "shape": st.lists(st.integers(-1, 4) | st.integers(), max_size=3),
        "datatype": _WORDS,
        "data": st.lists(st.floats() | st.integers() | _values, max_size=8),
    }
)
_requests = st.fixed_dictionaries(
    {"inputs": st.lists(_tensors, max_size=3)},
    optional={"id": _values, "outputs": _values, "parameters": _values},
)
_bodies = st.binary(max_size=300) | (_values | _requests).map(
    lambda value: json.dumps(value).encode()
)
_headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "content-type",
                "content-length",
                "content-encoding",
                "transfer-encoding",
                "host",
                "authorization",
                "x-hauberk-sink",
                "inference-header-content-length",
                "expect",
            ]
        ),
        st.sampled_from(
            [
                "application/json",
                "html",
                "0",
                "-1",
                "5",
                "gzip",
                "chunked",
                "localhost",
                "Bearer x",
                "99999999999999999999",
                "",
            ]
        )
        | st.text("abc;=,/ \t\xff", max_size=9),
    ),
    max_size=4,
)
_paths = st.sampled_from(
    [guarded.CLASSIFIER_PATH, "/v2", "/metrics", "/v2/models/classifier", "/"]
) | st.text(st.characters(codec="latin-1"), max_size=30)


@given(_bodies, _headers)
@settings(max_examples=400, deadline=None)
def test_no_request_breaks_inference(body, headers):
    typed = headers or [("content-type", "application/json")]
    call = Call(path=guarded.CLASSIFIER_PATH, headers=tuple(typed), chunks=(body,))
    assert guarded.classifier().door.call(call).status in {200, *range(400, 500)}


@given(st.sampled_from(["GET", "POST", "PUT", "HEAD", "\x00"]), _paths, _headers)
@settings(max_examples=200, deadline=None)
def test_no_path_breaks_the_door(method, path, headers):
    call = Call(method=method, path=path, headers=tuple(headers))
    assert guarded.classifier().door.call(call).status in {200, *range(400, 500)}


@given(st.randoms(use_true_random=False), st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_no_damage_to_an_honest_request_breaks_the_door(rng, seed):
    call = clients.ask_classifier(Random(seed))
    body = bytearray(b"".join(call.chunks))
    for _ in range(rng.randrange(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    damaged = Call(path=call.path, headers=call.headers, chunks=(bytes(body),))
    assert guarded.classifier().door.call(damaged).status in {200, *range(400, 500)}


@pytest.mark.slow
def test_ten_thousand_honest_requests_are_answered():
    door = guarded.classifier().door
    statuses = {door.call(clients.ask_classifier(Random(seed))).status for seed in range(10_000)}
    assert statuses == {200}
