"""Levels that this machine has, and the file that says which it must have."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from hauberk.core.policy import Isolation
from hauberk.isolation import Completed, Grants, Limits, interpreter_grants, probe, run

PYTHON = Path(sys.executable)
LEVELS = tuple(Isolation)
ENFORCED = (Isolation.LANDLOCK, Isolation.FULL)
QUICK = Limits(wall_s=30.0, cpu_s=20.0, memory_bytes=1 << 30, processes=32)


def expected_levels() -> tuple[Isolation, ...]:
    listed = tomllib.loads(Path(__file__).with_name("expected_levels.toml").read_text("utf-8"))
    return tuple(Isolation(name) for name in listed["levels"])


def need(level: Isolation) -> Isolation:
    """The level, or a skip with the probe's reason; a failure where CI must have it."""
    reason = probe().levels[level]
    if reason and os.environ.get("CI") == "true" and level in expected_levels():
        pytest.fail(f"{level.value} is expected here but is missing: {reason}")
    if reason:
        pytest.skip(f"{level.value}: {reason}")
    return level


@pytest.fixture(params=LEVELS, ids=[level.value for level in LEVELS])
def level(request: pytest.FixtureRequest) -> Isolation:
    return need(request.param)


@pytest.fixture(params=ENFORCED, ids=[level.value for level in ENFORCED])
def enforced(request: pytest.FixtureRequest) -> Isolation:
    return need(request.param)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def python_step(work: Path) -> Callable[..., Completed]:
    """Run a Python script in the work folder, which the step may write."""

    def step(
        code: str,
        level: Isolation,
        *,
        limits: Limits = QUICK,
        env: dict[str, str] | None = None,
        read: tuple[Path, ...] = (),
        write: tuple[Path, ...] | None = None,
        arguments: tuple[str, ...] = (),
    ) -> Completed:
        grants = Grants(
            read=(*interpreter_grants(PYTHON), *read),
            write=(work,) if write is None else write,
            env=env or {},
        )
        command = [str(PYTHON), "-c", code, *arguments]
        return run(command, cwd=work, grants=grants, limits=limits, level=level)

    return step


@pytest.fixture
def need_full() -> Isolation:
    return need(Isolation.FULL)


@pytest.fixture
def need_landlock() -> Isolation:
    return need(Isolation.LANDLOCK)
