"""Bundles and running applications for the tests of the guard."""

from __future__ import annotations

import json

import pytest

from hauberk.formats.http import Call, json_call
from hauberk.guard.app import App
from hauberk.guard.loopback import InProcess
from hauberk.guard.service import Surroundings, open_service
from hauberk.range.worlds import served

INFER = "/v2/models/classifier/infer"


class Desk:
    """An application in this process with short ways of asking it."""

    def __init__(self, bundle, surroundings=None, **options) -> None:
        self.service = open_service(bundle, surroundings or Surroundings())
        self.door = InProcess(app=App(self.service, **options))

    def ask(self, *rows, headers=None, **changes):
        rows = rows or ((1.0, 2.0),)
        tensor = {
            "name": "x",
            "shape": [len(rows), 2],
            "datatype": "FP32",
            "data": [value for row in rows for value in row],
        } | changes
        return self.send(json.dumps({"inputs": [tensor]}).encode(), headers)

    def send(self, body: bytes, headers=None, path=INFER):
        return self.door.call(json_call(path, body, headers))

    def get(self, path: str, method: str = "GET", headers=()):
        return self.door.call(Call(method=method, path=path, headers=tuple(headers)))


@pytest.fixture
def classifier(tmp_path):
    return served.write_classifier(tmp_path / "classifier")


@pytest.fixture
def open_desk():
    desks = []

    def open_one(bundle, surroundings=None, **options) -> Desk:
        desks.append(Desk(bundle, surroundings, **options))
        return desks[-1]

    yield open_one
    for desk in desks:
        desk.service.close()


@pytest.fixture
def desk(classifier, open_desk):
    return open_desk(classifier)
