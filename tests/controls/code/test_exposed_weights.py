"""Weights in a repository, in its work tree and in its history."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

import pytest

from hauberk.attacks.code.commit_weights import WAYS
from hauberk.controls.code.exposed_weights import ExposedWeights
from hauberk.core.control import NotApplicable
from hauberk.formats.source import open_tree
from hauberk.formats.spans import span_of
from hauberk.formats.weights import weights_in


def git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    subprocess.run(("git", "-C", str(root), *who, *words), check=True, capture_output=True)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_seen_whatever_the_name(way: str) -> None:
    _, data = WAYS[way](Random(7))
    name = "w.bin" if way == "pointer" else "notes.txt"
    assert weights_in(span_of(data), name)


def test_a_file_that_only_the_history_holds_is_found(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "w.dat").write_bytes(WAYS["raw-single"](Random(1))[1])
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    (tmp_path / "w.dat").unlink()
    git(tmp_path, "commit", "--quiet", "-a", "-m", "two")
    found = list(ExposedWeights().check(open_tree(tmp_path)))
    assert [item.path.partition(":")[2] for item in found] == ["w.dat"]


def test_a_folder_without_a_repository_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "w.dat").write_bytes(WAYS["raw-single"](Random(1))[1])
    with pytest.raises(NotApplicable):
        list(ExposedWeights().check(open_tree(tmp_path, history=False)))
