"""Forgetting a sender without touching the log."""

from __future__ import annotations

import json

import pytest

from hauberk.errors import TrustError, UsageError
from hauberk.guard.audit import Decision, record_of
from hauberk.trust.erasure import FILE, SealingLog, Vault, opened
from hauberk.trust.log import Log


def decision(who: str, request: str = "sha256:aa") -> bytes:
    return record_of(
        Decision(
            at=5.0,
            model="m",
            principal=who,
            request=request,
            response="sha256:bb",
            action="allow",
            rule="",
            status=200,
            rows=3,
            latency_us=10,
            signals=({"control": "x", "facts": {"near": "ana"}},),
        )
    )


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path / "vault")


@pytest.fixture
def log(tmp_path, vault):
    whole = Log.open(tmp_path / "log")
    sealing = SealingLog(whole, vault)
    sealing.append([decision("ana"), decision("ben"), b'{"kind":"heartbeat","at":1}'])
    sealing.append([decision("ana", "sha256:cc")])
    return whole


def test_nothing_of_a_sender_stands_in_the_log_in_clear(log):
    text = b"".join(log.records())
    assert not any(word in text for word in (b"ana", b"ben", b"sha256:aa", b"near"))
    first, second, beat, third = (json.loads(record) for record in log.records())
    assert first["principal"] == third["principal"] != second["principal"]
    assert (first["action"], first["rows"], beat["kind"]) == ("allow", 3, "heartbeat")


def test_whoever_holds_the_keys_reads_it_as_it_was(log, vault):
    assert opened(next(log.records()), vault) == json.loads(decision("ana"))


def test_an_erased_sender_is_unreadable_others_are_not_and_the_chain_stays_whole(log, vault):
    root = log.root
    vault.erase("ana")
    who = [opened(record, vault) for record in log.records()]
    assert [item and item["principal"] for item in who] == [None, "ben", None, None]
    log.refresh()
    assert log.root == root
    assert log.prove_inclusion(0)


def test_a_sender_who_returns_is_somebody_new(log, vault):
    before = json.loads(next(log.records()))["principal"]
    vault.erase("ana")
    SealingLog(log, vault).append([decision("ana")])
    after = json.loads(list(log.records())[-1])["principal"]
    assert before != after


def test_the_key_is_gone_from_the_file(vault, tmp_path):
    _, key = vault.keys(["ana"])["ana"]
    path = tmp_path / "vault" / FILE
    assert key in path.read_bytes()
    vault.erase("ana")
    assert key not in b"".join(item.read_bytes() for item in path.parent.iterdir())


def test_a_sealed_part_does_not_open_in_another_record(log, vault):
    first, _, _, third = (json.loads(record) for record in log.records())
    moved = {**third, "at": 6.0, "sealed": first["sealed"]}
    with pytest.raises(TrustError):
        opened(json.dumps(moved).encode(), vault)


def test_erasing_twice_is_told(vault):
    vault.keys(["ana"])
    vault.erase("ana")
    with pytest.raises(UsageError):
        vault.erase("ana")
