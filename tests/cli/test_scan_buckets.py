"""Scanning objects of buckets: with a pin, or not at all."""

from __future__ import annotations

import pytest

from hauberk.cli import main


@pytest.mark.parametrize("address", ["s3://bucket/rows.csv", "gs://bucket/rows.csv#sha256=12"])
def test_an_object_of_a_bucket_needs_a_pin(capsys, address):
    assert main(["scan", address]) == 1
    assert "digest" in capsys.readouterr().err
