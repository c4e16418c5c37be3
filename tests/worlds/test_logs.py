"""What every log does. A new one adds a line to `WORLDS`."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.audit import Standing
from hauberk.trust.checkpoint import parse_note, signed_by, signing_with
from hauberk.trust.keys import generate
from hauberk.trust.log import (
    Log,
    MemoryLog,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from hauberk.trust.merkle import EMPTY_ROOT
from hauberk.trust.segments import MAX_RECORD_BYTES

WORLDS = {
    "memory": lambda _path: MemoryLog(),
    "folder": lambda path: Log.open(path / "log"),
    "folder of tiny segments": lambda path: Log.open(path / "log", segment_bytes=1),
}
KEY = generate()
SIGN = signing_with("hauberk", [KEY])
CHECK = signed_by("hauberk", [KEY.public])


@pytest.fixture(params=sorted(WORLDS))
def log(request, tmp_path):
    return WORLDS[request.param](tmp_path)


def test_an_empty_log_has_the_empty_root(log):
    assert (log.size, log.root) == (0, EMPTY_ROOT)
    assert list(log.records()) == []
    assert log.verify().is_clean


def test_a_receipt_says_where_the_batch_lies(log):
    log.append([b"a", b"b"])
    receipt = log.append([b"c"])
    assert (receipt.first_index, receipt.size) == (2, 3)
    assert receipt.root == log.root


def test_records_come_back_in_order_from_any_place(log):
    for number in range(10):
        log.append([f"{number}".encode(), b""])
    everything = [item for number in range(10) for item in (f"{number}".encode(), b"")]
    assert list(log.records()) == everything
    assert list(log.records(7)) == everything[7:]
    assert list(log.records(7, 12)) == everything[7:12]
    assert list(log.records(20)) == list(log.records(30)) == []


def test_an_empty_batch_changes_nothing(log):
    log.append([b"a"])
    assert log.append([]).size == 1
    assert log.append([]).first_index == 1


def test_every_record_is_proven_under_every_root(log):
    for number in range(9):
        log.append([bytes([number])])
    for size in range(1, 10):
        for index in range(size):
            verify_inclusion(
                log.prove_inclusion(index, size),
                index=index,
                leaf=leaf_hash(bytes([index])),
                size=size,
                root=log.root_at(size),
            )


def test_every_root_is_proven_to_lie_under_later_ones(log):
    roots = [log.append([bytes([number])]).root for number in range(9)]
    for new in range(1, 10):
        for old in range(1, new + 1):
            verify_consistency(
                log.prove_consistency(old, new),
                old_size=old,
                old_root=roots[old - 1],
                new_size=new,
                new_root=roots[new - 1],
            )


def test_proofs_beyond_the_end_are_refused(log):
    log.append([b"a"])
    for ask in (lambda: log.prove_inclusion(1), lambda: log.prove_inclusion(0, 2)):
        with pytest.raises(UsageError):
            ask()
    with pytest.raises(UsageError):
        log.prove_consistency(1, 2)
    with pytest.raises(UsageError):
        log.root_at(-1)
    with pytest.raises(UsageError):
        list(log.records(-1))


def test_a_record_too_large_is_refused_and_nothing_is_added(log):
    with pytest.raises(ArtifactError):
        log.append([b"a", bytes(MAX_RECORD_BYTES + 1)])
    assert log.size == 0


def test_an_unsigned_checkpoint_is_the_text_alone_and_is_not_kept(log):
    log.append([b"a"])
    assert log.checkpoint().startswith(b"hauberk\n1\n")
    assert list(log.heads()) == []
    assert log.verify().standing is Standing.UNSIGNED


def test_a_signed_checkpoint_is_kept_and_names_the_root(log):
    log.append([b"a", b"b"])
    note = log.checkpoint(SIGN)
    assert list(log.heads()) == [note]
    assert parse_note(note).head.root == log.root
    assert CHECK(parse_note(note))


def test_a_signed_log_is_not_witnessed_until_a_second_place_holds_a_head(log, tmp_path):
    log.append([b"a"])
    note = log.checkpoint(SIGN)
    assert log.verify(check=CHECK).standing is Standing.NOT_WITNESSED
    assert log.verify(check=CHECK, witness=tmp_path / "none").standing is Standing.NOT_WITNESSED
    (tmp_path / "witness").write_bytes(note + b"\n")
    result = log.verify(check=CHECK, witness=tmp_path / "witness")
    assert result.is_clean
    assert result.standing is Standing.WITNESSED
    assert (result.signed_size, result.witnessed_size) == (1, 1)


def test_a_signer_that_gives_no_signature_is_refused(log):
    log.append([b"a"])
    for answer in (b"", b"not a line\n", b"\xe2\x80\x94 name !!!\n"):
        with pytest.raises(TrustError):
            log.checkpoint(lambda _text, answer=answer: answer)
    assert list(log.heads()) == []


def test_appends_of_many_threads_all_arrive_each_batch_together(log):
    def work(who):
        return [log.append([f"{who}/{n}/0".encode(), f"{who}/{n}/1".encode()]) for n in range(10)]

    with ThreadPoolExecutor(8) as pool:
        receipts = [receipt for done in pool.map(work, range(8)) for receipt in done]
    records = list(log.records())
    assert sorted(records) == sorted(
        f"{who}/{n}/{part}".encode() for who in range(8) for n in range(10) for part in range(2)
    )
    assert sorted(receipt.first_index for receipt in receipts) == list(range(0, 160, 2))
    for receipt in receipts:
        first, second = records[receipt.first_index : receipt.first_index + 2]
        assert first[:-1] == second[:-1]
        assert log.root_at(receipt.size) == receipt.root
    assert log.verify().is_clean


class LogMachine(RuleBasedStateMachine):
    """All logs beside a list: same records, roots, proofs; through crashes and reopenings."""

    @initialize()
    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.memory = MemoryLog()
        self.log = self.reopened()
        self.records = []

    def reopened(self):
        return Log.open(self.path / "log", segment_bytes=200)

    def teardown(self):
        self.folder.cleanup()

    @rule(batch=st.lists(st.binary(max_size=40), max_size=5))
    def append(self, batch):
        self.records += batch
        receipt = self.log.append(batch)
        assert receipt == self.memory.append(batch)
        assert receipt.size == len(self.records)

    @rule()
    def reopen(self):
        self.log = self.reopened()
        assert self.log.recovered == ()

    @rule(batch=st.lists(st.binary(max_size=40), max_size=5))
    def append_elsewhere(self, batch):
        self.records += batch
        self.reopened().append(batch)
        self.memory.append(batch)
        self.log.refresh()

    @rule(torn=st.binary(min_size=1, max_size=60), early=st.booleans())
    def crash(self, torn, early):
        """Bytes of an unfinished commit behind the last whole one."""
        path = max((self.path / "log").glob("*.segment"))
        with path.open("ab") as file:
            file.write(torn)
        self.log = self.log if early else self.reopened()
        self.log.refresh()
        assert [recovery.n_bytes for recovery in self.log.recovered][-1:] == [len(torn)]

    @rule()
    def lose_derived_hashes(self):
        (self.path / "log" / "nodes").unlink(missing_ok=True)

    @rule(garbage=st.binary(min_size=32, max_size=64))
    def break_derived_hashes(self, garbage):
        (self.path / "log" / "nodes").write_bytes(garbage)

    @rule()
    def sign(self):
        self.log.checkpoint(SIGN)
        self.memory.checkpoint(SIGN)

    @rule(data=st.data())
    def prove(self, data):
        new = data.draw(st.integers(0, len(self.records)))
        old = data.draw(st.integers(0, new))
        assert self.log.prove_consistency(old, new) == self.memory.prove_consistency(old, new)
        if new:
            index = data.draw(st.integers(0, new - 1))
            assert self.log.prove_inclusion(index, new) == self.memory.prove_inclusion(index, new)

    @rule()
    def verify(self):
        mine, other = self.log.verify(check=CHECK), self.memory.verify(check=CHECK)
        assert mine == other
        assert mine.is_clean

    @invariant()
    def same(self):
        assert (self.log.size, self.log.root) == (self.memory.size, self.memory.root)
        assert list(self.log.records()) == self.records


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
