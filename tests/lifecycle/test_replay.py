"""Trainings that are done again, in segments and whole."""

from __future__ import annotations

from random import Random

import pytest

from hauberk.range.worlds.trainings import BEGINS, SCRIPT, TrainingHost, training_host

FORGETFUL = SCRIPT.replace("model=model, rng=rng)", "model=model)")
SHAKY = SCRIPT.replace(BEGINS, f"import os\nrng = Random(os.urandom(8))\n{BEGINS}")


def declare(host: TrainingHost, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the declared training be another script."""
    stage = TrainingHost.stage
    monkeypatch.setattr(
        TrainingHost, "stage", lambda self, folder, _="": stage(self, folder, script)
    )
    monkeypatch.setattr(TrainingHost, "script", script)


def test_an_honest_training_is_the_same_again():
    with training_host(1) as host:
        host.train()
        found = host.again(Random(1), count=3)
    assert found.repeated == found.committed
    assert len(found.drawn) == 3
    assert "model.json" in found.committed


def test_a_changed_model_behind_honest_states_is_another():
    with training_host(1) as host:
        host.train()
        model = host.folder / "model.json"
        model.write_text(model.read_text().replace("0.", "1.", 1))
        found = host.again(Random(1), count=1)
    assert found.repeated["model.json"] != found.committed["model.json"]


def test_a_script_that_forgets_a_state_is_judged_by_a_whole_replay(monkeypatch):
    with training_host(1) as host:
        declare(host, FORGETFUL, monkeypatch)
        host.train()
        found = host.again(Random(1), count=3)
    assert not found.unrepeatable
    assert found.repeated == found.committed
    assert found.drawn == ()


def test_a_training_that_differs_each_time_is_not_replayable(monkeypatch):
    with training_host(1) as host:
        declare(host, SHAKY, monkeypatch)
        host.train()
        found = host.again(Random(1), count=3)
    assert "another each time" in found.unrepeatable


@pytest.mark.parametrize("full", [False, True])
def test_a_training_that_fails_the_second_time_is_not_replayable(full, monkeypatch):
    with training_host(1) as host:
        host.train()
        declare(host, "raise SystemExit(3)", monkeypatch)
        found = host.again(Random(1), full=full)
    assert "exit code 3" in found.unrepeatable
