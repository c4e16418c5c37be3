"""Requests of another tool are matched by bytes, and move nothing."""

import json
from random import Random

import pytest

from hauberk.errors import ArtifactError, HauberkError
from hauberk.range.worlds.registered import ready
from hauberk.trust.registry.requests import MAX_REQUESTS, State, answers, read_requests


def asked(world, version, name="Loans"):
    manifest = world.view().manifest("loans", version)[0]
    files = {"model/" + path: held.digest for path, held in manifest.files.items()}
    return {"model": name, "version": "7", "asked_by": "alias production", "files": files}


def answered(world, *items):
    data = json.dumps({"schema": 1, "requests": items}).encode()
    return [(one.state, one.reference) for one in answers(world.writer(), read_requests(data))]


def test_each_request_is_told_where_it_stands():
    world = ready(3)[0]  # version 1 in production, 2 in staging
    assert answered(world, asked(world, "1")) == [(State.DONE, "loans@1")]
    assert answered(world, asked(world, "2")) == [(State.OPEN, "loans@2")]
    world.promote("2", world.keys.ada)
    assert answered(world, asked(world, "2")) == [(State.WAITING, "loans@2")]
    world.promote("2", world.keys.bob)
    assert answered(world, asked(world, "2"), asked(world, "1")) == [
        (State.DONE, "loans@2"),
        (State.OLDER, "loans@1"),
    ]


def test_what_is_retired_or_unknown_is_not_asked_of_anybody():
    world = ready(3)[0]
    foreign = asked(world, "2") | {"files": {"model.onnx": "sha256:" + "0" * 64}}
    assert answered(world, foreign) == [(State.UNKNOWN, "")]
    assert answered(world, asked(world, "2", "../../x")) == [(State.UNKNOWN, "")]
    world.retire("2")
    assert answered(world, asked(world, "2")) == [(State.RETIRED, "loans@2")]
    assert State.RETIRED.is_refused


def test_asking_signs_nothing():
    world = ready(3)[0]
    before = world.copy()
    answered(world, asked(world, "2"))
    assert world.copy() == before


def test_a_broken_draft_stands_in_nobodys_way():
    world = ready(3)[0]
    world.promote("2", world.keys.ada)
    name = "drafts/production.json"
    world.files.swap(name, b"{}", expect=world.files.get(name).tag)
    assert answered(world, asked(world, "2")) == [(State.OPEN, "loans@2")]


GOOD = {"model": "m", "version": "1", "asked_by": "alias", "files": {"a": "sha256:" + "1" * 64}}


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"schema": 2, "requests": []},
        {"schema": 1, "requests": {}},
        {"schema": 1, "requests": [1]},
        {"schema": 1, "requests": [GOOD | {"files": {"a": "md5:1"}}]},
        {"schema": 1, "requests": [GOOD | {"model": "m\x1b[2J"}]},
        {"schema": 1, "requests": [GOOD | {"asked_by": "x" * 300}]},
        {"schema": 1, "requests": [GOOD] * (MAX_REQUESTS + 1)},
    ],
)
def test_malformed_requests_are_refused(value):
    with pytest.raises(ArtifactError):
        read_requests(json.dumps(value).encode())


def test_noise_is_a_typed_error():
    rng = Random(4)
    text = json.dumps({"schema": 1, "requests": [GOOD]}).encode()
    for _ in range(200):
        data = bytearray(text)
        data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            read_requests(bytes(data))
        except HauberkError:
            continue
