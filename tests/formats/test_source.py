"""Trees of code: what is offered, what is left out, and what git is asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hauberk.errors import UsageError
from hauberk.formats.source import MAX_FILE_BYTES, open_tree

WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "PATH": os.environ["PATH"],
}


def git(root: Path, *words: str) -> None:
    subprocess.run(("git", "-C", str(root), *words), env=WHO, check=True, capture_output=True)


def commit(root: Path, message: str = "x") -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "now.py").write_text("new = 1\n")
    (root / "gone.py").write_text("old = 1\n")
    commit(root)
    (root / "gone.py").unlink()
    commit(root)
    return root


def files(root: Path) -> list[str]:
    return [file.name for file in open_tree(root).files()]


def history(root: Path) -> list[str]:
    opened = open_tree(root).history
    return [] if opened is None else [file.name.split(":", 1)[1] for file in opened()]


def test_files_come_sorted_without_environments_and_caches(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", ".venv/x.py", "__pycache__/y.py", "pkg/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    assert files(tmp_path) == ["a.py", "b.py", "pkg/c.py"]


def test_binary_files_are_no_code(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"a\0b")
    assert files(tmp_path) == []


def test_what_is_not_utf8_is_marked(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    (file,) = open_tree(tmp_path).files()
    assert file.lossy


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert files(tmp_path) == []


def test_a_file_that_is_too_large_is_listed_as_unread(tmp_path: Path) -> None:
    (tmp_path / "big.py").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    tree = open_tree(tmp_path)
    assert list(tree.files()) == []
    assert [str(path) for path, _ in tree.unread()] == ["big.py"]


def test_a_file_is_no_tree(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    with pytest.raises(UsageError, match="no such folder"):
        open_tree(tmp_path / "a.py")


def test_what_was_deleted_is_still_in_the_history(repository: Path) -> None:
    assert history(repository) == ["gone.py"]


def test_a_deleted_branch_content_that_a_merge_hid_is_found(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "side")
    (repository / "side.py").write_text("hidden = 1\n")
    commit(repository)
    (repository / "side.py").unlink()
    commit(repository)
    git(repository, "checkout", "-q", "main")
    git(repository, "merge", "-q", "--no-ff", "-m", "m", "side")
    git(repository, "branch", "-q", "-D", "side")
    assert sorted(history(repository)) == ["gone.py", "side.py"]


def test_a_folder_of_a_larger_repository_has_its_own_history_only(repository: Path) -> None:
    inner = repository / "project"
    inner.mkdir()
    (inner / "was.py").write_text("inner = 1\n")
    commit(repository)
    (inner / "was.py").write_text("inner = 2\n")
    commit(repository)
    assert [name.rsplit("/", 1)[-1] for name in history(inner)] == ["was.py"]


def test_an_untracked_folder_in_a_repository_has_no_history(repository: Path) -> None:
    inner = repository / "untracked"
    inner.mkdir()
    (inner / "a.py").write_text("x = 1\n")
    assert history(inner) == []


def test_nothing_that_the_repository_names_is_run(repository: Path, tmp_path: Path) -> None:
    fired = tmp_path / "fired"
    hook = repository / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {fired}\n")
    hook.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "diff.external", "alias.log"):
        git(repository, "config", key, f"!touch {fired}" if "alias" in key else f"touch {fired}")
    (repository / ".gitattributes").write_text("* filter=evil diff=evil\n")
    git(repository, "config", "filter.evil.smudge", f"touch {fired}")
    git(repository, "config", "diff.evil.textconv", f"touch {fired}")
    files(repository)
    history(repository)
    assert not fired.exists()
