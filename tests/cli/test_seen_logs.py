"""`hauberk log verify` remembers what it saw signed, outside the project."""

import shutil

import pytest

from hauberk.cli import main
from hauberk.cli.words import configuration


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "hauberk.toml").write_text('[project]\nname = "project"\n')
    add(folder, 1)
    assert main(["log", "verify"]) == 0
    return folder


def add(folder, number):
    (folder / "rows.csv").write_text(f"a,b\n1,{number}\n")
    assert main(["data", "add", "rows.csv"]) == 0


@pytest.mark.parametrize("heads", [b"", None], ids=["emptied", "removed"])
def test_heads_that_were_seen_may_not_go(project, heads, capsys):
    path = project / ".hauberk/log/heads"
    path.unlink() if heads is None else path.write_bytes(heads)
    assert main(["log", "verify"]) == 1
    assert "no longer holds what was seen" in capsys.readouterr().err


def test_an_older_copy_of_the_log_is_refused(project, tmp_path, capsys):
    shutil.copytree(project / ".hauberk", tmp_path / "older")
    add(project, 2)
    assert main(["log", "verify"]) == 0
    shutil.rmtree(project / ".hauberk")
    shutil.copytree(tmp_path / "older", project / ".hauberk")
    assert main(["log", "verify"]) == 1
    assert "a signed head at" in capsys.readouterr().err


def test_a_log_begun_anew_is_believed_once_the_memory_is_removed(project):
    shutil.rmtree(project / ".hauberk")
    shutil.rmtree(configuration() / "seen/project")
    add(project, 3)
    assert main(["log", "verify"]) == 0


def test_a_log_that_grows_stays_believed_and_a_copy_elsewhere_is_another(
    project, tmp_path, monkeypatch
):
    add(project, 2)
    assert main(["log", "verify"]) == 0
    add(project, 3)
    shutil.copytree(project, tmp_path / "clone")
    assert main(["log", "verify"]) == 0
    monkeypatch.chdir(tmp_path / "clone")
    assert main(["log", "verify"]) == 0


@pytest.mark.parametrize("memory", ["", "[]", '{"root":"00","size":-1}', "x" * 5_000])
@pytest.mark.usefixtures("project")
def test_a_damaged_memory_is_an_error(memory):
    (seen,) = (configuration() / "seen/project").glob("log-*.json")
    seen.write_text(memory)
    assert main(["log", "verify"]) == 1


def test_damaged_hashes_beside_the_records_are_told(project, capsys):
    path = project / ".hauberk/log/nodes"
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    assert main(["log", "verify"]) == 0
    assert "nodes is damaged" in capsys.readouterr().err
    path.write_bytes(data)
    assert main(["log", "verify"]) == 0
    assert "nodes" not in capsys.readouterr().err
