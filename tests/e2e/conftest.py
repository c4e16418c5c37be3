"""One finished project for all tests of this folder; each test works on a copy."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hauberk.core.policy import Isolation
from hauberk.isolation import probe
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.lifecycle.signing import make_keys, pin_own_root
from hauberk.range import sample
from hauberk.range.forgeries import Site


def best_level() -> Isolation:
    found = probe().levels
    return next(level for level in (Isolation.FULL, Isolation.LANDLOCK) if not found[level])


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Site:
    if all(probe().levels[level] for level in (Isolation.FULL, Isolation.LANDLOCK)):
        pytest.skip("no isolation level that may sign works here")
    folder = tmp_path_factory.mktemp("finished")
    root, configuration = folder / sample.NAME, folder / "configuration"
    sample.write_project(root)
    tuple(make_keys(configuration))
    tuple(pin_own_root(sample.NAME, configuration))
    record = run(load(root), Options(configuration=configuration, clock=time.time))
    assert record.exit_code == 0, [step.reason for step in record.steps]
    return Site(root=root, configuration=configuration, clock=time.time, level=best_level())


@pytest.fixture
def site(finished: Site, tmp_path: Path) -> Site:
    root = tmp_path / "copy" / sample.NAME
    shutil.copytree(finished.root, root, symlinks=True)
    return replace(finished, root=root)


@pytest.fixture
def options(finished: Site) -> Options:
    return Options(configuration=finished.configuration, clock=time.time)
