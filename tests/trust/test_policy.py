from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.core.finding import Severity
from hauberk.core.policy import Examination, Isolation, Policy, Waiver
from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.policy import (
    check_floor,
    policy_digest,
    policy_document,
    read_policy,
    read_project_policy,
    sealed,
    tighten,
)

WAIVER = Waiver(
    threat="AQ-2", subject="data/a.csv", reason="known", owner="ada", expires=date(2030, 1, 31)
)
IDS = st.text("abc/-", min_size=1, max_size=5)
WAIVERS = st.builds(Waiver, threat=IDS, subject=IDS, reason=IDS, owner=IDS, expires=st.dates())
POLICIES = st.builds(
    Policy,
    fail_on=st.sampled_from(Severity),
    min_isolation=st.sampled_from(Isolation),
    required=st.none() | st.frozensets(IDS, max_size=3),
    waivers=st.lists(WAIVERS, max_size=3).map(tuple),
    examination=st.builds(
        Examination,
        parts=st.frozensets(IDS, max_size=2),
        attacks=st.frozensets(IDS, max_size=2),
        min_rows=st.integers(0, 500),
        min_radius=st.sampled_from([0.0, 0.1, 0.3]),
    ),
)


@given(POLICIES)
def test_a_policy_survives_its_document(policy):
    back = read_policy(policy_document(policy))
    assert replace(back, digest="", waivers=frozenset(back.waivers)) == replace(
        policy, waivers=frozenset(policy.waivers)
    )
    assert back.digest == policy_digest(policy)


@given(POLICIES, POLICIES)
def test_policies_that_demand_the_same_have_the_same_digest_and_others_not(one, other):
    same = policy_document(one) == policy_document(other)
    assert (policy_digest(one) == policy_digest(other)) is same


@given(POLICIES)
def test_every_policy_reaches_itself(policy):
    check_floor(policy, policy)
    assert policy_digest(tighten(policy, policy)) == policy_digest(
        replace(policy, waivers=tuple(dict.fromkeys(policy.waivers)))
    )


@given(POLICIES, POLICIES)
def test_what_tighten_gives_reaches_the_floor(floor, project):
    try:
        joined = tighten(floor, project)
    except TrustError:
        return
    check_floor(floor, joined)
    assert joined.fail_on.rank <= floor.fail_on.rank
    assert joined.min_isolation.rank >= floor.min_isolation.rank


def test_everything_may_be_left_out_of_a_document():
    assert read_policy({}) == sealed(Policy())
    assert read_policy({"required": None}) == sealed(Policy())


def test_a_configuration_file_gives_days_as_dates():
    row = {
        "threat": "AQ-2",
        "subject": "data/a.csv",
        "reason": "known",
        "owner": "ada",
        "expires": date(2030, 1, 31),
    }
    assert read_policy({"waivers": [row]}).waivers == (WAIVER,)


ROW = {"threat": "t", "subject": "s", "reason": "r", "owner": "o", "expires": "2030-01-31"}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"fail": "high"},
        {"fail_on": "none"},
        {"fail_on": None},
        {"min_isolation": "vm"},
        {"required": "all"},
        {"required": [1]},
        {"waivers": {}},
        {"waivers": [1]},
        {"waivers": [ROW | {"expires": "soon"}]},
        {"waivers": [ROW | {"expires": 5}]},
        {"waivers": [ROW | {"reason": ""}]},
        {"waivers": [ROW | {"more": 1}]},
    ],
)
def test_documents_that_are_no_policy_are_refused(document):
    with pytest.raises(ArtifactError):
        read_policy(document)
    with pytest.raises(UsageError):
        read_project_policy(document, "hauberk.toml: policy")


def test_a_project_may_demand_more():
    floor = Policy(fail_on=Severity.HIGH, required=frozenset({"a"}), waivers=(WAIVER,))
    project = Policy(
        fail_on=Severity.LOW, min_isolation=Isolation.FULL, required=frozenset({"a", "b"})
    )
    joined = tighten(floor, project)
    assert joined == sealed(replace(project, waivers=(WAIVER,)))


def test_a_project_that_names_no_controls_demands_those_of_the_floor():
    assert tighten(Policy(required=frozenset({"a"})), Policy()).required == frozenset({"a"})


@pytest.mark.parametrize(
    ("floor", "project", "key"),
    [
        (Policy(fail_on=Severity.MEDIUM), Policy(fail_on=Severity.HIGH), "fail_on"),
        (Policy(min_isolation=Isolation.FULL), Policy(), "min_isolation"),
        (Policy(required=frozenset({"a"})), Policy(required=frozenset({"b"})), "required"),
        (Policy(), Policy(required=frozenset({"b"})), "required"),
        (Policy(), Policy(waivers=(WAIVER,)), "waivers"),
        (
            Policy(waivers=(WAIVER,)),
            Policy(waivers=(replace(WAIVER, expires=date(2031, 1, 1)),)),
            "waivers",
        ),
    ],
)
def test_a_project_that_demands_less_is_refused_by_key(floor, project, key):
    with pytest.raises(TrustError, match=f"lowers {key}") as caught:
        tighten(floor, project)
    assert caught.value.subject == f"policy.{key}"


def test_a_floor_may_let_projects_grant_waivers():
    assert tighten(Policy(), Policy(waivers=(WAIVER,)), project_waivers=True).waivers == (WAIVER,)


def test_the_defaults_decide_what_no_list_stands_for():
    defaults = frozenset({"a", "b"})
    more, less = Policy(required=frozenset({"a", "b", "c"})), Policy(required=frozenset({"a"}))
    assert tighten(Policy(), more, defaults=defaults).required == more.required
    with pytest.raises(TrustError, match="lowers required") as caught:
        tighten(Policy(), less, defaults=defaults)
    assert caught.value.expected == "b"
    check_floor(less, Policy(), defaults=defaults)


def test_an_attested_policy_without_a_list_does_not_reach_a_floor_with_one():
    with pytest.raises(TrustError, match="lowers required") as caught:
        check_floor(Policy(required=frozenset({"a"})), Policy())
    assert caught.value.expected == "a"


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("parts", {"parts": frozenset()}),
        ("attacks", {"attacks": frozenset()}),
        ("min_rows", {"min_rows": 3}),
        ("min_queries", {"min_queries": 1}),
        ("min_radius", {"min_radius": 0.0}),
        ("max_age_days", {"max_age_days": 900.0}),
    ],
)
def test_a_project_cannot_ask_for_less_of_an_examination(key, change):
    weak = Policy(examination=Examination(**change))
    with pytest.raises(TrustError, match=f"lowers examination.{key}"):
        check_floor(Policy(), weak)
    check_floor(weak, Policy())


@pytest.mark.parametrize("wrong", [{"min_rows": -1}, {"min_rows": "3"}, {"eps": 1}, {"parts": "x"}])
def test_a_malformed_demand_is_refused(wrong):
    with pytest.raises(ArtifactError):
        read_policy({"examination": wrong})
