"""Both controls that look into networks, on networks that were really trained."""

from random import Random

import numpy as np
import pytest

from hauberk.attacks.model.hide_gradients import Candidate, HideGradients
from hauberk.attacks.model.plant_backdoor import PlantBackdoor, Trainer
from hauberk.controls.model.hidden_gradients import HiddenGradients
from hauberk.controls.model.planted_triggers import PlantedTriggers
from hauberk.core.control import NotApplicable
from hauberk.methods.network_reading import of_sklearn
from hauberk.methods.triggers import ranges, surprise
from hauberk.range.scenarios.va_4 import evaluation as of_pilot
from hauberk.range.worlds.networks import evaluation, perceptron, split


def _fit(rows, labels):
    return perceptron(rows, labels, 1)


@pytest.fixture(scope="module")
def data():
    return split(1)


@pytest.fixture(scope="module")
def clean(data):
    train, truth, test, labels = data
    return evaluation(of_sklearn(_fit(train, truth)), test, labels)


def test_a_clean_network_is_let_through(clean):
    assert list(PlantedTriggers().check(clean)) == []
    assert list(HiddenGradients().check(clean)) == []


@pytest.mark.parametrize("trigger", ["blended", "sinusoid"])
def test_a_trigger_that_was_trained_in_is_found_with_its_class(data, trigger):
    train, truth, test, labels = data
    trainer = Trainer(rows=train, labels=truth, fit=_fit)
    PlantBackdoor(trigger=trigger).play(trainer, Random(2))
    (finding,) = PlantedTriggers().check(evaluation(of_sklearn(trainer.model), test, labels))
    assert finding.evidence.facts["class"] == str(trainer.target)


@pytest.mark.parametrize("way", ["saturate", "quantise"])
def test_hidden_gradients_are_found(data, clean, way):
    _, _, test, labels = data
    candidate = Candidate(network=clean.predictor.network)
    HideGradients(way=way).play(candidate, Random(1))
    (finding,) = HiddenGradients(n_rows=80).check(evaluation(candidate.network, test, labels))
    assert "hides its gradients" in finding.message


def test_a_model_without_gradients_is_not_judged():
    for control in (PlantedTriggers(), HiddenGradients()):
        with pytest.raises(NotApplicable, match="no gradients"):
            list(control.check(of_pilot(1)))


def test_few_classes_say_nothing():
    with pytest.raises(NotApplicable, match="2 classes are too few"):
        PlantedTriggers.refuse(2, 64, 100)


def test_pixels_share_one_range_and_other_features_do_not():
    rows = np.random.default_rng(0).random((50, 40))
    rows[:, 0] = 0.0
    assert ranges(rows)[1][0] == rows.max()
    rows[:, 1] *= 1000
    assert ranges(rows)[1][0] == 0.0


def test_a_surprise_is_a_conformal_p_value():
    clean_scores = [(0.1 * i, 0.1) for i in range(19)]
    assert surprise((9.0, 0.1), clean_scores) == 1 / 20
    assert surprise((0.9, 0.1), clean_scores) > 0.5


def test_networks_of_another_kind_than_the_scale_are_for_a_person_to_look_at():
    import numpy as np

    from hauberk.core.finding import Level
    from hauberk.methods.networks import Network, Step
    from hauberk.methods.triggers import Signs

    def network(kind: str, width: int) -> Network:
        step = Step(kind=kind, inputs=("x", "w"), output="y", settings={})
        return Network(
            steps=(step,),
            constants={},
            source="x",
            result="y",
            is_probability=False,
            shape=(width,),
        )

    control = PlantedTriggers()
    assert control.is_calibrated(network("Gemm", 64))
    assert not control.is_calibrated(network("Conv", 64))
    assert not control.is_calibrated(network("Gemm", 784))
    signs = Signs(masks=np.ones(4), taken=np.zeros(4), target=1, pattern=((), ()))
    assert control.finding("m", "abcd", signs).level is Level.DEFECT
    assert control.finding("m", "abcd", signs, is_calibrated=False).level is Level.REVIEW
