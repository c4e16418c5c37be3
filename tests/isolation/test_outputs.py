"""Taking out what a step made."""

from __future__ import annotations

import os
import socket
from pathlib import PurePosixPath

import pytest

from hauberk.errors import ArtifactError
from hauberk.isolation import collect_output
from hauberk.isolation.outputs import list_outputs

NAME = PurePosixPath("out/model.bin")


@pytest.fixture
def made(work):
    (work / "out").mkdir()
    return work / "out" / "model.bin"


def collect(work, name=NAME, max_bytes=100) -> bytes:
    with collect_output(work, name, max_bytes=max_bytes) as output:
        return output.file.read()


def test_a_plain_file_is_read(work, made) -> None:
    made.write_bytes(b"weights")
    assert collect(work) == b"weights"


def test_the_size_is_known_before_reading(work, made) -> None:
    made.write_bytes(b"weights")
    with collect_output(work, NAME, max_bytes=100) as output:
        assert (output.name, output.size) == (NAME, 7)


def test_a_link_to_a_secret_is_refused(work, made, tmp_path) -> None:
    (tmp_path / "key").write_text("PRIVATE", "utf-8")
    made.symlink_to(tmp_path / "key")
    with pytest.raises(ArtifactError, match="not a plain file"):
        collect(work)


def test_a_folder_that_is_a_link_is_refused(work, tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "model.bin").write_bytes(b"PRIVATE")
    (work / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="not a plain file or folder"):
        collect(work)


def test_a_second_name_of_a_file_is_refused(work, made, tmp_path) -> None:
    (tmp_path / "key").write_text("PRIVATE", "utf-8")
    os.link(tmp_path / "key", made)
    with pytest.raises(ArtifactError, match="2 names"):
        collect(work)


def test_a_pipe_is_refused_without_waiting_for_a_writer(work, made) -> None:
    os.mkfifo(made)
    with pytest.raises(ArtifactError, match="pipe"):
        collect(work)


def test_a_socket_is_refused(work, made, monkeypatch) -> None:
    monkeypatch.chdir(made.parent)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(made.name)
        with pytest.raises(ArtifactError):
            collect(work)


def test_a_missing_output_is_refused(work, made) -> None:
    with pytest.raises(ArtifactError, match="did not make it"):
        collect(work)


def test_an_output_over_its_size_is_refused(work, made) -> None:
    made.write_bytes(bytes(101))
    with pytest.raises(ArtifactError, match="101 bytes"):
        collect(work)


@pytest.mark.parametrize("name", ["../key", "out/../../key", "/etc/passwd"])
def test_a_name_that_leaves_the_folder_is_refused(work, name) -> None:
    with pytest.raises(ArtifactError, match="leaves the step's folder"):
        collect(work, PurePosixPath(name))


def test_a_folder_is_listed_in_order(work, made) -> None:
    made.write_bytes(b"")
    (work / "out" / "a").mkdir()
    (work / "out" / "a" / "shard").write_bytes(b"")
    found = list_outputs(work, PurePosixPath("out"))
    assert [str(path) for path in found] == ["out/a/shard", "out/model.bin"]


def test_a_link_inside_a_folder_is_refused(work, made) -> None:
    made.symlink_to("/etc/passwd")
    with pytest.raises(ArtifactError, match="a link"):
        list_outputs(work, PurePosixPath("out"))


def test_endless_folders_are_refused(work) -> None:
    (work / "/".join(["out"] * 70)).mkdir(parents=True)
    with pytest.raises(ArtifactError, match="deeper"):
        list_outputs(work, PurePosixPath("out"))


def test_what_a_step_laid_as_a_trap_is_refused_at_every_level(
    work, python_step, level, tmp_path
) -> None:
    (tmp_path / "key").write_text("PRIVATE", "utf-8")
    code = "import os, sys; os.mkdir('out'); os.symlink(sys.argv[1], 'out/model.bin')"
    done = python_step(code, level, arguments=(str(tmp_path / "key"),))
    assert done.exit_code == 0
    with pytest.raises(ArtifactError):
        collect(work)
