from __future__ import annotations

import pytest

from hauberk.controls.registry.altered_fetch import AlteredFetch
from hauberk.core.artifact import RegistryEntry
from hauberk.core.finding import Outcome
from hauberk.engine import assess
from hauberk.errors import UnavailableError
from hauberk.trust.digest import digest_bytes


def source(data: bytes, **trusted: str) -> RegistryEntry:
    return RegistryEntry(
        name="rows", version="1", channel="source", read=lambda _: data, trusted=trusted
    )


def test_the_pinned_bytes_are_clean() -> None:
    entry = source(b"rows", digest=digest_bytes(b"rows"))
    assert assess(AlteredFetch(), entry).outcome is Outcome.CLEAN


@pytest.mark.parametrize("data", [b"", b"rowS", b"rows\n", b"row"])
def test_other_bytes_are_flagged(data: bytes) -> None:
    result = assess(AlteredFetch(), source(data, digest=digest_bytes(b"rows")))
    assert result.outcome is Outcome.FLAGGED
    assert digest_bytes(b"rows") in result.findings[0].message


def test_without_a_pin_nothing_is_said() -> None:
    assert assess(AlteredFetch(), source(b"rows")).outcome is Outcome.NOT_APPLICABLE


def test_bytes_that_cannot_be_read_are_failed() -> None:
    def read(path: str) -> bytes:
        raise UnavailableError("gone", subject=path)

    entry = RegistryEntry(
        name="rows", version="1", channel="source", read=read, trusted={"digest": "sha256:0"}
    )
    assert assess(AlteredFetch(), entry).outcome is Outcome.FAILED
