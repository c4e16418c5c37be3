"""An attacker who replaces store, list of keys and policy together, all of them well signed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hauberk.cli import main


class Person:
    """Somebody with a configuration of their own: keys and what they pinned."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch

    def runs(self, *words: object) -> int:
        self.monkeypatch.setenv("XDG_CONFIG_HOME", str(self.folder))
        return main([str(word) for word in words])


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Person, Person, Person]:
    """An owner, an attacker and somebody new."""
    return (
        Person(tmp_path / "ada", monkeypatch),
        Person(tmp_path / "eve", monkeypatch),
        Person(tmp_path / "new", monkeypatch),
    )


def registry(who: Person, place: Path, weights: str) -> None:
    """A registry with keys, roles, policy and a release, all by one person."""
    model = place.with_name(f"{place.name}.safetensors")
    data = weights.encode()
    tensor = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}
    header = json.dumps({"w": tensor}).encode()
    model.write_bytes(len(header).to_bytes(8, "little") + header + data)
    assert who.runs("root", "init", "shop") == 0
    assert who.runs("registry", "init", "--name", "shop", "--registry", place) == 0
    words = ["publish", model, "--model", "shop", "--version", "1", "--registry", place]
    assert who.runs("registry", *words) == 0


def pull(who: Person, place: Path, out: Path) -> int:
    return who.runs(*("registry", "pull", "shop@staging", out, "--unattested", "--registry", place))


@pytest.fixture
def replaced(people: tuple[Person, Person, Person], tmp_path: Path) -> Path:
    """The owner's registry, which the owner pinned, and in its place the attacker's."""
    ada, eve, _ = people
    place, evil = tmp_path / "registry", tmp_path / "evil"
    registry(ada, place, "weights")
    assert pull(ada, place, tmp_path / "before") == 0
    registry(eve, evil, "a backdoor")
    shutil.rmtree(place)
    evil.rename(place)
    return place


def test_a_pinned_root_refuses_a_registry_replaced_with_keys_and_policy(
    people: tuple[Person, Person, Person],
    replaced: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    capsys.readouterr()
    assert pull(people[0], replaced, tmp_path / "out") == 1
    assert "this is not the registry shop that was pinned" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_root_that_was_handed_over_refuses_it_as_well(
    people: tuple[Person, Person, Person],
    replaced: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    ada, _, new = people
    root = tmp_path / "root.json"
    assert ada.runs("root", "show", "shop", "--out", root) == 0
    assert new.runs("root", "pin", root) == 0
    capsys.readouterr()
    assert pull(new, replaced, tmp_path / "out") == 1
    assert "that was pinned" in capsys.readouterr().err


def test_without_a_pin_first_use_is_said_and_nothing_reaches_production(
    people: tuple[Person, Person, Person],
    replaced: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    new = people[2]
    capsys.readouterr()
    assert pull(new, replaced, tmp_path / "out") == 0
    assert "root of trust: trust on first use" in capsys.readouterr().out
    where = ["--registry", replaced]
    for deed in (["registry", "promote", "shop@1"], ["verify", "shop@production"]):
        assert new.runs(*deed, *where) == 1
        assert "trust on first use does not reach production" in capsys.readouterr().err


def test_what_was_believed_on_first_use_is_not_exchanged_later(
    people: tuple[Person, Person, Person], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    ada, eve, new = people
    place, evil = tmp_path / "registry", tmp_path / "evil"
    registry(ada, place, "weights")
    assert pull(new, place, tmp_path / "first") == 0
    registry(eve, evil, "a backdoor")
    shutil.rmtree(place)
    evil.rename(place)
    capsys.readouterr()
    assert pull(new, place, tmp_path / "second") == 1
    assert "not the registry shop" in capsys.readouterr().err


def versions(who: Person, project: Path, rows: str) -> None:
    project.mkdir()
    (project / "rows.csv").write_text(rows, "utf-8")
    words = ["add", project / "rows.csv", "--name", "rows", "--project", project]
    assert who.runs("data", *words) == 0


def test_a_project_replaced_with_its_store_and_log_is_refused_by_its_owner(
    people: tuple[Person, Person, Person], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    ada, eve, new = people
    project, evil = tmp_path / "owner" / "shop", tmp_path / "attacker" / "shop"
    project.parent.mkdir()
    evil.parent.mkdir()
    versions(ada, project, "x,y\n1,0\n2,1\n")
    versions(eve, evil, "x,y\n1,1\n2,0\n")
    shutil.rmtree(project)
    evil.rename(project)
    capsys.readouterr()
    assert ada.runs("data", "verify", "rows", "--project", project) == 1
    assert "signed" in capsys.readouterr().err
    assert new.runs("data", "verify", "rows", "--project", project) in (1, 3)
    assert "root" in capsys.readouterr().err
