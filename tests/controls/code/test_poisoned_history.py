"""Commits that slip something in, in real repositories made for each test."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import pytest

from hauberk.controls.code.poisoned_history import PoisonedHistory
from hauberk.engine import assess
from hauberk.formats.source import open_tree

ALICE = ("Alice Smith", "alice@corp.example")


class Repository:
    def __init__(self, root: Path) -> None:
        self.root, self.day = root, 1
        self.git("init", "-q", "-b", "main", ".")

    def git(self, *words: str, who: tuple[str, str] = ALICE, at: str = "") -> None:
        when = at or f"2026-01-{self.day:02d}T12:00:00"
        env = {
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "HOME": str(self.root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": who[0],
            "GIT_AUTHOR_EMAIL": who[1],
            "GIT_COMMITTER_NAME": who[0],
            "GIT_COMMITTER_EMAIL": who[1],
            "GIT_AUTHOR_DATE": when,
            "GIT_COMMITTER_DATE": when,
        }
        subprocess.run(["git", *words], cwd=self.root, env=env, check=True, capture_output=True)

    def commit(self, message: str, files: dict[str, bytes | None], **known: str) -> None:
        for name, data in files.items():
            path = self.root / name
            if data is None:
                path.unlink()
            else:
                path.write_bytes(data)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message, **known)
        self.day += 1

    def rules(self) -> set[str]:
        assessment = assess(PoisonedHistory(), open_tree(self.root))
        return {f.evidence.facts["rule"].partition("/")[2] for f in assessment.findings}


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path)
    for number in range(3):
        made.commit(f"add {number}", {f"a{number}.py": b"x = %d\n" % number})
    return made


def test_an_honest_history_is_silent(repository):
    repository.git("checkout", "-q", "-b", "topic")
    repository.commit("topic", {"b.py": b"y = 1\n"})
    repository.git("checkout", "-q", "main")
    repository.commit("main", {"c.py": b"z = 1\n"})
    repository.git("merge", "-q", "--no-ff", "-m", "merge topic", "topic")
    assert repository.rules() == set()


def test_a_merge_that_holds_what_neither_side_brought_is_told(repository):
    repository.git("checkout", "-q", "-b", "topic")
    repository.commit("topic", {"b.py": b"y = 1\n"})
    repository.git("checkout", "-q", "main")
    repository.commit("main", {"c.py": b"z = 1\n"})
    repository.git("merge", "-q", "--no-ff", "--no-commit", "topic")
    repository.commit("merge topic", {"a0.py": b"x = 0\nimport os\n"})
    assert repository.rules() == {"evil-merge"}


def test_content_that_was_taken_out_as_bad_and_came_back_is_told(repository):
    repository.commit("tool", {"t.py": b"print('bad')\n"})
    repository.commit("Remove malicious tool", {"t.py": None})
    repository.commit("helpers", {"u.py": b"print('bad')\n"})
    assert repository.rules() == {"revived-content"}


def test_an_author_who_looks_like_another_is_told(repository):
    repository.commit("typo", {"d.py": b"w = 1\n"}, who=("Alice Smith", "alice@c0rp.example"))
    assert repository.rules() == {"look-alike-author"}


def test_another_person_is_not_told(repository):
    repository.commit("typo", {"d.py": b"w = 1\n"}, who=("Bob Jones", "bob@corp.example"))
    assert repository.rules() == set()


def test_a_commit_dated_before_its_parent_is_told(repository):
    repository.commit("old", {"d.py": b"w = 1\n"}, at="2025-03-01T12:00:00")
    assert repository.rules() == {"back-dated"}


def test_weights_that_only_old_commits_hold_are_told(repository):
    repository.commit("model", {"m.pt": pickle.dumps(list(range(300)))})
    repository.commit("no model", {"m.pt": None})
    assert repository.rules() == {"weights-in-history"}


def test_a_credential_in_a_message_is_told(repository):
    repository.commit("use key AKIA" + "QZ7LWX2N" * 2, {"d.py": b"w = 1\n"})
    assert repository.rules() == {"secret-in-message"}


def test_a_protected_change_without_the_usual_review_is_told(tmp_path):
    made = Repository(tmp_path)
    for number in range(4):
        made.commit(f"add (#{number})", {f"a{number}.py": b"x\n"})
    made.commit("tune", {"metrics.py": b"y\n"})
    assert made.rules() == {"missing-review"}


def test_a_replaced_object_is_told(repository):
    repository.git("replace", "HEAD", "HEAD~1")
    assert "replaced-object" in repository.rules()
