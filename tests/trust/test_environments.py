"""Installed environments as digests."""

from __future__ import annotations

from pathlib import Path

import pytest

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.environments import (
    from_text,
    read_environment,
    read_wheels,
    site_packages,
    to_text,
    verify,
)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    (root / "a-1.0.dist-info").mkdir(parents=True)
    (root / "a").mkdir()
    (root / "a" / "__init__.py").write_text("x = 1\n", "utf-8")
    (root / "a-1.0.dist-info" / "RECORD").write_text("a/__init__.py,,\n", "utf-8")
    return root


def test_an_environment_is_as_it_was_locked(folder):
    lock = from_text(to_text(read_environment(folder)))
    verify(lock, read_environment(folder), subject="env")


def change(folder: Path, deed: str) -> None:
    if deed == "changed":
        (folder / "a" / "__init__.py").write_text("import os\n", "utf-8")
    elif deed == "added":
        (folder / "b-2.dist-info").mkdir()
    elif deed == "pth":
        (folder / "z.pth").write_text("import os\n", "utf-8")
    elif deed == "module":
        (folder / "sitecustomize.py").write_text("", "utf-8")
    else:
        (folder / "a" / "__init__.py").unlink()


@pytest.mark.parametrize("deed", ["changed", "added", "pth", "module", "gone"])
def test_any_difference_is_refused(folder, deed):
    lock = read_environment(folder)
    change(folder, deed)
    with pytest.raises(TrustError, match="locked"):
        verify(lock, read_environment(folder), subject="env")


def test_a_changed_wheel_is_refused(tmp_path):
    (tmp_path / "a-1.0-py3-none-any.whl").write_bytes(b"one")
    lock = read_wheels(tmp_path)
    (tmp_path / "a-1.0-py3-none-any.whl").write_bytes(b"two")
    with pytest.raises(TrustError, match="locked"):
        verify(lock, read_wheels(tmp_path), subject="wheels")


def test_a_damaged_lock_is_refused():
    with pytest.raises(ArtifactError):
        from_text("{}")


def test_a_folder_without_packages_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError):
        site_packages(tmp_path)
