from dataclasses import replace

import pytest

from hauberk.core.threat import Comparison, Statistic, Target
from hauberk.errors import InternalError
from hauberk.range import judge as judging
from hauberk.range.judge import judge
from hauberk.range.scenario import Scenario, Trial

RATE = Target(metric="detected", comparison=Comparison.AT_LEAST, value=0.9, unit="seed", trials=46)
REFUSAL = replace(RATE, value=1.0, trials=100)
NEVER = replace(RATE, comparison=Comparison.AT_MOST, value=0.0, trials=100)
MEDIAN = replace(RATE, value=0.8, trials=5, statistic=Statistic.MEDIAN)
AT_COST = replace(RATE, false_alarm_rate=0.05)


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch):
    def of(target: Target, values, *, potent=True, false_alarm=None, min_potency=0.9):
        monkeypatch.setattr(Scenario, "targets", lambda _self: (target,))
        scenario = Scenario(
            threat="AN-1",
            attack="dataset/deed",
            control="dataset/defect",
            play=lambda _seed: Trial(),
            parts=(("detected", ""),),
            min_potency=min_potency,
        )
        trials = [
            Trial(values={"detected": value}, potent=potent, false_alarm=false_alarm)
            for value in values
        ]
        return judge(scenario, trials, seconds=1.0)[0]

    return of


def hits(successes: int, trials: int) -> list[bool]:
    return [index < successes for index in range(trials)]


@pytest.mark.parametrize(
    ("target", "values", "expected"),
    [
        (REFUSAL, hits(100, 100), "met"),
        (REFUSAL, hits(99, 100), "missed"),
        (REFUSAL, hits(99, 99), "not enough trials"),
        (REFUSAL, hits(4, 5), "missed"),
        (NEVER, hits(0, 100), "met"),
        (NEVER, hits(1, 1000), "missed"),
        (RATE, hits(46, 46), "met"),
        (RATE, hits(45, 46), "met"),
        (RATE, hits(43, 46), "not enough trials"),
        (RATE, hits(41, 46), "missed"),
        (RATE, hits(10, 10), "not enough trials"),
        (RATE, hits(8, 10), "not enough trials"),
        (RATE, hits(2, 10), "missed"),
        (MEDIAN, [0.9, 0.85, 0.81, 0.95, 0.88], "met"),
        (MEDIAN, [0.9, 0.85, 0.7, 0.95, 0.88], "not enough trials"),
        (MEDIAN, [0.9, 0.5, 0.7, 0.6, 0.78], "missed"),
        (MEDIAN, [0.9, 0.9], "not enough trials"),
    ],
)
def test_trials_become_a_state(state, target, values, expected):
    assert state(target, values).state == expected


def test_a_weak_attack_voids_the_row(state):
    score = state(RATE, hits(46, 46), potent=False)
    assert (score.state, score.value, score.met) == ("void", None, None)
    assert "potency 0.00" in score.note


def test_more_false_alarms_than_allowed_miss_the_target(state):
    assert state(AT_COST, hits(46, 46), false_alarm=1.0).state == "missed"
    assert state(AT_COST, hits(46, 46), false_alarm=0.0).state == "met"


def test_a_rate_without_false_alarms_is_an_error(state):
    with pytest.raises(InternalError, match="never shown without its false alarms"):
        state(AT_COST, hits(46, 46))


def test_a_promised_metric_must_be_there(state):
    with pytest.raises(InternalError, match="did not give a metric"):
        state(replace(RATE, metric="precision"), hits(5, 5))


def test_a_refusal_shows_the_bound_that_it_proves(state):
    score = state(REFUSAL, hits(100, 100))
    assert "no miss in 100 proves at least 0.9705" in score.note
    assert score.interval == pytest.approx((0.9705, 1.0), abs=1e-4)


def test_a_median_shows_mean_and_worst(state):
    assert "mean 0.878, worst 0.81" in state(MEDIAN, [0.9, 0.85, 0.81, 0.95, 0.88]).note


def test_false_alarms_show_their_upper_bound(state):
    note = state(AT_COST, hits(46, 46), false_alarm=0.0).note
    assert "false alarms at most 0.0630 over 46 clean twins" in note


def test_states_are_the_four_words_of_the_contract():
    words = {judging.MET, judging.MISSED, judging.NOT_ENOUGH, judging.VOID}
    assert words == {"met", "missed", "not enough trials", "void"}
