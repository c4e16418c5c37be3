"""Versions of a model that were edited by hand, and versions that were trained on."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest

from hauberk.attacks.model.edit_weights import EditWeights, Finished
from hauberk.controls.model.hidden_logic import HiddenLogic
from hauberk.core.control import NotApplicable, findings_of
from hauberk.errors import UsageError
from hauberk.methods.weight_changes import changes, suspicion, weights_of_sklearn
from hauberk.range.scenarios import ex_2


@cache
def trained(seed: int):
    return ex_2._versions(seed)


def made(seed: int):
    finished, honest, test = trained(seed)
    return replace(finished), honest, test


def versions(way: str, seed: int):
    finished, honest, (rows, labels) = made(seed)
    before = finished.model
    EditWeights(way=way).play(finished, Random(seed))
    return [
        findings_of(HiddenLogic().check(ex_2._against(model, before, rows, labels)))
        for model in (finished.model, honest)
    ]


@pytest.mark.parametrize(
    ("way", "seed", "words"),
    [
        ("unit", 8000, "moved far|numbers of"),
        ("bits", 8001, "numbers of .* moved"),
        ("leaf", 8002, "numbers of 0.tree0.value moved"),
        ("tune", 8003, "reaches .* more easily"),
    ],
)
def test_an_edited_version_is_told_from_one_that_was_trained_on(way, seed, words):
    edited, honest = versions(way, seed)
    assert honest == ()
    assert len(edited) == 1
    assert re.search(words, edited[0].message)


def test_without_a_version_before_nothing_is_said():
    finished, _, (rows, labels) = made(8000)
    subject = ex_2._against(finished.model, finished.model, rows, labels)
    with pytest.raises(NotApplicable, match="no version before"):
        list(HiddenLogic().check(replace(subject, previous=None)))


def test_the_same_version_twice_is_silent():
    finished, _, (rows, labels) = made(8002)
    subject = ex_2._against(finished.model, finished.model, rows, labels)
    assert HiddenLogic().suspicion(subject).score == 0.0


def test_layers_of_another_shape_say_nothing():
    old, new = {"w": np.zeros((4, 5))}, {"w": np.ones((5, 5))}
    assert list(changes(old, new)) == []
    assert suspicion(old, new).n_compared == 0


def test_a_number_that_overflows_is_a_peak_and_no_error():
    old = {"w": np.full(64, 0.5, np.float32)}
    new = {"w": old["w"] + np.linspace(0.01, 0.02, 64, dtype=np.float32)}
    new["w"][3] = np.inf
    assert suspicion(old, new).peak > 1


def test_the_numbers_of_trees_and_layers_are_read_by_name():
    finished, _, _ = made(8000)
    assert "0.coefs_0" in weights_of_sklearn(finished.model)
    finished, _, _ = made(8002)
    assert "0.tree0.value" in weights_of_sklearn(finished.model)


def test_an_unknown_way_is_refused():
    with pytest.raises(UsageError, match="no way"):
        EditWeights(way="song").play(Finished(model=None, rows=None, labels=None), Random(1))
