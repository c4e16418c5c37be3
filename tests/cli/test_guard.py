"""`hauberk guard`, and policies that change while a guard runs, as a user sees them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.worlds.model_servers import model_server

from hauberk.cli import main
from hauberk.formats import v2
from hauberk.formats.http import Answer, Call, json_call
from hauberk.guard.identity import new_key
from hauberk.guard.loopback import Socket
from hauberk.range.worlds import guarded, served
from hauberk.trust.log import Log


class Guarding:
    """A running verb and what it says."""

    def __init__(self, process: subprocess.Popen[str], said: str) -> None:
        self.process = process
        self.said = said
        self.door = Socket(port=int(re.search(r"ready: \S+:(\d+)/", said)[1]))  # type: ignore[index]

    def ask(self, body=guarded.SAMPLE, headers=None) -> Answer:
        return self.door.call(json_call(guarded.CLASSIFIER_PATH, body, headers))

    def read_until(self, word: str) -> str:
        said = ""
        while word not in said:
            line = self.process.stdout.readline()  # type: ignore[union-attr]
            assert line, said
            said += line
        return said

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=60)
        return self.process.returncode, rest


@contextlib.contextmanager
def running(*words: str) -> Iterator[Guarding]:
    command = [sys.executable, "-m", "hauberk.cli", *words, "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    ) as process:
        said = ""
        try:
            while "ready:" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            yield Guarding(process, said)
        finally:
            if process.poll() is None:
                process.kill()


def _replace(path, **policy):
    """As editors do it: write beside, then rename."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({"schema": 1, **policy}))
    beside.replace(path)


def test_a_model_server_is_guarded_and_its_open_door_is_told(tmp_path):
    log = tmp_path / "log"
    with (
        model_server() as server,
        running(
            "guard", "--upstream", server.url, "--model", "classifier", "--log", str(log)
        ) as on,
    ):
        assert "WAY AROUND THE GUARD" in on.said
        assert "classifier version 7" in on.said
        answers = [on.ask().status, on.ask(b'{"inputs": [], "x": 1}').status]
        code, rest = on.stop()
    assert answers == [200, 400]
    assert code == 130
    assert "answered: 2 requests, 1 rows" in rest
    assert Log.open(log).size == 3  # what is guarded, and two decisions


def test_a_guard_that_must_be_the_only_door_does_not_start_beside_another(capsys):
    with model_server() as server:
        code = main(["guard", "--upstream", server.url, "--model", "classifier", "--sole-door"])
    assert code == 1
    assert "past the guard" in capsys.readouterr().err


def test_a_schema_of_a_bundle_brings_ranges_to_a_model_server(tmp_path):
    served.write_classifier(tmp_path / "b")
    words = ["--bundle", str(tmp_path / "b"), "--unsigned"]
    with (
        model_server() as server,
        running("guard", "--upstream", server.url, "--model", "classifier", *words) as on,
    ):
        beyond = guarded.SAMPLE.replace(b"1.5", b"1e9")
        assert (on.ask().status, on.ask(beyond).status) == (200, 400)
        assert "NOT VERIFIED" in on.said


@pytest.mark.parametrize("words", [("--schema", "s.json"), ("--model", "m"), ("--bundle", "b")])
def test_what_a_chat_guard_cannot_do_is_refused_and_not_left_undone(words, capsys):
    chat = ["guard", "--chat", "--upstream", "http://127.0.0.1:9/v1"]
    assert main([*chat, *words]) == 2
    assert words[0] in capsys.readouterr().err


def test_what_only_a_chat_guard_does_is_not_left_undone(capsys):
    words = ["guard", "--upstream", "http://127.0.0.1:9", "--model", "m", "--canaries", "c.txt"]
    assert main(words) == 2
    assert "--canaries" in capsys.readouterr().err


def test_a_lean_chat_guard_is_given_nothing_to_look_for(tmp_path, capsys):
    chat = ["guard", "--chat", "--upstream", "http://127.0.0.1:9", "--profile", "lean"]
    (tmp_path / "c.txt").write_text("zebra-quartz-lantern\n")
    assert main([*chat, "--canaries", str(tmp_path / "c.txt")]) == 2
    assert "profile watch or strict" in capsys.readouterr().err


def test_a_chat_guard_needs_a_server_and_says_so(capsys):
    assert main(["guard", "--chat"]) == 2
    assert "--upstream" in capsys.readouterr().err


def test_without_a_server_there_is_nothing_to_guard(capsys):
    assert main(["guard", "--upstream", "http://127.0.0.1:1"]) == 2
    assert main(["guard", "--upstream", "http://127.0.0.1:1", "--model", "m"]) == 3
    assert "does not describe its model" in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path):
    served.write_classifier(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_policy_is_taken_while_the_server_runs_and_a_broken_one_is_not(folder, tmp_path):
    policy, log = tmp_path / "policy.json", tmp_path / "log"
    _replace(policy, revision=1)
    words = ["serve", str(folder), "--unsigned", "--policy", str(policy), "--log", str(log)]
    with running(*words) as on:
        full = _scores(on.ask())
        _replace(policy, revision=2, roles={"default": {"detail": "label"}})
        assert "revision 2" in on.read_until("policy taken")
        label = _scores(on.ask())
        _replace(policy, revision=3, roles={"default": {"detail": "everything"}})
        assert "cannot be used" in on.read_until("the old policy goes on")
        still = _scores(on.ask())
        page = on.door.call(Call(method="GET", path="/metrics")).body.decode()
        on.stop()
    assert label == still == [0.0, 1.0] != full
    assert "hauberk_reload_failed_total 1" in page


def _scores(answer):
    return sorted(v2.parse_response(answer.body).outputs[1].values)


def test_keys_are_taken_and_withdrawn_while_the_server_runs(folder, tmp_path):
    keys = tmp_path / "keys"
    (old, old_line), (new, new_line) = new_key("old"), new_key("new")
    keys.write_text(old_line + "\n")
    with running("serve", str(folder), "--unsigned", "--keys", str(keys)) as on:
        before = [_as(on, old), _as(on, new)]
        keys.write_text(new_line + "\n")
        on.process.send_signal(signal.SIGHUP)
        on.read_until("key file taken")
        after = [_as(on, old), _as(on, new)]
    assert (before, after) == ([200, 401], [401, 200])


def test_a_key_file_without_keys_does_not_open_the_door(folder, tmp_path):
    keys = tmp_path / "keys"
    key, line = new_key("only")
    keys.write_text(line + "\n")
    with running("serve", str(folder), "--unsigned", "--keys", str(keys)) as on:
        keys.write_text("# nobody\n")
        on.read_until("the old key file goes on")
        assert [_as(on, key), _as(on, "x")] == [200, 401]


def _as(on, key):
    return on.ask(headers={"authorization": f"Bearer {key}"}).status


def test_a_profile_of_the_command_line_holds_over_a_policy_that_is_read_again(folder, tmp_path):
    policy = tmp_path / "policy.json"
    _replace(policy)
    words = ["serve", str(folder), "--unsigned", "--policy", str(policy), "--profile", "lean"]
    with running(*words) as on:
        assert "profile: lean" in on.said
        _replace(policy, revision=2, profile="strict")
        on.read_until("policy taken")
        page = on.door.call(Call(method="GET", path="/metrics")).body.decode()
    assert 'profile="lean"' in page
