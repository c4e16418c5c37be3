"""A whole lifecycle with its blobs at a real S3 and its pointers in a real PostgreSQL."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hauberk.trust.backends import Backends

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_a_project_is_run_verified_and_asked_with_its_stores_on_servers(tmp_path, postgres, s3):
    shutil.copytree(ROOT / "examples/loans", tmp_path / "loans")
    backends = Backends(
        blobs=f"s3://{s3.shared}/lifecycle",
        pointers=postgres.address,
        schema=postgres.schema(),
        endpoint=s3.endpoint,
    )
    environment = {
        **os.environ,
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "HAUBERK_STORE_BLOBS": backends.blobs,
        "HAUBERK_STORE_POINTERS": backends.pointers,
        "HAUBERK_STORE_SCHEMA": backends.schema,
        "HAUBERK_STORE_ENDPOINT": backends.endpoint,
    }

    def hauberk(*words):
        done = subprocess.run(
            [Path(sys.executable).with_name("hauberk"), *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    hauberk("init", "loans")
    hauberk("run", "loans", "--quiet")
    assert "verified: loans" in hauberk("verify", "loans")
    assert "roc_auc" in hauberk("metadata", "show", "last", "--project", "loans")
    assert not (tmp_path / "loans/.hauberk/pointers.sqlite").exists()
    assert len(list(backends.open_blobs().list())) > 20
