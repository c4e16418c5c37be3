"""An investigator's questions to a guard's log."""

from __future__ import annotations

import csv
import io
import json

import pytest
from tests.monitor.test_watching import NOW, decision

from hauberk.cli import main
from hauberk.trust.erasure import SealingLog, Vault
from hauberk.trust.log import Log

MODEL = "sha256:" + "ab" * 32


def record(at, who, rule="", **more):
    value = {**json.loads(decision(at, who=who, rule=rule)), "model": MODEL}
    value |= {"request": "sha256:" + "11" * 32, "response": "sha256:" + "22" * 32, **more}
    return json.dumps(value).encode()


@pytest.fixture
def log(tmp_path):
    made = Log.open(tmp_path / "log")
    made.append(
        [
            record(NOW, "key:1"),
            record(NOW + 60, "key:2", rule="budget"),
            b'{"kind": "serving", "at": 1}',
            record(NOW + 120, "key:1"),
            record(NOW + 180, "=cmd|' /C calc'!A0\x1b[31m"),
        ]
    )
    return str(tmp_path / "log")


def asked(capsys, *words):
    code = main(["log", "decisions", *words])
    return code, capsys.readouterr().out


def test_decisions_are_found_by_principal_model_time_and_action(log, capsys):
    def numbers(*words):
        _, out = asked(capsys, "--log", log, "--format", "json", *words)
        return [item["number"] for item in json.loads(out)["decisions"]]

    assert numbers() == [4, 3, 1, 0]
    assert numbers("--principal", "key:1") == [3, 0]
    assert numbers("--action", "block") == [1]
    assert numbers("--rule", "budget") == [1]
    assert numbers("--model", MODEL[:12]) == [4, 3, 1, 0]
    assert numbers("--model", "sha256:ff") == []
    assert numbers("--count", "2") == [4, 3]
    assert numbers("--since", "2025-10-09T08:54:00", "--until", "2025-10-09T08:55:30Z") == [3, 1]


def test_no_payload_nor_its_digest_is_shown_and_nothing_acts_on_the_reader(log, capsys):
    for form in ("text", "csv", "json"):
        code, out = asked(capsys, "--log", log, "--format", form)
        assert code == 0
        assert "11" * 32 not in out
        assert "\x1b" not in out
    rows = list(csv.reader(io.StringIO(asked(capsys, "--log", log, "--format", "csv")[1])))
    assert all(not cell.startswith(("=", "+", "@")) for row in rows for cell in row)


def test_a_sealed_log_is_searched_by_name_only_with_its_keys(tmp_path, capsys):
    made, vault = Log.open(tmp_path / "log"), Vault(tmp_path / "keys")
    SealingLog(made, vault).append([record(NOW, "ana"), record(NOW + 1, "ben")])
    words = ["--log", str(tmp_path / "log"), "--principal", "ana"]
    keys = ["--erasable", str(tmp_path / "keys")]
    assert "0 decisions" in asked(capsys, *words)[1]
    assert "1 decisions" in asked(capsys, *words, *keys)[1]
    assert main(["log", "erase", "ana", *keys]) == 0
    capsys.readouterr()
    assert "0 decisions" in asked(capsys, *words, *keys)[1]
    assert made.size == 2


def test_leaks_are_found_also_in_what_is_sealed(tmp_path, capsys):
    made, vault = Log.open(tmp_path / "log"), Vault(tmp_path / "keys")
    sealing = SealingLog(made, vault)
    sealing.append([record(NOW + i, f"key:{i}") for i in range(200)])
    plain = ["log", "leaks", "--log", str(tmp_path / "log")]
    keys = ["--erasable", str(tmp_path / "keys")]
    assert main(plain) == 0, "what is sealed is no secret"
    assert main([*plain, *keys]) == 0
    sealing.append([record(NOW, "ana.berg@mail.example")])
    assert main(plain) == 0
    capsys.readouterr()
    assert main([*plain, *keys]) == 1
    out = capsys.readouterr().out
    assert "record 200" in out
    assert "ana.berg" not in out


def test_an_empty_log_is_not_clean(tmp_path):
    Log.open(tmp_path / "log").append([])
    assert main(["log", "leaks", "--log", str(tmp_path / "log")]) == 3


@pytest.mark.parametrize("words", [["--since", "yesterday"], ["--count", "0"], ["--count", "-1"]])
def test_questions_that_cannot_be_are_refused(log, words):
    assert main(["log", "decisions", "--log", log, *words]) == 2
