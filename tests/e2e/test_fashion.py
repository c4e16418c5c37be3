"""The example with a torch network, where torch and the pictures are installed."""

from __future__ import annotations

import importlib.util
import shutil
import time
from pathlib import Path

import pytest

from hauberk.core.record import StepState
from hauberk.errors import UsageError
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.lifecycle.signing import make_keys, pin_own_root
from hauberk.lifecycle.sources import SYSTEM_DATA

EXAMPLE = Path(__file__).parents[2] / "examples" / "fashion"
PICTURES = SYSTEM_DATA / "datasets" / "fashion-mnist"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "fashion")
    return tmp_path / "fashion"


def reasons(project: Path, configuration: Path) -> list[str]:
    tuple(make_keys(configuration))
    tuple(pin_own_root("fashion", configuration))
    record = run(load(project), Options(configuration=configuration, clock=time.time))
    return [step.reason for step in record.steps if step.state is not StepState.DONE]


@pytest.mark.slow
@pytest.mark.skipif(not PICTURES.exists(), reason="dataset-fashion-mnist is not installed")
@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")
def test_photographs_become_a_verified_network(project: Path, tmp_path: Path) -> None:
    assert reasons(project, tmp_path / "configuration") == []


def test_without_the_pictures_the_run_says_what_brings_them(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hauberk.lifecycle.sources.SYSTEM_DATA", tmp_path)
    with pytest.raises(UsageError, match="package of the system") as caught:
        reasons(project, tmp_path / "configuration")
    assert "package manager" in str(caught.value.details())


def test_only_shared_data_of_the_system_can_be_named(project: Path, tmp_path: Path) -> None:
    file = project / "hauberk.toml"
    text = file.read_text().replace("system:datasets/fashion-mnist/t10k-i", "system:../../etc/i")
    file.write_text(text)
    with pytest.raises(UsageError, match="leaves the project"):
        reasons(project, tmp_path / "configuration")
