"""Which paths an interpreter needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hauberk.errors import UnavailableError, UsageError
from hauberk.isolation import Grants, Limits, interpreter_grants, run, spawn


@pytest.fixture
def environment(tmp_path) -> Path:
    """A virtual environment of this interpreter, with a package found by a ``.pth`` file."""
    root = tmp_path.resolve() / "project" / ".venv"
    command = [sys.executable, "-m", "venv", "--without-pip", str(root)]
    subprocess.run(command, check=True, timeout=60)
    library = tmp_path.resolve() / "library"
    library.mkdir()
    (library / "helper_of_project.py").write_text("VALUE = 42\n", "utf-8")
    packages = next((root / "lib").glob("python3*")) / "site-packages"
    (packages / "project.pth").write_text(f"# note\nimport sys\n{library}\n", "utf-8")
    return root


def test_a_projects_environment_runs_at_every_level(environment, level, work) -> None:
    python = environment / "bin" / "python"
    done = run(
        [str(python), "-c", "import helper_of_project as h, ssl, json; print(h.VALUE)"],
        cwd=work,
        grants=Grants(read=interpreter_grants(python)),
        limits=Limits(),
        level=level,
    )
    assert done.stdout == b"42\n", done.stderr


def test_a_worker_runs_in_a_projects_environment_without_hauberk(environment, level) -> None:
    python = environment / "bin" / "python"
    found = spawn(
        "hauberk.isolation.trial:escape",
        b'{"file": "/missing", "port": 1}',
        grants=Grants(),
        limits=Limits(),
        level=level,
        python=str(python),
    )
    assert b"read a file" not in found


def test_the_environment_its_base_and_named_folders_are_found(environment, tmp_path) -> None:
    found = interpreter_grants(environment / "bin" / "python")
    assert environment in found
    assert tmp_path.resolve() / "library" in found
    base = Path(sys.base_prefix).resolve()
    assert any(base.is_relative_to(path) for path in (*found, Path("/usr")))


def test_a_script_that_chooses_an_interpreter_is_refused(tmp_path) -> None:
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\n", "utf-8")
    with pytest.raises(UsageError, match="script that chooses"):
        interpreter_grants(shim)


def test_a_missing_interpreter_is_the_environments_fault(tmp_path) -> None:
    with pytest.raises(UnavailableError, match="no interpreter"):
        interpreter_grants(tmp_path / "python3")


def test_a_relative_interpreter_is_refused() -> None:
    with pytest.raises(UsageError, match="absolute"):
        interpreter_grants(Path("python3"))


def test_a_loop_of_links_ends(tmp_path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UnavailableError):
        interpreter_grants(tmp_path / "a")


def test_code_in_a_pth_file_is_not_run_and_grants_nothing(environment, tmp_path) -> None:
    packages = next((environment / "lib").glob("python3*")) / "site-packages"
    marker = tmp_path / "ran"
    (packages / "evil.pth").write_text(f"import os; os.mkdir({str(marker)!r})\n/\n", "utf-8")
    found = interpreter_grants(environment / "bin" / "python")
    assert not marker.exists()
    assert Path("/") not in found
