"""Deeds on a registry in the project's log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hauberk.lifecycle.datasets import Place, prepare
from hauberk.lifecycle.registry_events import Deed, log_deed
from hauberk.lifecycle.signing import keys_folder
from hauberk.trust import keys
from hauberk.trust.checkpoint import signed_by
from hauberk.trust.keys import Role
from hauberk.trust.log import examine
from hauberk.trust.signer import HEAD_SIGNER
from hauberk.trust.store import Store

DEED = Deed(deed="promote", subject="loans@2", registry="/srv/models", state=7)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A project that ran, with its owner's configuration."""
    project = tmp_path / "loans"
    project.mkdir()
    made = Place(project=project, configuration=tmp_path / "config", clock=lambda: 1.8e9)
    prepare(made)
    Store.open(project)
    return made


def test_a_deed_stands_in_the_log_under_a_signed_head(place: Place):
    assert log_deed(place, DEED) == 0
    store = Store.open(place.project, read_only=True)
    (record,) = store.log.records()
    assert json.loads(record)["subject"] == "loans@2"
    trusted = place.root().keys(Role.LIFECYCLE).by_id().values()
    found = examine(store.root / "log", check=signed_by(HEAD_SIGNER, trusted))
    assert found.is_clean


def test_a_project_without_a_store_has_no_log(tmp_path: Path):
    bare = Place(project=tmp_path, configuration=tmp_path / "config", clock=lambda: 1.8e9)
    assert log_deed(bare, DEED) is None


def test_a_person_without_a_trusted_key_leaves_a_record_that_the_next_head_covers(
    place: Place, tmp_path: Path
):
    told: list[str] = []
    other = Place(
        project=place.project,
        configuration=tmp_path / "other",
        clock=place.clock,
        tell=told.append,
        root_file=place.configuration / "roots" / "loans.json",
    )
    other.configuration.mkdir(mode=0o700)
    assert log_deed(other, DEED) == 0
    label = keys.Label(custodian="bob", machine="m")
    keys.make_missing(keys_folder(other.configuration), label, (Role.LIFECYCLE,))
    assert log_deed(other, DEED) == 1
    assert [line.partition(" holds")[0] for line in told] == [
        "record 0 of the project's log",
        "record 1 of the project's log",
    ]
    log = place.project / ".hauberk" / "log"
    trusted = place.root().keys(Role.LIFECYCLE).by_id().values()
    before = examine(log, check=signed_by(HEAD_SIGNER, trusted))
    assert before.is_clean
    assert log_deed(place, DEED) == 2
    after = examine(log, check=signed_by(HEAD_SIGNER, trusted))
    assert after.is_clean
    assert len(list(Store.open(place.project, read_only=True).log.records())) == 3
