import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from hauberk.errors import UnavailableError
from hauberk.methods.network_reading import of_onnx, of_sklearn
from hauberk.methods.networks import (
    Network,
    Step,
    cross_entropy_pull,
    margin_pull,
    straightened,
)

RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(120, 6))
CLASSES = (ROWS[:, 0] > 0).astype(int) + (ROWS[:, 1] > 0.5).astype(int)


def _fitted(model, n_classes=3):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(ROWS, np.minimum(CLASSES, n_classes - 1))


MODELS = {
    "linear": (LogisticRegression(), 3),
    "linear of two classes": (LogisticRegression(), 2),
    "scaled perceptron": (
        make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=40, random_state=1)),
        3,
    ),
    "tanh of two classes": (
        make_pipeline(
            MinMaxScaler(), MLPClassifier((8, 5), activation="tanh", max_iter=40, random_state=1)
        ),
        2,
    ),
}
each = pytest.mark.parametrize(("model", "n"), MODELS.values(), ids=MODELS)


@each
def test_a_network_answers_as_the_model_does(model, n):
    fitted = _fitted(model, n)
    assert np.abs(of_sklearn(fitted).scores(ROWS) - fitted.predict_proba(ROWS)).max() < 1e-5


@each
def test_an_exported_graph_answers_as_the_model_does(model, n):
    from skl2onnx import to_onnx

    fitted = _fitted(model, n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {id(fitted): {"zipmap": False}}
        graph = to_onnx(fitted, ROWS[:1].astype(np.float32), options=options, target_opset=17)
    network = of_onnx(graph.SerializeToString())
    assert np.abs(network.scores(ROWS) - fitted.predict_proba(ROWS)).max() < 1e-4


@each
def test_gradients_are_what_small_steps_show(model, n):
    fitted = _fitted(model, n)
    labels = np.minimum(CLASSES, n - 1)[:5]
    network = of_sklearn(fitted)
    _, found = network.gradient(ROWS[:5], cross_entropy_pull(labels, is_probability=True))

    def loss(rows):
        return -np.log(fitted.predict_proba(rows)[np.arange(5), labels])

    for column in range(6):
        step = np.zeros(6)
        step[column] = 1e-4
        shown = (loss(ROWS[:5] + step) - loss(ROWS[:5] - step)) / 2e-4
        assert found[:, column] == pytest.approx(shown, abs=1e-3)


def _convolution() -> Network:
    rng = np.random.default_rng(5)
    constants = {
        "w": rng.normal(size=(3, 1, 3, 3)).astype(np.float32),
        "b": rng.normal(size=3).astype(np.float32),
        "d": rng.normal(size=(12, 4)).astype(np.float32),
    }
    pads = {"pads": [1, 1, 1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    steps = (
        Step(kind="Conv", inputs=("x", "w", "b"), output="c", settings=pads),
        Step(kind="Relu", inputs=("c",), output="r", settings={}),
        Step(kind="MaxPool", inputs=("r",), output="m", settings=pool),
        Step(kind="Flatten", inputs=("m",), output="f", settings={}),
        Step(kind="MatMul", inputs=("f", "d"), output="z", settings={}),
    )
    return Network(
        steps=steps,
        constants=constants,
        source="x",
        result="z",
        is_probability=False,
        shape=(1, 4, 4),
    )


def test_gradients_pass_through_convolutions_and_pools():
    network, rows = _convolution(), np.random.default_rng(1).normal(size=(3, 16))
    labels = np.array([0, 1, 2])
    _, found = network.gradient(rows, margin_pull(labels))
    for column in range(16):
        step = np.zeros(16)
        step[column] = 1e-2
        ups, downs = network.scores(rows + step), network.scores(rows - step)
        best = np.where(np.eye(4)[labels] > 0, -np.inf, network.scores(rows)).argmax(axis=1)
        at = np.arange(3)
        shown = (ups[at, best] - downs[at, best] - ups[at, labels] + downs[at, labels]) / 2e-2
        assert found[:, column] == pytest.approx(shown, abs=2e-2)


def test_a_straightened_network_gives_logits():
    network = of_sklearn(_fitted(MODELS["scaled perceptron"][0]))
    logits = straightened(network).scores(ROWS)
    assert (logits.argmax(axis=1) == network.scores(ROWS).argmax(axis=1)).all()
    assert logits.max() > 1


def test_what_has_no_gradients_is_refused_by_name():
    with pytest.raises(UnavailableError) as refused:
        of_sklearn(_fitted(DecisionTreeClassifier()))
    assert refused.value.found == "DecisionTreeClassifier"
