"""The set-up script on machines that lack something, each made of a few stand-in commands."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TOOLS = ("bash", "dirname", "cat", "cut", "sha256sum", "rm", "sh")
_PYTHON_WITHOUT_VENV = """#!/bin/sh
case "$*" in
  *"(3, 11)"*) exit 0 ;;
  *sys.executable*) echo fake-python ;;
  *ensurepip*) exit 1 ;;
  *python%d*) echo python3.11-venv ;;
  -VV) echo Python 3.11 ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


class Machine:
    """A project folder with the script in it, and a PATH that holds what is put there."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.project = folder / "project"
        self.bin.mkdir()
        (self.project / "requirements").mkdir(parents=True)
        (self.project / "requirements" / "lock.txt").touch()
        (self.project / "pyproject.toml").touch()
        (self.project / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "setup", self.project / "scripts" / "setup")
        for tool in _TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)

    def has(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(script, "utf-8")
        path.chmod(0o755)

    def set_up(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(self.project / "scripts" / "setup")],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_a_fitting_python_the_packages_are_named(machine: Machine):
    machine.has("python3", "#!/bin/sh\nexit 1\n")
    done = machine.set_up()
    assert done.returncode == 1
    assert "no Python 3.11, 3.12 or 3.13 was found" in done.stderr


def test_without_the_venv_module_an_ordinary_user_is_told_the_one_line(machine: Machine):
    machine.has("python3", _PYTHON_WITHOUT_VENV)
    machine.has("fake-python", _PYTHON_WITHOUT_VENV)
    machine.has("id", "#!/bin/sh\necho 1000\n")
    machine.has("apt-get", "#!/bin/sh\necho must not be called >&2\n")
    done = machine.set_up()
    assert done.returncode == 1
    assert done.stderr == (
        "setup: fake-python lacks its venv module. Type: sudo apt-get install python3.11-venv\n"
    )


def test_without_the_venv_module_root_has_that_one_package_installed_and_is_told(
    machine: Machine,
):
    machine.has("python3", _PYTHON_WITHOUT_VENV)
    machine.has("fake-python", _PYTHON_WITHOUT_VENV)
    machine.has("id", "#!/bin/sh\necho 0\n")
    machine.has("apt-get", '#!/bin/sh\necho "apt-get $*"\n')
    done = machine.set_up()
    assert "installing the package python3.11-venv with apt-get" in done.stderr
    assert "apt-get install -y --no-install-recommends python3.11-venv" in done.stderr


def test_nothing_is_done_where_nothing_changed(machine: Machine):
    machine.has("python3", _PYTHON_WITHOUT_VENV)
    machine.has("fake-python", _PYTHON_WITHOUT_VENV)
    machine.has("id", "#!/bin/sh\necho 1000\n")
    venv = machine.project / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "hauberk").write_text("#!/bin/sh\n", "utf-8")
    (venv / "bin" / "hauberk").chmod(0o755)
    first = machine.set_up()
    parts = "{ fake-python -VV; cat requirements/lock.txt pyproject.toml scripts/setup; }"
    mark = subprocess.run(
        ["bash", "-c", f"{parts} | sha256sum | cut -d' ' -f1"],
        cwd=machine.project,
        env={"PATH": str(machine.bin)},
        capture_output=True,
        check=True,
    )
    (venv / ".hauberk-setup").write_bytes(mark.stdout)
    assert first.returncode == 1
    assert machine.set_up().returncode == 0
