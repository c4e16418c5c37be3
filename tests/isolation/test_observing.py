"""Watching an unmodified project."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import UnavailableError, UsageError
from hauberk.isolation import Limits, Means, observe_run, observing, tracing
from hauberk.isolation.activity import Deed, Kind, summarise

SCRIPT = """
import csv, os, socket, subprocess, sys
with open("applications.csv", newline="") as file:
    rows = list(csv.reader(file))
os.makedirs("models", exist_ok=True)
with open("part.tmp", "w") as file:
    file.write(str(len(rows)))
os.rename("part.tmp", "models/model.txt")
with open("models/model.txt") as file:
    file.read()
with open("scratch", "w") as file:
    file.write("x")
os.remove("scratch")
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2).close()
except OSError:
    pass
subprocess.run([sys.executable, "second.py"], check=True)
"""
SECOND = 'open("report.html", "w").write(open("models/model.txt").read())\n'


@pytest.fixture(params=list(Means), ids=[means.name.lower() for means in Means])
def means(request) -> Means:
    if request.param is Means.STRACE and not observing._strace_works():
        pytest.skip("strace does not work here")
    return request.param


@pytest.fixture
def project(work) -> Path:
    (work / "applications.csv").write_text("a,b\n1,2\n", "utf-8")
    (work / "train.py").write_text(SCRIPT, "utf-8")
    (work / "second.py").write_text(SECOND, "utf-8")
    return work


def observe(project: Path, means: Means):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [sys.executable, "train.py", str(port)]
        return observe_run(command, project, Limits(), means=means), port


def test_inputs_outputs_and_hosts_of_a_script_are_seen(project, means) -> None:
    found, port = observe(project, means)
    assert found.completed.exit_code == 0, found.completed.stderr
    assert {path.name for path in found.reads} == {"applications.csv", "train.py", "second.py"}
    assert [str(path.relative_to(project)) for path in found.writes] == [
        "models/model.txt",
        "report.html",
    ]
    assert found.hosts == (f"127.0.0.1:{port}",)


def test_each_program_has_its_own_account(project, means) -> None:
    found, _ = observe(project, means)
    by_script = {process.command[1]: process for process in found.processes}
    assert [path.name for path in by_script["second.py"].writes] == ["report.html"]
    assert {path.name for path in by_script["second.py"].reads} == {"model.txt", "second.py"}


def test_who_watched_and_what_it_cannot_see_is_said(project, means) -> None:
    found, _ = observe(project, means)
    assert found.means is means
    assert len(found.blind) == 2


def test_the_script_prints_as_without_a_watcher(project, means) -> None:
    found, _ = observe(project, means)
    assert (found.completed.stdout, found.completed.stderr) == (b"", b"")


def test_limits_hold_while_watched(project, means) -> None:
    (project / "train.py").write_text("import time; time.sleep(600)", "utf-8")
    command = [sys.executable, "train.py"]
    found = observe_run(command, project, Limits(wall_s=1), means=means)
    assert found.completed.timed_out


def test_programs_in_other_languages_are_seen_by_strace(project) -> None:
    if not observing._strace_works():
        pytest.skip("strace does not work here")
    command = ["sh", "-c", "cd models && cat ../applications.csv > copy.csv && mv copy.csv last"]
    (project / "models").mkdir()
    found = observe_run(command, project, Limits(), means=Means.STRACE)
    assert found.reads == (project / "applications.csv",)
    assert found.writes == (project / "models" / "last",)


def test_the_projects_own_sitecustomize_still_runs(project) -> None:
    (project / "own").mkdir()
    (project / "own" / "sitecustomize.py").write_text("print('own')", "utf-8")
    env = {**os.environ, "PYTHONPATH": str(project / "own")}
    command = [sys.executable, "-c", "print('main')"]
    found = observe_run(command, project, Limits(), env=env, means=Means.AUDIT_HOOK)
    assert found.completed.stdout == b"own\nmain\n"


def test_a_missing_folder_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="existing absolute folder"):
        observe_run(["true"], tmp_path / "missing", Limits())


def test_a_watcher_that_is_missing_is_not_replaced_in_silence() -> None:
    if observing._strace_works():
        pytest.skip("strace works here")
    with pytest.raises(UnavailableError, match="strace cannot watch"):
        observe_run(["true"], Path("/"), Limits(), means=Means.STRACE)


def trace(*lines: str) -> list[Deed]:
    return list(tracing.deeds_in(lines, "/p"))


def test_calls_broken_in_two_are_joined() -> None:
    found = trace(
        '7 openat(AT_FDCWD</p>, "a", O_RDONLY <unfinished ...>',
        '8 openat(AT_FDCWD</p>, "b", O_WRONLY|O_CREAT, 0666 <unfinished ...>',
        "7 <... openat resumed>) = 3</p/a>",
        "8 <... openat resumed>) = 4</p/b>",
    )
    assert [(deed.kind, deed.values) for deed in found] == [
        (Kind.READ, ("/p/a",)),
        (Kind.WRITE, ("/p/b",)),
    ]


def test_a_child_that_acts_before_its_parents_fork_returns_is_told_apart() -> None:
    found = trace(
        '1 execve("/bin/sh", ["sh"], 0x1 /* 2 vars */) = 0',
        "1 vfork( <unfinished ...>",
        '2 execve("/bin/cat", ["cat", "x y"], 0x1 /* 2 vars */) = 0',
        '2 openat(AT_FDCWD</p>, "a", O_RDONLY) = 3</p/a>',
        "1 <... vfork resumed>) = 2",
        '1 openat(AT_FDCWD</p>, "b", O_RDONLY) = 3</p/b>',
    )
    activity = [(deed.image, deed.values) for deed in found]
    assert activity == [(1, ("sh",)), (2, ("cat", "x y")), (2, ("/p/a",)), (1, ("/p/b",))]


def test_paths_are_made_absolute_against_the_folder_of_the_process() -> None:
    found = trace('1 chdir("sub") = 0', '1 rename("a", "../b") = 0')
    assert found[0].values == ("/p/sub/a", "/p/b")


def test_failed_calls_are_no_deeds() -> None:
    assert trace('1 openat(AT_FDCWD</p>, "a", O_RDONLY) = -1 ENOENT (No such file)') == []


def test_a_name_asked_of_a_name_server_is_seen() -> None:
    query = r"+#\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1"
    line = f'1 sendto(3<UDP:[10.0.0.1:4->10.0.0.2:53]>, "{query}", 29, 0, NULL, 0) = 29'
    assert [deed.values for deed in trace(line)] == [("example.org",)]


def test_the_name_server_itself_is_no_host() -> None:
    address = '{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}'
    assert trace(f"1 connect(3<UDP:[1]>, {address}, 16) = 0") == []


def test_an_address_of_six_is_written_in_brackets() -> None:
    address = (
        "{sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0),"
        ' inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}'
    )
    line = f"1 connect(3<TCPv6:[1]>, {address}, 28) = -1 EINPROGRESS (now)"
    assert trace(line)[0].values == ("[2001:db8::1]:443",)


@given(st.text(max_size=400))
def test_no_line_breaks_the_reader(text: str) -> None:
    list(tracing.deeds_in(text.splitlines(), "/p"))


@given(st.sampled_from(sorted(tracing._READERS)), st.text(max_size=80), st.text(max_size=20))
def test_no_argument_breaks_the_reader(call: str, arguments: str, result: str) -> None:
    list(tracing.deeds_in([f"1 {call}({arguments}) = 3{result}"], "/p"))


@given(st.binary(max_size=60))
def test_no_message_breaks_the_name_reader(message: bytes) -> None:
    assert isinstance(tracing.name_in_query(message), str)


@given(st.binary(max_size=40).map(os.fsdecode))
def test_escapes_of_any_file_name_are_undone(name: str) -> None:
    escaped = "".join(f"\\x{byte:02x}" for byte in os.fsencode(name))
    assert tracing.unescape(escaped) == name


def test_a_folder_that_is_renamed_takes_its_files_along(work) -> None:
    (work / "new").mkdir()
    (work / "new" / "f").write_text("x", "utf-8")
    found = summarise(
        [
            Deed(1, Kind.WRITE, (f"{work}/old/f",)),
            Deed(1, Kind.MOVE, (f"{work}/old", f"{work}/new")),
        ]
    )
    assert found.writes == (work / "new" / "f",)
