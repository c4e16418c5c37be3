"""What cannot be judged: one entry each in the report, and no pass."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import zipfile
from datetime import date
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.core.artifact import ModelFile
from hauberk.core.finding import Outcome
from hauberk.scanner.locating import Located
from hauberk.scanner.scanning import judge

GOOD = pickle.dumps({"weights": [0.5] * 50})


def encrypted() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/data.pkl", GOOD)
    data = bytearray(buffer.getvalue())
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def report(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict]:
    code = main(["scan", str(folder), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def unjudged(document: dict) -> list[str]:
    return [item["path"] for item in document["assessments"] if item["outcome"] == "failed"]


@pytest.mark.parametrize(
    ("label", "data"),
    [
        ("empty.pkl", b""),
        ("encrypted.pt", encrypted()),
        ("packed.rar", b"Rar!\x1a\x07\x01\x00" + bytes(64)),
        ("unknown.bin", bytes(range(1, 255)) * 9),
        ("name \x1b[2K\r\u202e.model", b""),
        ("two\nlines.pkl", b""),
    ],
)
def test_content_that_nobody_reads_ends_as_one_entry_and_exit_code_three(
    label, data, tmp_path, capsys
):
    (tmp_path / label).write_bytes(data)
    (tmp_path / "good.pkl").write_bytes(GOOD)
    code, document = report(tmp_path, capsys)
    assert code == 3
    assert unjudged(document) == [str(tmp_path / label)]


def test_a_table_without_rows_is_not_called_clean(tmp_path, capsys):
    (tmp_path / "cut.csv").write_text("age,label\n", "utf-8")
    code, document = report(tmp_path / "cut.csv", capsys)
    assert (code, unjudged(document)) == (3, [str(tmp_path / "cut.csv")])


def test_a_folder_without_files_is_no_pass(tmp_path, capsys):
    (tmp_path / "wrong").mkdir()
    code, document = report(tmp_path / "wrong", capsys)
    assert code == 3
    assert document["summary"]["decision"] == "undecided"


@pytest.mark.parametrize("option", ["--output", "--rows", "--quarantine", "--write-baseline"])
def test_a_result_that_has_no_folder_is_refused_before_the_work(option, tmp_path, capsys):
    (tmp_path / "model.pkl").write_bytes(GOOD)
    missing = str(tmp_path / "missing" / "result.csv")
    assert main(["scan", str(tmp_path / "model.pkl"), option, missing]) == 2
    told = capsys.readouterr()
    assert not told.out
    assert option in told.err


def test_a_pipe_is_never_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "model.pkl")
    code, document = report(tmp_path, capsys)
    assert (code, unjudged(document)) == (3, [str(tmp_path / "model.pkl")])


def test_a_socket_is_no_model(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("model.pt")
        code, document = report(tmp_path, capsys)
    assert (code, unjudged(document)) == (3, [str(tmp_path / "model.pt")])


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator reads everything")
def test_a_file_that_may_not_be_read_is_no_pass(tmp_path, capsys):
    (tmp_path / "model.pkl").write_bytes(GOOD)
    (tmp_path / "model.pkl").chmod(0)
    code, document = report(tmp_path, capsys)
    assert (code, unjudged(document)) == (3, [str(tmp_path / "model.pkl")])


def test_a_file_that_vanishes_before_it_is_opened_is_no_pass(tmp_path):
    path = tmp_path / "gone.pkl"
    located = Located(
        path=str(path), kind="model file", open=lambda: ModelFile(name=str(path), path=path)
    )
    result = judge([located], [path], today=date(2030, 1, 1))
    assert [item.outcome for item in result.assessments if item.control.startswith("model/unsafe")]
    assert Outcome.FAILED in {item.outcome for item in result.assessments}
    assert result.summary["exit_code"] == 3


def test_a_finding_outweighs_what_could_not_be_judged(tmp_path, capsys):
    (tmp_path / "empty.pkl").write_bytes(b"")
    (tmp_path / "bad.pkl").write_bytes(b"cos\nsystem\n(S'id'\ntR.")
    code, document = report(tmp_path, capsys)
    assert code == 1
    assert unjudged(document) == [str(tmp_path / "empty.pkl")]


def test_names_with_control_characters_reach_no_terminal(tmp_path, capsys):
    (tmp_path / "a\x1b[2K\rok.pkl").write_bytes(b"cos\nsystem\n(S'id'\ntR.")
    assert main(["scan", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\r" not in said


def test_the_report_is_the_same_byte_for_byte_from_another_folder(tmp_path, capsys, monkeypatch):
    for number in range(5):
        (tmp_path / f"{number}.pkl").write_bytes(GOOD if number % 2 else b"cos\nsystem\n(tR.")
    assert main(["scan", str(tmp_path), "--format", "json"]) == 1
    first = capsys.readouterr().out
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("/")
    (tmp_path / "elsewhere").rmdir()
    assert main(["scan", str(tmp_path), "--format", "json"]) == 1
    assert capsys.readouterr().out == first
