"""The guard around an application of one's own."""

from __future__ import annotations

import json

import pytest

from hauberk.formats import v2
from hauberk.formats.http import Call, json_call
from hauberk.guard.identity import keyring_of, new_key
from hauberk.guard.loopback import InProcess
from hauberk.guard.middleware import Guard
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.shaping import Detail, Level
from hauberk.range.worlds import guarded
from hauberk.range.worlds.served import CLASSIFIER_SCHEMA

PATH = "/predict"
_LABEL = {"name": "label", "shape": [1], "datatype": "INT64", "data": [1]}
_SCORES = {"name": "scores", "shape": [1, 2], "datatype": "FP32", "data": [0.25, 0.75]}
_ANSWER = json.dumps({"model_name": "m", "outputs": [_LABEL, _SCORES]}).encode()


class Mine:
    """An application that keeps what it was sent."""

    def __init__(self, answer=_ANSWER, status=200, error=None):
        self.answer, self.status, self.error, self.seen = answer, status, error, []

    async def __call__(self, scope, receive, send):
        message = await receive()
        self.seen.append((dict(scope["headers"]), message["body"]))
        if self.error:
            raise self.error
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": self.answer})


def _door(mine, **options):
    guard = Guard(mine, name="classifier", path=PATH, schema=CLASSIFIER_SCHEMA, **options)
    return InProcess(app=guard)


def _ask(door, body=guarded.SAMPLE, **headers):
    return door.call(json_call(PATH, body, headers))


def test_an_admitted_request_reaches_the_application_in_canonical_form():
    mine = Mine()
    answer = _ask(_door(mine), cookie="a=b")
    headers, body = mine.seen[0]
    assert (answer.status, json.loads(body), b"cookie" in headers) == (
        200,
        json.loads(guarded.SAMPLE),
        False,
    )


@pytest.mark.parametrize(
    "body", [b"{", b'{"inputs": []}', guarded.SAMPLE.replace(b"1.5", b"1e9"), b"[" * 10_000]
)
def test_what_is_refused_never_reaches_the_application(body):
    mine = Mine()
    assert _ask(_door(mine), body).status == 400
    assert mine.seen == []


@pytest.mark.parametrize(
    "mine",
    [Mine(status=500), Mine(b"{"), Mine(error=RuntimeError("secret")), Mine(b"{}"), Mine(b"")],
)
def test_what_the_application_does_wrong_is_no_client_s_fault(mine):
    answer = _ask(_door(mine))
    assert (answer.status, b"secret" in answer.body) == (502, False)


def test_the_answer_has_the_detail_of_the_role():
    policy = GuardPolicy(roles={"default": Detail(detail=Level.LABEL)})
    answer = _ask(_door(Mine(), policy=policy))
    assert v2.parse_response(answer.body).outputs[1].values == [0.0, 1.0]


def test_keys_open_the_door():
    key, line = new_key("alice")
    door = _door(Mine(), keyring=keyring_of(line))
    assert _ask(door).status == 401
    assert _ask(door, authorization=f"Bearer {key}").status == 200


def test_paths_of_the_application_are_closed_unless_they_are_named():
    door = _door(Mine(b"mine"), open_paths=frozenset({"/about"}))
    about, admin = Call(method="GET", path="/about"), Call(method="GET", path="/admin")
    assert (door.call(about).body, door.call(admin).status) == (b"mine", 404)


def test_another_host_is_refused_while_there_are_no_keys():
    assert _ask(_door(Mine()), host="evil.example").status == 421
