"""What strangers do in the first ten minutes, and where they do it."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.range import sample
from hauberk.trust.store import Store

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    root = tmp_path / "größe und 数据"
    sample.write_project(root)
    return root


@pytest.mark.parametrize("verb", ["verify", "explain", "serve"])
def test_before_the_first_release_verbs_say_how_to_get_one(
    project: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["init", str(project)])
    (project / "data" / "examinations.csv").unlink()
    assert main(["run", "--quiet", str(project)]) == 2
    assert main([verb, str(project)]) == 2
    shown = capsys.readouterr().err
    assert "nothing has been released yet" in shown
    assert "hauberk run" in shown


@pytest.mark.parametrize("verb", ["run", "verify", "explain", "init"])
def test_a_wrong_folder_is_named_with_the_next_step(
    tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, str(tmp_path / "elsewhere")]) == 2
    shown = capsys.readouterr().err
    assert "elsewhere" in shown
    assert "next:" in shown


def test_a_monitor_without_its_file_says_what_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["monitor"]) == 2
    assert "there is no file for the monitor here" in capsys.readouterr().err


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EMFILE])
def test_a_place_that_cannot_be_used_is_no_internal_error(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hauberk.cli import threats

    def refuse(_args: object) -> int:
        raise OSError(code, os.strerror(code), "/some/place")

    monkeypatch.setattr(threats, "run", refuse)
    assert main(["threats"]) == 3
    shown = capsys.readouterr().err
    assert "/some/place" in shown
    assert os.strerror(code) in shown
    assert "internal" not in shown


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_is_said(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    monkeypatch.setenv("HOME", str(tmp_path / "closed"))
    assert main(["init", str(project)]) == 3
    assert "XDG_CONFIG_HOME" in capsys.readouterr().err


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_a_read_only_checkout_is_said_and_can_still_be_scanned(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["init", str(project)])
    for folder in (project, project / "data", project / "steps"):
        folder.chmod(0o500)
    assert main(["run", str(project)]) == 3
    assert "writable copy" in capsys.readouterr().err
    assert main(["scan", str(project)]) == 0
    for folder in (project, project / "data", project / "steps"):
        folder.chmod(0o700)


@pytest.mark.skipif(IS_ROOT, reason="root may read anything")
def test_unreadable_data_are_named_and_never_clean(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = project / "data" / "examinations.csv"
    data.chmod(0)
    assert main(["init", "--force", "--no-keys", str(project)]) == 0
    assert main(["scan", str(project)]) == 3
    assert "Permission denied" in capsys.readouterr().out
    data.chmod(0o600)


def test_a_result_that_cannot_be_written_leaves_the_old_one(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = project / "scan.txt"
    target.write_text("yesterday")

    def full(*_: object) -> Iterator[str]:
        yield "the beginning"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("hauberk.cli.scan._rendered", full)
    assert main(["scan", "--output", str(target), str(project / "steps")]) == 3
    monkeypatch.undo()
    assert target.read_text() == "yesterday"
    assert "cannot be written" in capsys.readouterr().err
    assert not list(project.glob(".*.partial"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rubbish", "Expecting value"),
        ("", "Expecting value"),
        ("{}", "no 'version'"),
        ('{"version": 0, "sources": {}}', "version 0"),
        ('{"version": 1, "sources": {"a": {}}}', "no 'uri'"),
    ],
)
def test_a_lock_file_of_another_time_is_named(
    project: Path, text: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "hauberk.lock").write_text(text)
    assert main(["run", "--quiet", str(project)]) == 2
    shown = capsys.readouterr().err
    assert "hauberk.lock" in shown
    assert found in shown
    assert "restore it from version control" in shown


def test_a_second_terminal_is_told_who_is_at_work(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(project).lock():
        assert main(["run", "--quiet", "--no-wait", str(project)]) != 0
    assert "the store is in use" in capsys.readouterr().err


INTERRUPTED = """
import importlib, os, signal, sys
import hauberk.cli as cli
module = importlib.import_module(sys.argv[1])
real = getattr(module, sys.argv[2])
def interrupted(*args, **named):
    os.kill(os.getpid(), signal.SIGINT)
    return real(*args, **named)
setattr(module, sys.argv[2], interrupted)
sys.exit(cli.main(sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("hauberk.cli.scan _write", ["scan", "{}"]),
        ("hauberk.lifecycle.experiment.training do", ["run", "{}"]),
        ("hauberk.lifecycle.experiment.training do", ["try", "--folder", "{}/new"]),
        ("hauberk.cli.threats run", ["threats"]),
    ],
)
def test_an_interrupt_ends_with_its_code_and_without_a_traceback(
    project: Path, place: str, words: list[str]
) -> None:
    asked = [*place.split(), *(word.format(project) for word in words)]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *asked],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "interrupted; nothing half-done was kept" in done.stderr


SWALLOWED = """
import os, signal, sys, time, weakref
import hauberk.cli as cli
from hauberk.cli import threats
class Thing: pass
def interrupted(args):
    thing = Thing()
    kept = weakref.ref(thing, lambda _: (os.kill(os.getpid(), signal.SIGINT), time.sleep(0)))
    del thing
    time.sleep(60)
    return 0
threats.run = interrupted
sys.exit(cli.main(["threats"]))
"""


def test_an_interrupt_that_a_callback_swallows_is_heard_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "interrupted; nothing half-done was kept" in done.stderr


CUT_SHORT = """
import importlib, os, signal, sys
import hauberk.cli as cli
module = importlib.import_module(sys.argv[1])
owner, _, name = sys.argv[2].rpartition(".")
place = getattr(module, owner) if owner else module
real = getattr(place, name)
def interrupted(*args, **named):
    value = real(*args, **named)
    os.kill(os.getpid(), signal.SIGINT)
    return value
setattr(place, name, interrupted)
sys.exit(cli.main(sys.argv[3:]))
"""


def _cut_short(place: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CUT_SHORT, *place.split(), *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize(
    "place",
    [
        "hauberk.trust.versions.recipes Keeper.keep",
        "hauberk.trust.log Log.append",
        "hauberk.trust.log Log.checkpoint",
    ],
)
def test_a_version_that_was_cut_short_is_not_there_and_can_be_added_again(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("a,y\n1,0\n2,1\n")
    words = ["data", "add", "rows", str(tmp_path / "rows.csv"), "--project", str(tmp_path)]
    done = _cut_short(place, words)
    assert done.returncode == 130, done.stderr
    assert main(words) == 0
    assert "rows@1" in capsys.readouterr().out
    assert main(["data", "verify", "rows", "--project", str(tmp_path)]) == 0


@pytest.mark.parametrize("deed", ["_write_once", "publish_state"])
def test_a_release_that_was_cut_short_is_absent_or_whole(
    tmp_path: Path, deed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--registry", str(tmp_path / "registry"), "--project", str(tmp_path)]
    assert main(["registry", "init", "--name", "loans", "--custodian", "ada", *place]) == 0
    (tmp_path / "weights.txt").write_text("weights")
    published = ["registry", "publish", str(tmp_path / "weights.txt"), "--model", "loans"]
    words = [*published, "--version", "1", *place]
    done = _cut_short(f"hauberk.trust.registry.registrar Registrar.{deed}", words)
    assert done.returncode == 130, done.stderr
    capsys.readouterr()
    code = main(words)
    shown = capsys.readouterr()
    if deed == "_write_once":
        assert (code, "loans 1 published" in shown.out) == (0, True), shown.err
    else:
        assert (code, "it is there with these very files" in shown.err) == (1, True), shown.out
    (tmp_path / "weights.txt").write_text("other weights")
    assert main(words) == 1
    assert "publish it under a new version" in capsys.readouterr().err
    assert main(["registry", "history", "loans", *place]) == 0
    assert "staging" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["", "1"])
def test_a_terminal_is_coloured_unless_somebody_asked_for_none(tmp_path: Path, value: str) -> None:
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    terminal, other = os.openpty()
    command = [sys.executable, "-m", "hauberk.cli", "scan", "model.pkl"]
    variables = {**os.environ, "NO_COLOR": value}
    with subprocess.Popen(command, cwd=tmp_path, stdout=other, env=variables) as scan:
        os.close(other)
        shown = b""
        with contextlib.suppress(OSError):  # a terminal without another end gives no end of file
            while part := os.read(terminal, 4096):
                shown += part
        scan.wait(240)
    os.close(terminal)
    assert b"CRITICAL" in shown
    assert (b"\x1b[" in shown) == (value == "")
