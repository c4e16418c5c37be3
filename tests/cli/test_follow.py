"""A channel comes to point at another version while a server runs."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from hauberk.cli._follow import Follower, Offer
from hauberk.errors import TrustError, UnavailableError
from hauberk.formats.http import Call, json_call
from hauberk.guard.app import App
from hauberk.guard.loopback import InProcess
from hauberk.guard.reloading import Reloader
from hauberk.guard.service import Surroundings, open_local, open_service
from hauberk.range.worlds import guarded, served


class Channel:
    """A channel that points where a test says, and a server that follows it."""

    def __init__(self, folder):
        self.folder = folder
        first = served.write_classifier(folder / "1")
        self.service = open_service(first, Surroundings())
        self.app = App(self.service)
        self.door = InProcess(app=self.app)
        self.said = []
        self.refusals = 0
        self.offer = self.version("1")
        self.reloader = Reloader(self.app, self.service, say=self.said.append)
        self.follower = Follower(
            self.offer.manifest,
            look_up=lambda: self.offer,
            take=self.take,
            refused=self.refuse,
            say=self.said.append,
        )

    def version(self, version, load=None):
        def good():
            bundle = served.write_classifier(self.folder / f"v{version}")
            return replace(bundle, version=version)

        return Offer(manifest=SimpleNamespace(version=version), load=load or good)

    def take(self, bundle):
        self.reloader.replace(bundle=bundle, answers=open_local(bundle))

    def refuse(self):
        self.refusals += 1

    def answered(self):
        answer = self.door.call(json_call(guarded.CLASSIFIER_PATH, guarded.SAMPLE))
        return json.loads(answer.body)["model_version"]


@pytest.fixture
def channel(tmp_path):
    found = Channel(tmp_path)
    yield found
    found.app.close()


def test_the_version_that_a_channel_points_at_takes_over(channel):
    before = channel.answered()
    channel.offer = channel.version("2")
    assert channel.follower.look().version == "2"
    assert (before, channel.answered()) == ("1", "2")
    assert channel.said == ["version 2 took over"]


def test_counts_go_on_under_the_new_version(channel):
    channel.answered()
    channel.offer = channel.version("2")
    channel.follower.look()
    channel.answered()
    page = channel.door.call(Call(method="GET", path="/metrics")).body.decode()
    assert 'hauberk_requests_total{status="200"} 2' in page
    assert 'version="2"' in page


def _forged():
    raise TrustError("a file of the bundle is not the released one", subject="model.onnx")


def test_a_version_that_does_not_verify_is_refused_once_and_the_old_goes_on(channel):
    channel.offer = channel.version("2", _forged)
    served_now = [channel.follower.look().version for _ in range(3)]
    assert served_now == ["1", "1", "1"]
    assert channel.answered() == "1"
    assert channel.refusals == 1
    assert channel.said[0].startswith("ALARM: version 2 is not taken")


def test_a_version_that_does_not_load_is_refused(channel):
    bundle = served.write_classifier(channel.folder / "bad")
    channel.offer = channel.version("2", lambda: replace(bundle, model=b"no model"))
    channel.follower.look()
    assert (channel.answered(), channel.refusals) == ("1", 1)


def test_a_registry_that_is_silent_changes_nothing(channel):
    def silent():
        raise UnavailableError("the registry cannot be read")

    channel.follower._look_up = silent
    assert channel.follower.look().version == "1"
    assert (channel.answered(), channel.said) == ("1", [])


def test_the_next_version_is_taken_after_a_refused_one(channel):
    channel.offer = channel.version("2", _forged)
    channel.follower.look()
    channel.offer = channel.version("3")
    channel.follower.look()
    assert channel.answered() == "3"
