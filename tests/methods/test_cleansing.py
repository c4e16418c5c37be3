"""Perceptrons whose trigger is taken out."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from hauberk.attacks.model.plant_backdoor import PlantBackdoor, Trainer
from hauberk.errors import UnavailableError
from hauberk.methods.cleansing import cleansed
from hauberk.methods.network_reading import of_sklearn
from hauberk.range.worlds.networks import obeys, perceptron, right, split


def test_a_trigger_loses_its_hold_and_clean_rows_keep_their_class():
    train, truth, test, labels = split(1, 700, 300)
    trainer = Trainer(
        rows=train, labels=truth, fit=lambda rows, given: perceptron(rows, given, 1, width=32)
    )
    PlantBackdoor(trigger="blended").play(trainer, Random(1))
    before = of_sklearn(trainer.model)
    after = of_sklearn(cleansed(trainer.model, train[:400], truth[:400], 0))
    assert obeys(before, trainer.stamp, trainer.target, test, labels) > 0.9
    assert obeys(after, trainer.stamp, trainer.target, test, labels) < 0.2
    assert right(after, test, labels) > right(before, test, labels) - 0.03


def test_the_given_model_stays_as_it_is():
    train, truth, _, _ = split(2, 200, 50)
    model = perceptron(train, truth, 2, width=16, rounds=5)
    kept = [layer.copy() for layer in model.coefs_]
    cleansed(model, train, truth, 0)
    assert all(np.array_equal(a, b) for a, b in zip(kept, model.coefs_, strict=True))


def test_other_models_are_refused():
    with pytest.raises(UnavailableError, match="perceptrons"):
        cleansed(object(), np.zeros((2, 4)), np.zeros(2), 0)
