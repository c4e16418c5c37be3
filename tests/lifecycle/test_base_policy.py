"""A change is judged by the policy of the branch that it is made against."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hauberk.core.finding import Severity
from hauberk.core.policy import Isolation, Policy
from hauberk.errors import TrustError, UsageError
from hauberk.lifecycle import signing
from hauberk.lifecycle.base_policy import of_base
from hauberk.lifecycle.run import Options
from hauberk.lifecycle.settings import load
from hauberk.trust.ci import base
from hauberk.trust.policy import sealed

STRICT = '[project]\nname = "loans"\n\n[policy]\nfail_on = "medium"\n'
LAX = '[project]\nname = "loans"\n\n[policy]\nfail_on = "critical"\n'
WAIVED = (
    STRICT
    + '[[policy.waivers]]\nthreat = "AN-1"\nsubject = "data"\nreason = "r"\nowner = "o"\n'
    + "expires = 2030-01-01\n"
)


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "loans"
    folder.mkdir()
    git(folder, "init", "-b", "main")
    (folder / "hauberk.toml").write_text(STRICT, "utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "policy")
    return folder


def judged(project: Path, ref: str = "main") -> Policy:
    options = Options(configuration=project, clock=lambda: 0.0, policy_from=ref)
    return signing._judged(load(project), options, None)


def test_the_bases_policy_holds(project: Path):
    assert judged(project).fail_on is Severity.MEDIUM
    floor = sealed(Policy(min_isolation=Isolation.LANDLOCK))
    assert of_base(load(project), "main", floor).min_isolation is Isolation.LANDLOCK


@pytest.mark.parametrize("text", [LAX, WAIVED], ids=["laxer", "waived"])
def test_a_change_cannot_loosen_what_judges_it(project: Path, text: str):
    (project / "hauberk.toml").write_text(text, "utf-8")
    with pytest.raises(TrustError):
        judged(project)


def test_a_change_may_tighten_it(project: Path):
    (project / "hauberk.toml").write_text(STRICT.replace("medium", "low"), "utf-8")
    assert judged(project).fail_on is Severity.LOW


@pytest.mark.parametrize("ref", ["gone", "--output=x", "main:hauberk.toml", "a..b", ""])
def test_a_base_that_cannot_be_read_is_an_error(project: Path, ref: str):
    with pytest.raises(UsageError, match="base branch"):
        of_base(load(project), ref, Policy())


def test_the_bases_root_still_binds_it(project: Path):
    root = signing.Root(project="loans", roles={}, policy=sealed(Policy(fail_on=Severity.LOW)))
    options = Options(configuration=project, clock=lambda: 0.0, policy_from="main")
    with pytest.raises(TrustError):
        signing._judged(load(project), options, root)
    held = replace(root, policy=sealed(Policy(fail_on=Severity.HIGH)))
    assert signing._judged(load(project), options, held).fail_on is Severity.MEDIUM


def test_a_build_of_a_pull_request_names_its_base():
    assert base({"GITHUB_BASE_REF": "main"}) == "origin/main"
    assert base({"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "dev"}) == "origin/dev"
    assert base({"GITHUB_BASE_REF": ""}) == ""
