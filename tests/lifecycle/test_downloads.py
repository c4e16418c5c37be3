"""Sources over the network, from a real server with TLS on loopback."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.lifecycle.downloads import (
    Landed,
    download,
    download_file,
    without_credentials,
)
from hauberk.range.worlds.sources import Answer, Publisher, publisher
from hauberk.trust.blobs import MemoryBlobs
from hauberk.trust.digest import digest_bytes

ROWS = b"a,b\n1,2\n" * 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Publisher]:
    with publisher(tmp_path) as running:
        running.answers["/rows"] = Answer(body=ROWS)
        yield running


def fetch(server: Publisher, path: str = "/rows", expected: bytes = ROWS) -> Landed:
    blobs = MemoryBlobs()
    return download(
        server.address + path, blobs, digest_bytes(expected), "rows", context=server.context
    )


def test_the_pinned_bytes_are_landed(server: Publisher) -> None:
    assert fetch(server).size == len(ROWS)


def test_other_bytes_are_refused_and_not_kept(server: Publisher) -> None:
    blobs = MemoryBlobs()
    with pytest.raises(TrustError, match="not what was pinned"):
        download(
            server.address + "/rows", blobs, digest_bytes(b"x"), "rows", context=server.context
        )
    assert list(blobs.list()) == []


def test_without_a_pin_nothing_is_fetched(server: Publisher) -> None:
    with pytest.raises(TrustError, match="no pinned digest"):
        download(server.address, MemoryBlobs(), None, "rows", context=server.context)


def test_plain_http_is_refused(server: Publisher) -> None:
    with pytest.raises(TrustError, match="others can change"):
        download(server.plain + "/rows", MemoryBlobs(), digest_bytes(ROWS), "rows")


def test_a_redirect_out_of_tls_is_refused(server: Publisher) -> None:
    server.answers["/rows"] = Answer(redirect=server.plain + "/rows2")
    with pytest.raises(TrustError, match="others can change"):
        fetch(server)


def test_a_redirect_within_tls_is_followed(server: Publisher) -> None:
    server.answers["/moved"] = Answer(redirect=server.address + "/rows")
    assert fetch(server, "/moved").size == len(ROWS)


def test_a_body_that_is_cut_short_is_refused(server: Publisher) -> None:
    server.answers["/rows"] = Answer(body=ROWS[:100], declared=len(ROWS))
    with pytest.raises((ArtifactError, UnavailableError)):
        fetch(server)


def test_an_unknown_authority_is_refused(server: Publisher) -> None:
    with pytest.raises(UnavailableError, match="cannot be fetched"):
        download(
            server.address + "/rows",
            MemoryBlobs(),
            digest_bytes(ROWS),
            "rows",
            context=ssl.create_default_context(),
        )


def test_nobody_at_home_is_unavailable(server: Publisher) -> None:
    with pytest.raises(UnavailableError):
        download(
            "https://127.0.0.1:1/rows",
            MemoryBlobs(),
            digest_bytes(ROWS),
            "rows",
            context=server.context,
        )


def test_credentials_stay_out_of_messages() -> None:
    assert without_credentials("https://me:secret@h.example:8443/p?token=1#x") == (
        "https://h.example:8443/p"
    )


def test_a_file_to_look_at_needs_no_pin(server: Publisher, tmp_path: Path) -> None:
    path = download_file(server.address + "/rows", tmp_path, context=server.context)
    assert path.read_bytes() == ROWS
    assert path.stat().st_mode & 0o077 == 0


def test_a_pin_in_the_address_is_held_against_the_bytes(server: Publisher, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="not what was pinned"):
        download_file(f"{server.address}/rows#sha256={'0' * 64}", tmp_path, context=server.context)


def test_a_file_over_plain_http_is_refused(server: Publisher, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="others can change"):
        download_file(server.plain + "/rows", tmp_path)
