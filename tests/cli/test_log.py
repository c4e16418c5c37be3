"""`hauberk log`: what it prints, refuses, and carries to a second place."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.trust.chains import root_of

from hauberk.cli import main
from hauberk.trust.checkpoint import signing_with
from hauberk.trust.keys import Algorithm, config_folder, generate
from hauberk.trust.log import Log
from hauberk.trust.root import pin, to_json
from hauberk.trust.signer import HEAD_SIGNER
from hauberk.trust.store import Store

KEY, RELEASE = generate(), generate(Algorithm.ED25519)
ROOT = root_of(KEY, RELEASE)
SETTINGS = '[project]\nname = "loans"\n'


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "hauberk.toml").write_text(SETTINGS)
    log = Store.open(folder).log
    log.append([b'{"kind":"run"}', "\x1b[31m\u202e\n".encode(), b"\xff"])
    log.checkpoint(signing_with(HEAD_SIGNER, [KEY]))
    return folder


@pytest.fixture
def pinned():
    pin(ROOT, config_folder(os.environ, Path.home()))


def said(capsys, *words):
    code = main(["log", *map(str, words)])
    return code, capsys.readouterr().out


def test_a_whole_log_is_verified_with_the_pinned_key(project, pinned, capsys):
    code, out = said(capsys, "verify", "--project", project)
    assert code == 0
    assert "signed      3 records; signatures checked" in out
    assert "witness     log not witnessed, 0 records" in out
    assert out.endswith("the log is whole\n")


def test_without_a_root_it_says_that_signatures_were_not_checked(project, capsys):
    code, out = said(capsys, "verify", "--project", project)
    assert code == 0
    assert "signatures not checked: no root is pinned" in out


def test_a_root_can_be_named(project, tmp_path, capsys):
    (tmp_path / "root.json").write_bytes(to_json(ROOT))
    (tmp_path / "root.json").chmod(0o600)
    code, out = said(capsys, "verify", "--project", project, "--root", tmp_path / "root.json")
    assert (code, "signatures checked" in out) == (0, True)


def test_heads_of_another_key_are_refused(project, tmp_path, capsys):
    other = replace(root_of(generate(), RELEASE))
    (tmp_path / "root.json").write_bytes(to_json(other))
    (tmp_path / "root.json").chmod(0o600)
    code, out = said(capsys, "verify", "--project", project, "--root", tmp_path / "root.json")
    assert code == 1
    assert "untrusted head" in out


def test_a_damaged_log_is_described_and_exit_code_1(project, pinned, capsys):
    (path,) = (project / ".hauberk" / "log").glob("*.segment")
    path.write_bytes(path.read_bytes().replace(b"run", b"fun"))
    code, out = said(capsys, "verify", "--project", project, "--format", "json")
    result = json.loads(out)
    assert code == 1
    assert not result["clean"]
    assert {"edited", "rewritten"} & {defect["fault"] for defect in result["defects"]}


def test_a_witnessed_log_says_so_and_a_rewritten_one_is_found(project, tmp_path, pinned, capsys):
    place = tmp_path / "second-place"
    assert said(capsys, "witness", place, "--project", project)[0] == 0
    code, out = said(capsys, "verify", "--project", project, "--witness", place)
    assert (code, "witness     witnessed, 3 records" in out) == (0, True)
    shutil.rmtree(project / ".hauberk" / "log")
    forged = Log.open(project / ".hauberk" / "log")
    forged.append([b"another", b"story", b"now"])
    forged.checkpoint(signing_with(HEAD_SIGNER, [KEY]))
    code, out = said(capsys, "verify", "--project", project, "--witness", place)
    assert (code, "forked" in out) == (1, True)


def test_records_are_shown_without_control_characters(project, capsys):
    code, out = said(capsys, "show", "--project", project)
    assert code == 0
    assert out.splitlines() == ['0 {"kind":"run"}', "1 \\x1b[31m\\u202e\\n", "2 \\xff"]


def test_the_last_records_or_those_asked_for_are_shown(project, capsys):
    assert said(capsys, "show", "--project", project, "--count", "1")[1].startswith("2 ")
    out = said(capsys, "show", "--project", project, "--start", "0", "--count", "1")[1]
    assert out.startswith("0 ")
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("words", [["--start", "-1"], ["--count", "-1"]])
def test_a_span_that_is_none_is_a_usage_error(project, capsys, words):
    assert main(["log", "show", "--project", str(project), *words]) == 2


def test_a_project_without_a_store_is_unavailable(tmp_path, capsys):
    assert main(["log", "verify", "--project", str(tmp_path)]) == 3
    assert "hauberk init" in capsys.readouterr().err


PASSES_ON = {
    "prove": lambda out: ("prove", 0, "--output", out),
    "publish": lambda out: ("publish", out),
    "witness": lambda out: ("witness", out),
}


@pytest.mark.parametrize("deed", PASSES_ON)
def test_a_head_of_another_key_is_not_passed_on(deed, project, pinned, tmp_path, capsys):
    (project / ".hauberk" / "log" / "heads").unlink()
    Store.open(project).log.checkpoint(signing_with(HEAD_SIGNER, [generate()]))
    out = tmp_path / "out"
    code = main(["log", *map(str, PASSES_ON[deed](out)), "--project", str(project)])
    said = capsys.readouterr().err
    assert (code, out.exists()) == (1, False)
    assert "the head does not carry the signatures that count" in said
    parts = ("object", "rule", "expected", "found", "next")
    assert [part for part in parts if f"\n  {part}" not in said] == []


@pytest.mark.parametrize("deed", PASSES_ON)
def test_a_head_of_the_pinned_key_is_passed_on(deed, project, pinned, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["log", *map(str, PASSES_ON[deed](out)), "--project", str(project)]) == 0
    assert out.exists()


def test_records_that_no_head_covers_are_told_with_what_to_do(project, capsys):
    assert main(["log", "verify", "--project", str(project)]) == 0
    assert "unsigned" not in capsys.readouterr().out
    Store.open(project).log.append([b'{"kind":"note"}'])
    assert main(["log", "verify", "--project", str(project)]) == 0
    shown = capsys.readouterr().out
    assert "unsigned    records from" in shown
    assert "hauberk log show --start" in shown


@pytest.mark.parametrize("words", [["prove", "0", "--output"], ["witness"]])
def test_a_file_in_a_folder_that_is_not_there_is_a_slip(project, tmp_path, words, capsys):
    path = tmp_path / "nowhere" / "file"
    assert main(["log", *words, str(path), "--project", str(project)]) == 2
    assert "no folder" in capsys.readouterr().err
