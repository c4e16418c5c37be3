"""Files that an operator names, as orchestrators lay them out."""

from __future__ import annotations

import os

import pytest

from hauberk.errors import UsageError
from hauberk.guard.app import App
from hauberk.guard.given_files import read_given, text_given
from hauberk.guard.reloading import Reloader
from hauberk.guard.service import open_service
from hauberk.range.worlds import served


def test_a_file_that_is_a_link_is_followed(tmp_path):
    (tmp_path / "policy").write_bytes(b"{}")
    (tmp_path / "link").symlink_to("policy")
    assert read_given(tmp_path / "link", 10, what="the policy") == b"{}"


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, make):
    make(tmp_path / "odd")
    with pytest.raises(UsageError, match="the policy cannot be"):
        read_given(tmp_path / "odd", 10, what="the policy")


def test_a_file_beyond_its_bound_is_refused(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 11)
    with pytest.raises(UsageError) as refused:
        read_given(tmp_path / "large", 10, what="the key file")
    assert dict(refused.value.details())["expected"] == "at most 10 bytes"


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "keys").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="the key file cannot be used"):
        text_given(tmp_path / "keys", 10, what="the key file")


def test_a_missing_file_is_told_by_what_it_should_be(tmp_path):
    with pytest.raises(UsageError, match="the key file cannot be read") as refused:
        read_given(tmp_path / "none", 10, what="the key file")
    assert dict(refused.value.details())["found"] == "No such file or directory"


def _mounted(place, revision):
    """As an orchestrator mounts settings: the file is a link into a folder that is a link."""
    data = place / f"..data-{revision}"
    data.mkdir()
    (data / "policy.json").write_text(f'{{"schema": 1, "revision": {revision}}}')
    (place / "..new").symlink_to(data.name)
    (place / "..new").replace(place / "..data")


def test_a_policy_behind_links_is_taken_when_the_link_moves(tmp_path):
    service = open_service(served.write_classifier(tmp_path / "b"))
    place = tmp_path / "mounted"
    place.mkdir()
    _mounted(place, 1)
    (place / "policy.json").symlink_to("..data/policy.json")
    said = []
    reloader = Reloader(App(service), service, say=said.append)
    reloader.watch_policy(place / "policy.json")
    reloader.look()
    _mounted(place, 2)
    reloader.look()
    service.close()
    assert said == [f"policy taken from {place / 'policy.json'}, revision 2"]
