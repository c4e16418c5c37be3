"""Batches that name their sender and count once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.keys import Algorithm, generate
from hauberk.trust.telemetry import Batch, Ledger, open_batch, seal_batch

_KEYS = {name: generate(Algorithm.ED25519) for name in ("r1", "r2")}
_KNOWN = {name: pair.public for name, pair in _KEYS.items()}
_BATCH = Batch(
    replica="r1", sequence=1, model="m", reference="d", start=100.0, end=160.0, body={"rows": 3}
)


def _check(batch, ledger=None, now=200.0, oldest=0.0):
    (ledger or Ledger()).check(batch, now=now, oldest=oldest)


def test_a_batch_comes_out_as_it_went_in():
    assert open_batch(seal_batch(_BATCH, _KEYS["r1"]), _KNOWN) == _BATCH


@pytest.mark.parametrize(
    ("batch", "signer"),
    [
        (_BATCH, "r2"),
        (replace(_BATCH, replica="r3"), "r1"),
        (replace(_BATCH, replica="r2"), "r1"),
    ],
    ids=["another replica's key", "unknown replica", "another replica's name"],
)
def test_only_the_replica_s_own_key_speaks_for_it(batch, signer):
    with pytest.raises(TrustError):
        open_batch(seal_batch(batch, _KEYS[signer]), _KNOWN)


def test_a_changed_batch_is_refused():
    data = bytearray(seal_batch(_BATCH, _KEYS["r1"]))
    place = data.index(b'"payload":"') + 30
    data[place] = ord("A") if data[place] != ord("A") else ord("B")
    with pytest.raises((TrustError, ArtifactError)):
        open_batch(bytes(data), _KNOWN)


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff" * 10, b'{"payload":1}'])
def test_bytes_that_are_no_batch_are_malformed(data):
    with pytest.raises(ArtifactError):
        open_batch(data, _KNOWN)


def test_a_number_counts_once_in_any_order():
    ledger = Ledger()
    for number in (1, 4, 2, 3):
        batch = replace(_BATCH, sequence=number)
        _check(batch, ledger)
        ledger.take(number)
    assert (ledger.highest, ledger.missing) == (4, set())
    for number in (1, 2, 4):
        with pytest.raises(TrustError, match="refused"):
            _check(replace(_BATCH, sequence=number), ledger)


@pytest.mark.parametrize(
    ("change", "now", "oldest"),
    [
        ({"end": 1000.0}, 200.0, 0.0),
        ({}, 200.0, 150.0),
        ({"sequence": 100_000}, 200.0, 0.0),
    ],
    ids=["future", "too old", "a large gap"],
)
def test_batches_of_another_time_are_refused(change, now, oldest):
    with pytest.raises(TrustError):
        _check(replace(_BATCH, **change), now=now, oldest=oldest)


def test_what_stays_away_is_missing():
    ledger = Ledger()
    ledger.take(3)
    assert ledger.missing == {1, 2}
