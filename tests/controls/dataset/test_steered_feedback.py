"""Accounts that push a model together."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from hauberk.attacks.dataset.vote_together import VoteTogether
from hauberk.controls.dataset.steered_feedback import SteeredFeedback
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, RowScores
from hauberk.methods.feedback import capped, tried, within_cap
from hauberk.range.worlds.feedback import stage


def findings(subject):
    return [item for item in SteeredFeedback().check(subject) if isinstance(item, Finding)]


def test_honest_accounts_are_not_named():
    assert findings(stage(1).feedback) == []


def test_accounts_that_send_much_are_named_with_all_their_rows():
    attacked = VoteTogether().apply(stage(1).feedback, Random(1))
    scores = [
        score
        for item in SteeredFeedback().check(attacked.subject)
        if isinstance(item, RowScores)
        for _, part in item.read()
        for score in part
    ]
    assert set(np.flatnonzero(scores)) == set(attacked.rows)
    (finding,) = findings(attacked.subject)
    assert f"push {attacked.truth['target']} together" in finding.message


def test_without_accounts_nothing_is_judged():
    with pytest.raises(NotApplicable):
        findings(replace(stage(1).feedback, annotator=None))


def test_no_account_counts_for_more_than_two_median_accounts():
    people = np.array(["a"] * 10 + ["b"] * 10 + ["c"] * 500)
    weights, heard = capped(people), within_cap(people)
    assert weights[people == "c"].sum() == pytest.approx(20)
    assert [int(heard[people == name].sum()) for name in "abc"] == [10, 10, 20]


def test_rows_that_count_are_spread_over_what_an_account_sent():
    people = np.array(["a"] * 10 + ["b"] * 10 + ["c"] * 100)
    places = np.flatnonzero(within_cap(people)[20:])
    assert places.max() - places.min() >= 90


def test_an_update_that_is_better_everywhere_is_adopted():
    truth = np.repeat([0, 1, 2], 50)
    before = truth.copy()
    before[::7] = (before[::7] + 1) % 3
    assert tried(before, truth, truth, 3).refused == ""


def test_an_update_that_moves_one_class_is_refused():
    truth = np.repeat([0, 1, 2], 50)
    after = truth.copy()
    after[:8] = 2
    found = tried(truth, after, truth, 3)
    assert (found.refused, found.pair) == ("one class is moved to another", (0, 2))


def test_an_update_that_is_worse_a_little_everywhere_is_refused():
    truth = np.repeat(np.arange(10), 60)
    after = truth.copy()
    wrong = np.arange(0, 600, 15)
    after[wrong] = (truth[wrong] + 1 + wrong % 9) % 10
    assert tried(truth, after, truth, 10).refused == "canaries are answered worse"


def test_an_update_on_no_canaries_moves_nothing():
    nothing = np.empty(0, int)
    assert tried(nothing, nothing, nothing, 2).moved == 0
