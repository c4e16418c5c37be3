"""The callback: what it takes from a training, and gives back to it."""

from __future__ import annotations

import importlib
import random
import warnings

import numpy as np
import pytest

from hauberk.errors import ArtifactError
from hauberk.lifecycle import segments
from hauberk.lifecycle.replay import draw, read_chain
from hauberk.lifecycle.segments import Segments, encode, restore

ROWS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = (ROWS[:, 0] > 0).astype(int)


def estimator(name: str):
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.neural_network import MLPClassifier

    return {
        "linear": lambda: SGDClassifier(random_state=1, average=True),
        "adam": lambda: MLPClassifier((4,), random_state=1),
        "momentum": lambda: MLPClassifier((4,), solver="sgd", random_state=1),
        "warm": lambda: LogisticRegression(
            warm_start=True, max_iter=1, solver="saga", random_state=0
        ),
    }[name]()


def trained(model, rng, n_segments: int, path) -> None:
    warnings.simplefilter("ignore")
    for _ in Segments(str(path)).over(range(n_segments), model=model, rng=rng):
        order = rng.permutation(len(ROWS))
        if hasattr(model, "partial_fit"):
            model.partial_fit(ROWS[order], LABELS[order], classes=[0, 1])
        else:
            model.fit(ROWS, LABELS)


@pytest.mark.parametrize("name", ["linear", "adam", "momentum", "warm"])
def test_segments_of_an_estimator_give_the_same_states_again(name, tmp_path, monkeypatch):
    trained(estimator(name), np.random.default_rng(1), 4, tmp_path / "a")
    committed = read_chain(tmp_path / "a")
    monkeypatch.setenv("HAUBERK_SEGMENTS", "1,3")
    monkeypatch.setenv("HAUBERK_SEGMENTS_FROM", str(tmp_path / "a"))
    trained(estimator(name), np.random.default_rng(1), 4, tmp_path / "b")
    again = read_chain(tmp_path / "b").states
    assert again == tuple(committed.states[number] for number in (0, 2, 4))


def test_a_training_ends_after_its_drawn_segments(tmp_path, monkeypatch):
    trained(estimator("linear"), np.random.default_rng(1), 3, tmp_path / "a")
    monkeypatch.setenv("HAUBERK_SEGMENTS", "0")
    monkeypatch.setenv("HAUBERK_SEGMENTS_FROM", str(tmp_path / "a"))
    with pytest.raises(SystemExit) as ended:
        trained(estimator("linear"), np.random.default_rng(1), 3, tmp_path / "b")
    assert ended.value.code == 0
    assert read_chain(tmp_path / "b").states == read_chain(tmp_path / "a").states[:2]


def test_hyper_parameters_stay_as_the_script_sets_them():
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((4,), random_state=1, learning_rate_init=0.5)
    model.partial_fit(ROWS, LABELS, classes=[0, 1])
    saved = encode({"model": model})
    fresh = MLPClassifier((4,), random_state=1, learning_rate_init=0.01)
    restore({"model": fresh}, saved)
    assert fresh.learning_rate_init == 0.01
    assert fresh._optimizer.learning_rate_init == 0.01
    assert np.array_equal(fresh.coefs_[0], model.coefs_[0])


def test_plain_numbers_and_generators_come_back_in_place():
    state = {"w": {"a": np.arange(3.0), "n": 2, "rate": 0.5, "list": [1.5, (2, None)]}}
    rng, fresh = random.Random(3), random.Random(9)
    rng.random()
    saved = encode({**state, "rng": rng})
    weights = {"a": np.zeros(3), "n": 0, "rate": 0.0, "list": [0.0, (0, 0)]}
    restore({"w": weights, "rng": fresh}, saved)
    assert weights["a"].tolist() == [0.0, 1.0, 2.0]
    assert (weights["n"], weights["rate"], weights["list"][0]) == (2, 0.5, 1.5)
    assert fresh.random() == rng.random()


def test_a_state_of_foreign_classes_is_not_put_back():
    class Foreign:
        def __init__(self):
            self.inner = None

    foreign = Foreign()
    foreign.inner = Foreign()
    with pytest.raises(TypeError, match="cannot be put back"):
        restore({"model": Foreign()}, encode({"model": foreign}))


def test_arrays_of_objects_ask_for_a_full_replay():
    with pytest.raises(TypeError, match="full replay"):
        encode({"trees": np.array([object()])})


def test_an_estimator_that_was_fitted_on_a_frame_keeps_the_names_of_its_columns():
    import pandas as pd
    from sklearn.linear_model import SGDClassifier

    frame = pd.DataFrame(ROWS, columns=["a", "b", "c"])
    model, again = SGDClassifier(random_state=1), SGDClassifier(random_state=1)
    model.partial_fit(frame, LABELS, classes=[0, 1])
    again.partial_fit(frame, 1 - LABELS, classes=[0, 1])
    restore({"model": again}, encode({"model": model}))
    assert list(again.feature_names_in_) == ["a", "b", "c"]
    assert (again.predict(frame) == model.predict(frame)).all()


def test_torch_modules_and_optimizers_give_the_same_states_again(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")

    def train(path):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        optimizer = torch.optim.Adam(model.parameters())
        rows, labels = torch.tensor(ROWS, dtype=torch.float32), torch.tensor(LABELS)
        for _ in Segments(str(path)).over(range(3), model=model, optimizer=optimizer):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(rows), labels).backward()
            optimizer.step()

    train(tmp_path / "a")
    monkeypatch.setenv("HAUBERK_SEGMENTS", "2")
    monkeypatch.setenv("HAUBERK_SEGMENTS_FROM", str(tmp_path / "a"))
    train(tmp_path / "b")
    assert read_chain(tmp_path / "b").states[1:] == read_chain(tmp_path / "a").states[3:]


def test_the_callback_needs_nothing_but_python():
    text = importlib.util.find_spec(segments.__name__).loader.get_source(segments.__name__)
    assert "hauberk." not in text.replace("hauberk_segments.py", "")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", segments.MAGIC + b"\xff" * 8, b"x" * 40])
def test_a_malformed_file_of_segments_is_refused(data, tmp_path):
    (tmp_path / "s").write_bytes(data)
    with pytest.raises(ArtifactError):
        read_chain(tmp_path / "s")


def test_the_head_of_the_chain_depends_on_the_order(tmp_path):
    one, two = (len(part).to_bytes(8, "little") + part for part in (b"one", b"two"))
    (tmp_path / "a").write_bytes(segments.MAGIC + one + two)
    (tmp_path / "b").write_bytes(segments.MAGIC + two + one)
    assert read_chain(tmp_path / "a").head != read_chain(tmp_path / "b").head


def test_no_more_segments_are_drawn_than_there_are():
    assert draw(3, 8) == (0, 1, 2)
    assert len(set(draw(100, 8))) == 8
