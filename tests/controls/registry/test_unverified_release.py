from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from hauberk.attacks.registry.move_alias import WAYS, MoveAlias
from hauberk.attacks.registry.overwrite_version import OverwriteVersion
from hauberk.controls.registry.unverified_release import UnverifiedRelease
from hauberk.core.artifact import RegistryEntry
from hauberk.core.finding import Outcome
from hauberk.engine import assess
from hauberk.errors import UnavailableError, UsageError
from hauberk.range.scenarios.rg_1 import honest
from hauberk.range.worlds.registry import Project

PROJECT = Project(name="loans")


@pytest.fixture(scope="module")
def clean() -> RegistryEntry:
    return honest(PROJECT, Random(5))


def outcome(entry: RegistryEntry) -> Outcome:
    return assess(UnverifiedRelease(), entry).outcome


def test_a_genuine_release_is_clean(clean: RegistryEntry) -> None:
    assert outcome(clean) is Outcome.CLEAN


@pytest.mark.parametrize("way", WAYS)
def test_a_moved_name_is_refused(way: str, clean: RegistryEntry) -> None:
    attacked = MoveAlias(way=way, key=PROJECT.owners[0]).apply(clean, Random(1)).subject
    assert outcome(attacked) is Outcome.FLAGGED


@pytest.mark.parametrize("way", ["tamper", "rollback", "mix"])
def test_an_overwritten_version_is_refused(way: str, clean: RegistryEntry) -> None:
    attacked = OverwriteVersion(way=way).apply(clean, Random(1)).subject
    assert outcome(attacked) is Outcome.FLAGGED


def test_a_frozen_client_is_a_known_limit(clean: RegistryEntry) -> None:
    attacked = OverwriteVersion(way="freeze").apply(clean, Random(1)).subject
    assert outcome(attacked) is Outcome.CLEAN


def test_without_a_pinned_root_nothing_is_said(clean: RegistryEntry) -> None:
    assert outcome(replace(clean, trusted={})) is Outcome.NOT_APPLICABLE


def test_a_registry_that_answers_nothing_is_failed(clean: RegistryEntry) -> None:
    def read(path: str) -> bytes:
        raise UnavailableError("gone", subject=path)

    assert outcome(replace(clean, read=read)) is Outcome.FAILED


@pytest.mark.parametrize("index", [b"", b"{}", b"[1]", b'["../x"]', b"[" * 5000, b"\xff"])
def test_a_malformed_index_is_flagged(index: bytes, clean: RegistryEntry) -> None:
    def read(path: str) -> bytes:
        return index if path == "statements" else clean.read(path)

    assert outcome(replace(clean, read=read)) is Outcome.FLAGGED


def test_an_unknown_way_is_a_usage_error(clean: RegistryEntry) -> None:
    with pytest.raises(UsageError):
        MoveAlias(way="none").apply(clean, Random(1))
    with pytest.raises(UsageError):
        OverwriteVersion(way="none").apply(clean, Random(1))
