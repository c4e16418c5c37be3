"""`hauberk replay` on a step that `hauberk step` ran."""

from __future__ import annotations

import pytest

from hauberk.cli import main
from hauberk.isolation.probing import best_level
from hauberk.lifecycle.wrapping import Wrapped, wrap
from hauberk.range.worlds.trainings import training_host


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory):
    root = tmp_path_factory.mktemp("wrapped").resolve()
    with training_host(3) as host:
        host.stage(root)
    wrap(
        Wrapped(
            name="train",
            command=("python3", "train.py"),
            root=root,
            inputs=("train.py", "recipe.json", "hauberk_segments.py"),
            outputs=("model.json", "train.segments"),
            level=best_level(),
        )
    )
    return root


def test_the_same_training_is_the_same(wrapped, capsys):
    words = ["replay", "train", "--project", str(wrapped), "--segments", "train.segments"]
    assert main([*words, "--count", "2"]) == 0
    assert "the same" in capsys.readouterr().out


def test_all_of_it_can_be_done_again(wrapped, capsys):
    assert main(["replay", "train", "--project", str(wrapped), "--full"]) == 0
    assert "all of it" in capsys.readouterr().out


def test_changed_code_is_refused_before_it_runs(wrapped, capsys):
    script = wrapped / "train.py"
    before = script.read_text()
    script.write_text(before + "\n# changed\n")
    try:
        assert main(["replay", "train", "--project", str(wrapped)]) == 1
    finally:
        script.write_text(before)
    assert "attested" in capsys.readouterr().err


def test_the_callback_is_written_whole(tmp_path, capsys):
    target = tmp_path / "hauberk_segments.py"
    assert main(["replay", "--callback", str(target)]) == 0
    assert "class Segments" in target.read_text()
    assert str(target) in capsys.readouterr().out


def test_no_name_and_an_unknown_step_are_usage_errors(tmp_path):
    assert main(["replay"]) == 2
    assert main(["replay", "nothing", "--project", str(tmp_path)]) == 2
