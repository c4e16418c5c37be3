"""Models that tell the share of a group, and models that have nothing to tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hauberk.controls.model.inferable_share import InferableShare
from hauberk.core.control import NotApplicable, findings_of
from hauberk.methods.property_inference import told_apart, with_share
from hauberk.range.scenarios import xc_5


def test_a_group_with_a_rule_of_its_own_is_told_and_one_without_is_not():
    (finding,) = findings_of(InferableShare().check(xc_5._owned(9000, differs=True)))
    assert finding.evidence.value > 0.9
    assert findings_of(InferableShare().check(xc_5._owned(9000, differs=False))) == ()


def test_without_a_named_group_or_recipe_nothing_is_said():
    subject = xc_5._owned(9000, differs=True)
    with pytest.raises(NotApplicable, match="no group is named"):
        list(InferableShare().check(replace(subject, train=replace(subject.train, sensitive=()))))
    with pytest.raises(NotApplicable, match="recipe"):
        list(InferableShare().check(replace(subject, train=None)))


def test_a_small_group_is_not_audited():
    group = np.arange(200) < 59
    with pytest.raises(NotApplicable, match="59 rows"):
        InferableShare().audited(group, np.arange(10), lambda places, seed: None)


def test_a_draw_has_the_share_that_was_asked_for():
    group = np.arange(100) < 40
    places = with_share(group, 0.7, 50, np.random.default_rng(1))
    assert group[places].sum() == 35
    assert len(set(places.tolist())) == 50


def test_answers_of_nothing_but_noise_are_told_by_luck_alone():
    rng = np.random.default_rng(3)
    given = [rng.normal(size=(40, 5)) for _ in range(4)]
    found = told_apart(given, [np.arange(40) % 2 == 1] * 4)
    assert found.low < 0.6
    assert found.low <= found.auroc <= found.high
