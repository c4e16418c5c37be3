"""Where a run takes place, and what that allows its signatures to mean.

A build service runs code of whoever opens a pull request. Nothing is signed for a fork, even
where somebody has lent its job the keys; when a service says that this is a pull request, but
not from where, it is taken for a fork's. The variables are the services' own, set by the
service before the job's code begins.

The level of SLSA's build track is said, never claimed in a statement: provenance that is
signed with its owner's key reaches level 1. Level 2 asks for provenance that a hosted platform
makes and signs, which is what a signing job with an identity of the platform's own is for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_EVENT_BYTES = 32 << 20
Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Where a run takes place.

    Attributes:
        service: Name of the build service; empty on somebody's own machine.
        fork: Why this is taken for a fork's build; empty where it is not.
    """

    service: str = ""
    fork: str = ""

    @property
    def level(self) -> str:
        """The level of SLSA's build track that signed provenance reaches here, and why."""
        if self.fork:
            return "SLSA Build L0: nothing is signed for a fork"
        place = f"in a job of {self.service}" if self.service else "on its owner's machine"
        return (
            f"SLSA Build L1: provenance made {place} and signed with its owner's key; L2 asks "
            "for a hosted platform that signs with an identity of its own"
        )


def where(environment: Environment) -> Build:
    """What the environment says of the build service, read so that doubt means a fork."""
    for marker, (service, judge) in SERVICES.items():
        if environment.get(marker):
            return Build(service=service, fork=judge(environment))
    if environment.get("CI") in ("true", "1", "True"):
        return Build(service="a build service that is not known here")
    return Build()


def base(environment: Environment) -> str:
    """The branch that a pull request is made against, as git knows it; empty for other builds."""
    name = environment.get("GITHUB_BASE_REF") or environment.get(
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
    )
    return f"origin/{name}" if name else ""


def _github(environment: Environment) -> str:
    event = environment.get("GITHUB_EVENT_NAME", "")
    if event not in ("pull_request", "pull_request_target", "workflow_run", "issue_comment"):
        return ""
    if event == "issue_comment":
        return "a comment can begin a build of anybody's pull request"
    payload = _event(environment.get("GITHUB_EVENT_PATH", ""))
    ours = environment.get("GITHUB_REPOSITORY", "")
    part = "workflow_run" if event == "workflow_run" else "pull_request"
    theirs = _inside(payload, (part, "head_repository", "full_name")) or _inside(
        payload, (part, "head", "repo", "full_name")
    )
    return _compared("its event", theirs, ours)


def _event(path: str) -> Any:
    """The event's document, or nothing at all."""
    try:
        with Path(path).open("rb") as file:
            return json.loads(file.read(MAX_EVENT_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def _inside(value: Any, keys: tuple[str, ...]) -> str:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _gitlab(environment: Environment) -> str:
    if not environment.get("CI_MERGE_REQUEST_ID") and not environment.get("CI_MERGE_REQUEST_IID"):
        return ""
    theirs = environment.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "")
    return _compared("the merge request", theirs, environment.get("CI_PROJECT_ID", ""))


def _compared(what: str, theirs: str, ours: str) -> str:
    if not theirs or not ours:
        return f"{what} does not say which repository it comes from"
    return "" if theirs == ours else f"{what} comes from {ascii(theirs)[1:-1][:100]}"


def _flag(name: str, *quiet: str) -> Callable[[Environment], str]:
    """A variable that is set, to something else than ``quiet``, for forks only."""

    def judge(environment: Environment) -> str:
        value = environment.get(name, "")
        return "" if value in ("", *quiet) else f"{name} is set"

    return judge


def _travis(environment: Environment) -> str:
    if environment.get("TRAVIS_PULL_REQUEST", "false") == "false":
        return ""
    theirs = environment.get("TRAVIS_PULL_REQUEST_SLUG", "")
    return _compared("the pull request", theirs, environment.get("TRAVIS_REPO_SLUG", ""))


def _azure(environment: Environment) -> str:
    if not environment.get("SYSTEM_PULLREQUEST_PULLREQUESTID"):
        return ""
    said = environment.get("SYSTEM_PULLREQUEST_ISFORK", "")
    return "" if said.lower() == "false" else "the pull request is not said to be no fork's"


SERVICES: Mapping[str, tuple[str, Callable[[Environment], str]]] = {
    "GITHUB_ACTIONS": ("GitHub Actions", _github),
    "GITLAB_CI": ("GitLab CI", _gitlab),
    "TRAVIS": ("Travis CI", _travis),
    "TF_BUILD": ("Azure Pipelines", _azure),
    "CIRCLECI": ("CircleCI", _flag("CIRCLE_PR_REPONAME")),
    "JENKINS_URL": ("Jenkins", _flag("CHANGE_FORK")),
    "BUILDKITE": ("Buildkite", _flag("BUILDKITE_PULL_REQUEST_REPO")),
}
"""Variable that marks a service to its name and to what tells a fork's build."""
