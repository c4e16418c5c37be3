"""`hauberk serve` as a user runs it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.formats.http import Answer, Call, json_call
from hauberk.guard.loopback import Socket
from hauberk.range.worlds import guarded, served
from hauberk.trust.log import Log


class Served:
    """A running `hauberk serve` and how to ask it."""

    def __init__(self, process: subprocess.Popen[str], said: str) -> None:
        self.process = process
        self.said = said
        self.door = Socket(port=int(re.search(r":(\d+)/v2", said)[1]))  # type: ignore[index]

    def ask(self, headers=None) -> Answer:
        return self.door.call(json_call(guarded.CLASSIFIER_PATH, guarded.SAMPLE, headers))

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest


@contextlib.contextmanager
def serving(*words: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "hauberk.cli", "serve", *words, "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    ) as process:
        said = ""
        try:
            while "ready:" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            yield Served(process, said)
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    served.write_classifier(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_an_unsigned_bundle_is_served_where_asked_for_and_says_so(folder, tmp_path):
    with serving(str(folder), "--unsigned", "--log", str(tmp_path / "log")) as running:
        assert "NOT VERIFIED" in running.said
        assert "this machine only" in running.said
        assert running.ask().status == 200
        code, rest = running.stop()
    assert code == 130
    assert "accepted rows: 1" in rest
    assert Log.open(tmp_path / "log").size == 2  # what is served, and one decision


def test_an_interruption_ends_it_with_130(folder):
    with serving(str(folder), "--unsigned") as running:
        assert "not logged" in running.said
        assert running.stop(signal.SIGINT)[0] == 130


def test_metrics_hold_the_drift_of_each_column(folder):
    with serving(str(folder), "--unsigned") as running:
        for _ in range(60):
            running.ask()
        text = running.door.call(Call(method="GET", path="/metrics")).body.decode()
        running.stop()
    assert 'hauberk_drifted{column="a"} 1' in text


def test_with_keys_strangers_are_refused(folder, tmp_path, capfd):
    assert main(["serve", "--new-key", "alice"]) == 0
    line, shown = capfd.readouterr()
    (tmp_path / "keys").write_text(line)
    key = shown.rsplit(" ", 1)[1].strip()
    with serving(str(folder), "--unsigned", "--keys", str(tmp_path / "keys")) as running:
        statuses = (
            running.ask().status,
            running.ask({"authorization": f"Bearer {key}"}).status,
        )
        running.stop()
    assert statuses == (401, 200)


def test_a_policy_in_a_file_takes_the_place_of_the_bundle_s(folder, tmp_path):
    (tmp_path / "policy.json").write_text('{"schema": 1, "rate_per_s": 0.001, "burst": 2.0}')
    with serving(str(folder), "--unsigned", "--policy", str(tmp_path / "policy.json")) as running:
        statuses = [running.ask().status for _ in range(3)]
        running.stop()
    assert statuses == [200, 429, 429]


def test_no_decision_that_was_answered_is_lost_to_a_kill(folder, tmp_path):
    (tmp_path / "policy.json").write_text('{"schema": 1, "audit": "durable"}')
    words = [str(folder), "--unsigned", "--policy", str(tmp_path / "policy.json")]
    with serving(*words, "--log", str(tmp_path / "log")) as running:
        calls = [json_call(guarded.CLASSIFIER_PATH, guarded.SAMPLE)] * 30
        answered = [answer.status for answer in running.door.together(calls)].count(200)
        running.process.kill()
        running.process.wait()
    assert Log.open(tmp_path / "log").size >= answered > 0


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["{bundle}"], 3, "root"),
        (["{bundle}", "--unsigned", "--host", "0.0.0.0"], 2, "loopback only"),
        (["{bundle}", "--unsigned", "--keys", "/nowhere"], 2, "key file cannot be read"),
        (["{bundle}", "--unsigned", "--policy", "/nowhere"], 2, "policy cannot be read"),
        (["/nowhere", "--unsigned"], 2, "bundle's own folder"),
    ],
)
def test_what_cannot_be_served_is_said(folder, capfd, words, code, text):
    assert main(["serve", *(word.format(bundle=folder) for word in words)]) == code
    assert text in capfd.readouterr().err


def test_a_changed_bundle_is_refused(folder, capfd):
    (folder / "model.onnx").write_bytes(b"another model")
    assert main(["serve", str(folder), "--unsigned"]) == 1
    assert "not the one that was bundled" in capfd.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--tls-key", "k"],
        ["--client-ca", "c"],
        ["--clients", "c"],
        ["--tls-cert", "missing.pem"],
        ["--tokens", "missing.json"],
    ],
)
def test_half_a_configuration_of_the_door_is_refused(folder, words, capsys):
    assert main(["serve", str(folder), "--unsigned", *words]) in (2, 3)
    assert "hauberk:" in capsys.readouterr().err


@pytest.fixture
def state_words(redis_server, tmp_path):
    pytest.importorskip("redis")
    (tmp_path / "secret").write_bytes(os.urandom(32))
    words = ["--state", redis_server.address, "--state-key", str(tmp_path / "secret")]
    return [*words, "--state-timeout", "60"]


def test_two_hosts_share_one_budget(folder, tmp_path, state_words):
    policy = tmp_path / "policy.json"
    policy.write_text('{"schema": 1, "rate_per_s": 0.001, "burst": 12, "slow_s": 0.001}')
    words = [str(folder), "--unsigned", "--policy", str(policy), *state_words]
    with serving(*words) as first, serving(*words) as second:
        alone = [first.ask().status for _ in range(6)]
        other = [second.ask().status for _ in range(6)]
    assert alone[0] == 200
    assert other[-1] == 429
    assert (alone + other).count(200) <= 12


def test_a_state_that_is_not_there_does_not_open_the_door(folder, tmp_path, capsys):
    (tmp_path / "secret").write_bytes(bytes(32))
    words = ["--state", f"unix://{tmp_path}/none", "--state-key", str(tmp_path / "secret")]
    assert main(["serve", str(folder), "--unsigned", "--port", "0", *words]) == 3
    assert "shared state" in capsys.readouterr().err


def test_a_shared_state_needs_a_secret(folder, capsys):
    assert main(["serve", str(folder), "--unsigned", "--state", "redis://127.0.0.1:1"]) == 2
    assert "--state-key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--port", "99999"], "expected 0 to 65535, found 99999"),
        (["--grpc", "-1"], "expected 0 to 65535, found -1"),
        (["--recheck", "-1"], "expected seconds above 0, found -1"),
        (["--state-timeout", "nan"], "expected seconds above 0, found nan"),
    ],
)
def test_numbers_that_cannot_be_are_usage_errors(folder, words, text, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(folder), "--unsigned", *words])
    assert ended.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--new-key", "a b"], "choose another name"),
        (["--new-key", "a", "--role", "A B"], "names and roles are plain words"),
        (["--role", "partner"], "--role needs --new-key"),
        (["--keys", "nowhere"], "the key file cannot be read"),
        (["--policy", "nowhere"], "the policy cannot be read"),
        (["--tls-cert", "nowhere"], "No such file or directory"),
    ],
)
def test_what_is_named_and_cannot_be_is_told_by_its_name(folder, words, text, capsys):
    assert main(["serve", str(folder), "--unsigned", *words]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert "next:" in said
