"""The examples beside loans, from raw data to a release whose chain verifies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_digits_come_to_a_release_that_verifies(tmp_path):
    shutil.copytree(ROOT / "examples/digits", tmp_path / "digits")

    def hauberk(*words):
        done = subprocess.run(
            [Path(sys.executable).with_name("hauberk"), *words],
            cwd=tmp_path,
            env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    hauberk("init", "digits")
    hauberk("run", "digits", "--quiet")
    assert "verified: digits" in hauberk("verify", "digits")
    assert "accuracy" in hauberk("explain", "digits")
