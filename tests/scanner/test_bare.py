"""Repositories without a work tree: the newest commit is what is judged, then the history."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from hauberk.cli import main
from hauberk.formats.source import is_bare, open_tree

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
KEY = "AKIA" + "QZ7LWX2N" * 2


@pytest.fixture
def bare(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.test", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *words], cwd=tree, check=True, capture_output=True)

    git("init", "-q")
    (tree / "m.py").write_text("import pickle\nx = pickle.load(open('a', 'rb'))\n", "utf-8")
    (tree / "old.py").write_text(f"key = '{KEY}'\n", "utf-8")
    (tree / "w.bin").write_bytes(b"\0" * 40)
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    git("rm", "-q", "old.py")
    git("commit", "-q", "-m", "two")
    git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    return tmp_path / "bare.git"


def test_a_bare_repository_is_judged_by_its_newest_commit_and_its_history(bare, capsys):
    assert main(["scan", str(bare), "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["summary"]["kinds"] == {"repository": 1}
    rules = {(item["control"], item["path"].rpartition(":")[2]) for item in told["findings"]}
    assert ("code/unsafe-deserialization", "m.py") in rules
    assert ("code/committed-secrets", "old.py") in rules


def test_what_is_no_text_there_is_told_as_unread(bare):
    assert [str(path) for path, _ in open_tree(bare).unread()] == ["w.bin"]


def test_a_work_tree_is_not_bare(bare):
    assert is_bare(bare)
    assert not is_bare(bare.parent / "tree")


@pytest.mark.parametrize("words", [(), ("--bare",)])
def test_a_repository_without_a_file_or_commit_says_nothing_of_safety(tmp_path, capsys, words):
    subprocess.run(["git", "init", "-q", *words, str(tmp_path / "new")], check=True)
    assert main(["scan", str(tmp_path / "new")]) == 3
    assert "Nothing was assessed" in capsys.readouterr().out
