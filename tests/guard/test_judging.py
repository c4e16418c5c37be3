"""What becomes of the word of a control on exchanges."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest

from hauberk.core.control import Action, Signal, Tier, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.errors import UsageError
from hauberk.formats import v2
from hauberk.guard.identity import keyring_of, new_key
from hauberk.guard.judging import judges_of
from hauberk.guard.policy import GuardPolicy, from_bytes, to_bytes, with_profile
from hauberk.guard.service import Surroundings
from hauberk.guard.shaping import Detail, Level
from hauberk.range.worlds import served


class Says(Watch):
    """Says the same of every exchange, and keeps what it was shown."""

    title = "Says"
    threats = ()
    subject = None

    def __init__(self, action, name="exchange/says", **signal):
        self.action, self.name, self.signal, self.seen = action, name, signal, []

    @property
    def id(self):
        return self.name

    def observe(self, exchange, state):
        self.seen.append(exchange)
        return Signal(
            score=0.5,
            action=self.action,
            reason="says so",
            severity=Severity.LOW,
            evidence=Evidence(statistic="distance", value=0.1, threshold=0.2),
            **self.signal,
        )


class SaysInShadow(Says):
    shadow: ClassVar[bool] = True


class SaysAfter(Says):
    after_answer: ClassVar[bool] = True


class SaysStrictly(Says):
    tier: ClassVar[Tier] = Tier.STRICT


class ListLog:
    def __init__(self):
        self.records = []

    def append(self, batch):
        self.records += [json.loads(record) for record in batch]


@pytest.fixture
def desk_with(tmp_path, open_desk):
    def make(*watches, policy=None, **world):
        bundle = served.write_classifier(tmp_path / "b", policy or GuardPolicy(slow_s=0.01))
        options = {"hosts": None} if "keyring" in world else {}
        return open_desk(bundle, Surroundings(watches=watches, **world), **options)

    return make


def _scores(answer):
    return v2.parse_response(answer.body).outputs[1].values


def test_a_control_is_shown_the_decoded_rows(desk_with):
    watch = Says(Action.ALLOW)
    desk_with(watch).ask((1.0, 2.0), (3.0, 4.0))
    assert watch.seen[0].rows.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_control_after_the_answer_is_shown_the_model_s_own_outputs(desk_with):
    watch = SaysAfter(Action.ALLOW)
    policy = GuardPolicy(roles={"default": Detail(detail=Level.LABEL)})
    desk_with(watch, policy=policy).ask((1.0, 2.0))
    assert 0 < watch.seen[0].outputs[1].values[0] < 1


def test_a_hardened_answer_is_an_answer_with_less_in_it(desk_with):
    answer = desk_with(Says(Action.HARDEN)).ask((1.0, 2.0))
    assert (answer.status, sorted(_scores(answer))) == (200, [0.0, 1.0])


def test_a_slowed_answer_is_hardened_and_late(desk_with):
    answer = desk_with(Says(Action.SLOW), policy=GuardPolicy(slow_s=0.2)).ask((1.0, 2.0))
    assert (answer.status, sorted(_scores(answer))) == (200, [0.0, 1.0])
    assert answer.seconds >= 0.2


def test_a_blocked_request_is_refused_with_the_status_of_the_signal(desk_with):
    answer = desk_with(Says(Action.BLOCK, status=403)).ask()
    assert (answer.status, "says" in answer.body.decode()) == (403, False)


def test_a_control_after_the_answer_can_withhold_it(desk_with):
    assert desk_with(SaysAfter(Action.BLOCK, status=403)).ask().status == 403


def test_a_challenge_asks_for_a_stronger_identity(desk_with):
    answer = desk_with(Says(Action.CHALLENGE)).ask()
    assert (answer.status, "insufficient" in answer.headers["www-authenticate"]) == (401, True)


def test_a_role_that_is_strong_has_passed_the_challenge(desk_with):
    policy = GuardPolicy(roles={"default": Detail(strong=True)})
    assert desk_with(Says(Action.CHALLENGE), policy=policy).ask().status == 200


def test_the_strongest_of_several_actions_is_obeyed_and_all_are_asked(desk_with):
    watches = [Says(Action.BLOCK, "exchange/a"), Says(Action.HARDEN, "exchange/b")]
    assert desk_with(*watches).ask().status == 400
    assert [len(watch.seen) for watch in watches] == [1, 1]


@pytest.mark.parametrize("action", [Action.HARDEN, Action.SLOW, Action.CHALLENGE, Action.BLOCK])
def test_in_shadow_nothing_is_done_and_everything_is_reported(desk_with, action):
    log = ListLog()
    desk = desk_with(SaysInShadow(action), log=log)
    answer = desk.ask((1.0, 2.0))
    page = desk.get("/metrics").body.decode()
    lines = list(desk.service.metrics.shadows.lines())
    desk.service.close()
    assert (answer.status, 0 < _scores(answer)[0] < 1) == (200, True)
    assert f'hauberk_shadowed_total{{control="exchange/says",action="{action}"}} 1' in page
    assert lines == [
        f"exchange/says in shadow, would have done: {action} 1 of 1 requests, from 1 principal"
    ]
    assert log.records[0]["signals"] == [
        {
            "control": "exchange/says",
            "action": action.value,
            "obeyed": False,
            "score": 0.5,
            "statistic": "distance",
            "value": 0.1,
            "threshold": 0.2,
        }
    ]


@pytest.mark.parametrize(
    ("tier", "asked"), [(Tier.LEAN, []), (Tier.WATCH, ["a"]), (Tier.STRICT, ["a", "b"])]
)
def test_a_profile_says_which_controls_are_asked(desk_with, tier, asked):
    watches = [Says(Action.ALLOW, "a"), SaysStrictly(Action.ALLOW, "b")]
    desk_with(*watches, policy=with_profile(GuardPolicy(), tier)).ask()
    assert [watch.name for watch in watches if watch.seen] == asked


def test_a_control_can_set_itself_up_for_the_model(desk_with):
    class Fits(Says):
        def fitted(self, learnt):
            return Says(Action.BLOCK, status=400 + len(learnt.schema.inputs[0].columns))

    assert desk_with(Fits(Action.ALLOW)).ask().status == 402


# Roles ---------------------------------------------------------------------------------


def _asked_as(desk_with, role):
    key, line = new_key("alice", role)
    roles = {"public": Detail(detail=Level.LABEL), "partner": Detail()}
    desk = desk_with(policy=GuardPolicy(roles=roles), keyring=keyring_of(line))
    return desk.ask((1.0, 2.0), headers={"authorization": f"Bearer {key}"})


def test_a_role_is_given_the_detail_of_the_policy(desk_with):
    assert sorted(_scores(_asked_as(desk_with, "public"))) == [0.0, 1.0]


def test_another_role_is_given_all(desk_with):
    assert 0 < _scores(_asked_as(desk_with, "partner"))[0] < 1


@pytest.mark.parametrize("role", ["", "admin"])
def test_a_role_that_is_not_listed_may_not_ask(desk_with, role):
    assert _asked_as(desk_with, role).status == 403


def test_a_policy_with_roles_reads_back_as_it_was():
    policy = GuardPolicy(
        roles={"public": Detail(detail=Level.TOP_K, top_k=3, decimals=0)},
        profile=Tier.STRICT,
        hardened=Detail(detail=Level.ROUNDED, decimals=1),
        revision=7,
    )
    assert from_bytes(to_bytes(policy)) == policy


@pytest.mark.parametrize(
    "fields",
    [
        {"roles": []},
        {"roles": {"A b": {}}},
        {"roles": {"public": {"detail": "all"}}},
        {"roles": {"public": {"top": 1}}},
        {"roles": {"public": {"strong": 1}}},
        {"roles": {"public": {"decimals": -1}}},
        {"roles": {"public": {"decimals": True}}},
        {"roles": {"public": {"top_k": 0}}},
        {"hardened": "label"},
        {"profile": "loose"},
        {"profile": ["lean"]},
        {"revision": 0},
    ],
)
def test_a_policy_that_cannot_be_is_refused(fields):
    with pytest.raises(ValueError, match="policy"):
        from_bytes(json.dumps({"schema": 1, **fields}).encode())


def test_answers_leave_at_multiples_of_the_bucket(desk_with):
    desk = desk_with(policy=GuardPolicy(answer_bucket_s=0.2))
    answer = desk.ask()
    assert answer.status == 200
    assert answer.seconds >= 0.19


def test_a_bucket_of_nothing_can_be_written_down():
    assert from_bytes(to_bytes(GuardPolicy(answer_bucket_s=0.0))).answer_bucket_s == 0.0


def test_a_promoted_control_that_does_not_exist_is_refused_with_a_guess():
    with pytest.raises(UsageError) as refused:
        judges_of((SaysInShadow(Action.BLOCK),), Tier.WATCH, frozenset({"exchange/sais"}))
    assert refused.value.subject == "policy field promote"
    assert refused.value.hint == "did you mean exchange/says?"


def test_a_promoted_control_that_the_profile_does_not_ask_is_refused():
    with pytest.raises(UsageError) as refused:
        judges_of((SaysStrictly(Action.BLOCK),), Tier.WATCH, frozenset({"exchange/says"}))
    assert refused.value.expected == "profile strict, for exchange/says"
