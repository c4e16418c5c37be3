"""Scanning by URL: over TLS with a pin, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.cli._fetch import landed
from hauberk.errors import TrustError
from hauberk.range.worlds.sources import Answer, publisher
from hauberk.trust.digest import digest_bytes

ROWS = b"a,b\n1,2\n" * 50
PIN = digest_bytes(ROWS).replace(":", "=")


def test_the_pinned_bytes_are_read_from_the_landed_copy(tmp_path: Path) -> None:
    with publisher(tmp_path) as server:
        server.answers["/rows.csv"] = Answer(body=ROWS)
        with landed([f"{server.address}/rows.csv#{PIN}"], context=server.context) as places:
            ((path, name),) = places.items()
            assert name == f"{server.address}/rows.csv"
            assert path.name == "rows.csv"
            assert path.read_bytes() == ROWS
        assert not path.exists()


def test_other_bytes_are_refused(tmp_path: Path) -> None:
    with publisher(tmp_path) as server:
        server.answers["/rows.csv"] = Answer(body=ROWS + b"9,9\n")
        address = f"{server.address}/rows.csv#{PIN}"
        with pytest.raises(TrustError, match="pinned"), landed([address], context=server.context):
            pass


def test_an_address_without_a_pin_is_looked_at_as_it_comes(tmp_path: Path) -> None:
    with publisher(tmp_path) as server:
        server.answers["/rows.csv"] = Answer(body=ROWS)
        with landed([f"{server.address}/rows.csv"], context=server.context) as places:
            assert [path.read_bytes() for path in places] == [ROWS]


def test_plain_http_is_refused(capsys) -> None:
    assert main(["scan", f"http://h.example/rows.csv#{PIN}"]) == 1
    assert "TLS" in capsys.readouterr().err


def test_an_object_of_a_bucket_needs_a_pin_too(capsys) -> None:
    assert main(["scan", "s3://bucket/rows.csv"]) == 1
    assert "digest" in capsys.readouterr().err
