"""A fork's build is recognised, and doubt about it counts as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hauberk.trust.ci import where


def github(tmp_path: Path, name: str, event: object) -> dict[str, str]:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event), "utf-8")
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": "acme/loans",
    }


def from_repository(name: object) -> dict[str, object]:
    return {"pull_request": {"head": {"repo": name if name is None else {"full_name": name}}}}


def test_a_persons_own_machine_is_no_build_service():
    build = where({"HOME": "/root"})
    assert (build.service, build.fork) == ("", "")
    assert build.level.startswith("SLSA Build L1: provenance made on its owner's machine")


def test_a_push_to_the_repository_itself_may_be_signed(tmp_path: Path):
    build = where(github(tmp_path, "push", {}))
    assert (build.service, build.fork) == ("GitHub Actions", "")


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
def test_a_pull_request_of_a_fork_is_a_forks_build(tmp_path: Path, name: str):
    build = where(github(tmp_path, name, from_repository("mallory/loans")))
    assert "mallory/loans" in build.fork
    assert build.level.startswith("SLSA Build L0")


def test_a_pull_request_of_the_repository_itself_is_none(tmp_path: Path):
    assert not where(github(tmp_path, "pull_request", from_repository("acme/loans"))).fork


@pytest.mark.parametrize("event", [{}, [], None, from_repository(None), {"pull_request": 7}])
def test_doubt_is_a_fork(tmp_path: Path, event: object):
    assert where(github(tmp_path, "pull_request", event)).fork


def test_an_event_that_cannot_be_read_is_a_fork(tmp_path: Path):
    environment = github(tmp_path, "pull_request", {})
    (tmp_path / "event.json").unlink()
    assert where(environment).fork
    (tmp_path / "event.json").write_bytes(b"[" * 1_000_000)
    assert where(environment).fork


def test_a_run_begun_by_a_forks_run_is_a_forks_build(tmp_path: Path):
    event = {"workflow_run": {"head_repository": {"full_name": "mallory/loans"}}}
    assert where(github(tmp_path, "workflow_run", event)).fork
    assert where(github(tmp_path, "issue_comment", {})).fork


@pytest.mark.parametrize(
    "environment",
    [
        {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "1", "CI_PROJECT_ID": "1",
         "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"},
        {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "1", "CI_PROJECT_ID": "1"},
        {"TRAVIS": "true", "TRAVIS_PULL_REQUEST": "7", "TRAVIS_PULL_REQUEST_SLUG": "m/l",
         "TRAVIS_REPO_SLUG": "a/l"},
        {"TF_BUILD": "True", "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
         "SYSTEM_PULLREQUEST_ISFORK": "True"},
        {"CIRCLECI": "true", "CIRCLE_PR_REPONAME": "loans"},
        {"JENKINS_URL": "x", "CHANGE_FORK": "mallory"},
        {"BUILDKITE": "true", "BUILDKITE_PULL_REQUEST_REPO": "git://m/l"},
    ],
    ids=lambda environment: next(iter(environment)),
)  # fmt: skip
def test_other_services_say_it_in_their_own_way(environment: dict[str, str]):
    assert where(environment).fork


@pytest.mark.parametrize(
    "environment",
    [
        {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "1", "CI_PROJECT_ID": "1",
         "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1"},
        {"GITLAB_CI": "true"},
        {"TRAVIS": "true", "TRAVIS_PULL_REQUEST": "false"},
        {"TF_BUILD": "True"},
        {"CIRCLECI": "true"},
        {"JENKINS_URL": "x"},
        {"CI": "true"},
    ],
    ids=lambda environment: next(iter(environment)),
)  # fmt: skip
def test_builds_of_the_repository_itself_are_no_forks(environment: dict[str, str]):
    build = where(environment)
    assert build.service
    assert not build.fork
