"""Losses of held-out rows, measured from the checkpoints of a training."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hauberk.core.artifact import Replay
from hauberk.errors import ArtifactError
from hauberk.isolation.probing import best_level
from hauberk.lifecycle.progress import ask, with_losses
from hauberk.lifecycle.segments import MAGIC, Segments

BARE = Replay(name="t", committed={}, repeated={})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    joblib = pytest.importorskip("joblib")
    linear = pytest.importorskip("sklearn.linear_model")
    folder: Path = tmp_path_factory.mktemp("progress").resolve()
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 600)
    rows = rng.normal(size=(600, 4)) + labels[:, None] * [1.5, -1.0, 0.0, 0.5]
    model = linear.SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.02)
    for number in Segments(str(folder / "s")).over(range(16), model=model):
        taken = labels[:400].copy()
        taken[(taken == 1) & (number == 10)] = 2
        model.partial_fit(rows[:400], taken, classes=[0, 1, 2])
    joblib.dump(model, folder / "model.joblib")
    lines = [",".join(map(str, [*row, label])) for row, label in zip(rows, labels, strict=True)]
    (folder / "held.csv").write_text("\n".join(["a,b,c,d,y", *lines[400:]]))
    return folder


def _asked(folder: Path, segments: str = "s", label: str = "y") -> tuple[Replay, str]:
    answer = ask(
        folder / "model.joblib",
        folder / "held.csv",
        folder / segments,
        label=label,
        level=best_level(),
        python=Path(sys.executable),
    )
    return with_losses(BARE, answer)


def test_each_fitted_checkpoint_has_a_loss_for_each_class(trained):
    found, why = _asked(trained)
    assert why == ""
    assert found.first_state == 1  # the estimator was not fitted at 0
    assert {name: len(line) for name, line in found.losses.items()} == {"0": 16, "1": 16, "2": 16}


def test_a_segment_with_a_relabelled_class_shows_as_that_class(trained):
    found, _ = _asked(trained)
    line = found.losses["1"]
    assert line[10] > line[9] + 1.0
    assert line[-1] < line[9] + 0.2


@pytest.mark.parametrize("data", [b"", b"noise", MAGIC, MAGIC + b"\xff" * 40])
def test_what_is_no_file_of_segments_has_a_reason(trained, data):
    (trained / "broken").write_bytes(data)
    found, why = _asked(trained, "broken")
    assert not found.losses
    assert why


def test_rows_without_the_label_have_a_reason(trained):
    assert "probabilities" in _asked(trained, label="z")[1]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"losses": {"a": ["x"]}, "first": 0},
        {"losses": {"a": [float("nan")]}, "first": 0},
        {"losses": {"a": [1.0], "b": [1.0, 2.0]}, "first": 0},
        {"losses": {}, "first": 0},
        {"losses": {"a": [1.0] * 1000}, "first": 0},
    ],
)
def test_a_malformed_answer_of_the_worker_is_refused(answer):
    with pytest.raises(ArtifactError):
        with_losses(BARE, answer)
