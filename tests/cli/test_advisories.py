"""Installed loaders of models, held against a snapshot of advisories."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.methods.code.advisories import Advisories, Advisory, to_bytes


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "env/lib/python3.11/site-packages"
    for name in (
        "torch-2.5.0.dist-info",
        "scikit_learn-1.4.0-py3.11.egg-info",
        "flask-1.0.dist-info",
    ):
        (folder / name).mkdir(parents=True)
    return tmp_path / "env"


def snapshot(folder: Path, day: str) -> str:
    entry = Advisory("X-1", "a fault", (("0", "2.6.0", ""),), ())
    path = folder / "advisories.gz"
    path.write_bytes(to_bytes(Advisories(day=day, packages={"torch": [entry], "flask": [entry]})))
    return str(path)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def test_a_faulty_loader_is_named_with_its_fix(site, tmp_path, capsys):
    words = ["advisories", "check", "--site", str(site), "--file", snapshot(tmp_path, today())]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "torch 2.5.0: X-1; next: move to 2.6.0 or later" in said
    assert "2 packages checked, 1 known to be vulnerable" in said
    assert main([*words, "--all"]) == 1
    assert "flask 1.0: X-1" in capsys.readouterr().out


def test_an_old_snapshot_proves_nothing(site, tmp_path):
    (site / "lib/python3.11/site-packages/torch-2.5.0.dist-info").rename(
        site / "lib/python3.11/site-packages/torch-2.6.0.dist-info"
    )
    check = ["advisories", "check", "--site", str(site), "--file"]
    assert main([*check, snapshot(tmp_path, "2020-01-01")]) == 3
    assert main([*check, snapshot(tmp_path, today())]) == 0


def test_without_a_snapshot_nothing_is_assessed(site, tmp_path):
    words = ["advisories", "check", "--site", str(site), "--file", str(tmp_path / "none")]
    assert main(words) == 3


def test_what_is_no_environment_is_a_usage_error(tmp_path):
    assert main(["advisories", "check", "--site", str(tmp_path / "none")]) == 2
