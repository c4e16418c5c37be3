"""`hauberk root` as a user runs it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.cli.words import configuration
from hauberk.errors import TrustError
from hauberk.trust import keys
from hauberk.trust.keys import Label, generate
from hauberk.trust.root import Pin, load, pin, root_path


@pytest.fixture
def pinned() -> Path:
    assert main(["root", "init", "loans"]) == 0
    return root_path(configuration(), "loans")


def card(tmp_path: Path, custodian: str) -> tuple[Path, str]:
    public = generate().public
    path = tmp_path / f"{custodian}.card"
    path.write_bytes(keys.card(public, Label(machine=f"m-{custodian}", custodian=custodian)))
    return path, public.key_id


def test_init_makes_keys_and_pins_them(pinned: Path, capsys: pytest.CaptureFixture[str]):
    assert load(pinned).state is Pin.PINNED
    assert main(["root", "show", "loans"]) == 0
    said = capsys.readouterr().out
    assert "lifecycle: 1 of 1 keys" in said
    assert "policy floor: isolation landlock" in said


def test_a_root_goes_to_somebody_else_as_a_file(
    pinned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "loans.root.json"
    assert main(["root", "show", "loans", "--out", str(file)]) == 0
    key = next(iter(load(pinned).roles.values())).keys[0].public.key_id
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "bob"))
    assert main(["root", "pin", str(file), "--key", key[:16]]) == 0
    assert load(root_path(configuration(), "loans")) == load(file)
    assert main(["root", "pin", str(file)]) == 0, "pinning the same again changes nothing"


def test_a_root_without_the_key_that_was_told_is_not_pinned(
    pinned: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    file = tmp_path / "loans.root.json"
    assert main(["root", "show", "loans", "--out", str(file)]) == 0
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "bob"))
    assert main(["root", "pin", str(file), "--key", "0" * 64]) == 1
    assert "does not name a key" in capsys.readouterr().err
    assert not root_path(configuration(), "loans").exists()


def test_another_root_does_not_replace_a_pinned_one(pinned: Path, tmp_path: Path):
    from hauberk.trust.root import to_json

    other = tmp_path / "other.json"
    new = generate().public
    old = load(pinned)
    roles = {
        role: replace(held, keys=(replace(held.keys[0], public=new),))
        for role, held in old.roles.items()
    }
    other.write_bytes(to_json(replace(old, roles=roles)))
    other.chmod(0o600)
    assert main(["root", "pin", str(other)]) == 1
    assert load(pinned) == old


def test_what_was_taken_on_first_use_can_be_pinned(pinned: Path, tmp_path: Path):
    first = replace(load(pinned), project="other", state=Pin.FIRST_USE)
    pin(first, configuration())
    assert main(["root", "pin", "other"]) == 0
    assert load(root_path(configuration(), "other")).state is Pin.PINNED


def test_a_rotation_is_rehearsed_and_then_pinned(
    pinned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path, key = card(tmp_path, "bob")
    words = ["root", "rotate", "loans", "--add-release", str(path), "--release-threshold", "2"]
    assert main([*words, "--dry-run"]) == 0
    assert f"+     {key}  bob on machine m-bob" in capsys.readouterr().out
    assert load(pinned).version == 1
    assert main([*words, "--release-floor", "3"]) == 0
    new = load(pinned)
    assert (new.version, new.release_floor) == (2, 3)
    assert new.roles[keys.Role.RELEASE].threshold == 2


def test_floors_do_not_sink_and_roles_keep_keys(pinned: Path):
    assert main(["root", "rotate", "loans", "--release-floor", "5"]) == 0
    assert main(["root", "rotate", "loans", "--release-floor", "4"]) == 2
    key = load(pinned).roles[keys.Role.RELEASE].keys[0].public.key_id
    assert main(["root", "rotate", "loans", "--remove", key]) == 2
    assert main(["root", "rotate", "loans", "--release-threshold", "2"]) == 2


def test_a_policy_floor_is_read_from_a_file(pinned: Path, tmp_path: Path):
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"fail_on": "low", "min_isolation": "full"}), "utf-8")
    assert main(["root", "rotate", "loans", "--policy", str(policy)]) == 0
    assert load(pinned).policy.fail_on.value == "low"
    policy.write_text("{", "utf-8")
    assert main(["root", "rotate", "loans", "--policy", str(policy)]) in (1, 2)


def test_a_root_that_is_nowhere_is_said(capsys: pytest.CaptureFixture[str]):
    assert main(["root", "show", "nothing"]) == 3
    assert "there is no root nothing" in capsys.readouterr().err


def key_ids(path: Path) -> dict[str, str]:
    return {role.value: held.keys[0].public.key_id for role, held in load(path).roles.items()}


def test_a_key_with_an_end_is_announced_and_counts_for_nothing_after_it(
    pinned: Path, capsys: pytest.CaptureFixture[str]
):
    release = key_ids(pinned)["release"]
    assert main(["root", "check"]) == 0
    assert main(["root", "rotate", "loans", "--until", f"{release[:16]}=2999-12-31"]) == 0
    assert main(["root", "check", "loans"]) == 0
    assert main(["root", "check", "loans", "--days", "999999"]) == 1
    capsys.readouterr()
    assert main(["root", "rotate", "loans", "--until", f"{release[:16]}=2001-12-31"]) == 0
    assert "ended 2002-01-01T00:00:00.000Z" in capsys.readouterr().out
    assert main(["root", "check"]) == 1
    assert f"ALARM: root of loans: key {release[:16]}" in capsys.readouterr().out
    root = load(pinned)
    with pytest.raises(TrustError, match="have ended"):
        root.keys(keys.Role.RELEASE)
    assert root.keys(keys.Role.LIFECYCLE).by_id()


def test_before_its_end_a_key_counts_and_later_the_owner_may_extend_it(pinned: Path):
    release = key_ids(pinned)["release"]
    assert main(["root", "rotate", "loans", "--until", f"{release[:16]}=2001-12-31"]) == 0
    end = 1_009_843_200.0  # the midnight after that day, in UTC
    assert release in load(pinned, now=end - 1).keys(keys.Role.RELEASE).by_id()
    with pytest.raises(TrustError):
        load(pinned, now=end).keys(keys.Role.RELEASE)
    assert main(["root", "rotate", "loans", "--until", f"{release[:16]}=never"]) == 0
    assert release in load(pinned).keys(keys.Role.RELEASE).by_id()
    assert load(pinned).version == 3


def test_an_ended_key_stays_in_the_file_that_is_handed_on(pinned: Path, tmp_path: Path):
    release = key_ids(pinned)["release"]
    assert main(["root", "rotate", "loans", "--until", f"{release[:16]}=2001-12-31"]) == 0
    assert main(["root", "show", "loans", "--out", str(tmp_path / "root.json")]) == 0
    held = load(tmp_path / "root.json").roles[keys.Role.RELEASE]
    assert ([key.public.key_id for key in held.ended], held.keys) == ([release], ())


@pytest.mark.parametrize(
    "text", ["0123456789abcdef=2030-01-01", "x", "=never", "{key}=soon", "{key}=2030-13-01"]
)
def test_an_end_that_fits_nothing_is_a_mistake(pinned: Path, text: str):
    before = pinned.read_bytes()
    text = text.replace("{key}", key_ids(pinned)["release"][:16])
    assert main(["root", "rotate", "loans", "--until", text]) == 2
    assert pinned.read_bytes() == before


def test_what_an_ended_key_signed_is_refused_with_the_keys_name(
    pinned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = tmp_path / "rows.csv"
    data.write_text("a,b\n1,2\n")
    project = tmp_path / "rows"
    project.mkdir()
    where = ["--project", str(project)]
    assert main(["data", "add", "rows", str(data), *where]) == 0
    assert main(["data", "verify", "rows", *where]) == 0
    name = next(iter(configuration().joinpath("roots").glob("rows*.json"))).stem
    lifecycle = key_ids(root_path(configuration(), name))["lifecycle"]
    assert main(["root", "rotate", name, "--until", f"{lifecycle[:16]}=2001-12-31"]) == 0
    capsys.readouterr()
    assert main(["data", "verify", "rows", *where]) == 1
    assert "have ended" in capsys.readouterr().err
    assert main(["data", "add", "rows", str(data), *where]) == 1
