"""The log on disk: what crashes leave, what tampering is called, what is refused."""

import errno
import os
import shutil
import signal
import stat
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.trust.audit import Fault, Standing, compare
from hauberk.trust.checkpoint import signed_by, signing_with
from hauberk.trust.keys import generate
from hauberk.trust.log import Log, _Ticket, examine
from hauberk.trust.merkle import leaf_hash

KEY, STRANGER = generate(), generate()
SIGN = signing_with("hauberk", [KEY])
CHECK = signed_by("hauberk", [KEY.public])
RECORDS = [f"record {number}".encode() for number in range(20)]


@pytest.fixture
def folder(tmp_path):
    """Twenty records in batches of two; signed at 8 and 16 and 20."""
    log = Log.open(tmp_path / "log")
    for at in range(0, 20, 2):
        log.append(RECORDS[at : at + 2])
        if at in (6, 14, 18):
            log.checkpoint(SIGN)
    return tmp_path / "log"


def segment_of(folder):
    return max(folder.glob("*.segment"))


def rewrite(folder, *batches, keep_nodes=True):
    """What a careful attacker does: the same heads over other, well-formed commits."""
    other = folder.parent / "other"
    for batch in batches:
        Log.open(other).append(batch)
    for path in folder.glob("*.segment"):
        path.unlink()
    for path in other.glob("*.segment"):
        path.rename(folder / path.name)
    if not keep_nodes:
        (other / "nodes").rename(folder / "nodes")
    shutil.rmtree(other)


def faults(result):
    return [(defect.fault, defect.first) for defect in result.defects]


# Tampering behind valid commits -----------------------------------------------------------

EDITED = [*RECORDS[:5], b"record V", *RECORDS[6:]]
TAMPERED = {
    "an edit": (EDITED, [(Fault.EDITED, 5)]),
    "a deletion": (RECORDS[:5] + RECORDS[6:], [(Fault.DELETED, 5)]),
    "a swap": ([*RECORDS[:5], RECORDS[6], RECORDS[5], *RECORDS[7:]], None),
    "a duplicate": (RECORDS[:6] + RECORDS[5:], [(Fault.DUPLICATED, 5)]),
    "an insertion": ([*RECORDS[:5], b"new", *RECORDS[5:]], [(Fault.INSERTED, 5)]),
    "a cut": (RECORDS[:17], [(Fault.TRUNCATED, 17)]),
    "everything gone": ([b"x"], None),
}


@pytest.mark.parametrize("name", sorted(TAMPERED))
@pytest.mark.parametrize("keep_nodes", [True, False])
def test_tampering_under_signed_heads_is_found(folder, name, keep_nodes):
    records, _ = TAMPERED[name]
    rewrite(folder, records, keep_nodes=keep_nodes)
    assert not examine(folder, check=CHECK).is_clean


@pytest.mark.parametrize("name", [name for name in sorted(TAMPERED) if TAMPERED[name][1]])
def test_tampering_is_named_where_the_hashes_were_kept(folder, name):
    records, expected = TAMPERED[name]
    rewrite(folder, records)
    result = examine(folder, check=CHECK)
    assert faults(result) == expected


def test_a_swap_is_called_reordered(folder):
    rewrite(folder, TAMPERED["a swap"][0])
    assert {fault for fault, _ in faults(examine(folder, check=CHECK))} == {Fault.REORDERED}


def test_without_kept_hashes_the_window_between_heads_is_named(folder):
    records = [*RECORDS[:10], b"edited", *RECORDS[11:]]
    rewrite(folder, records, keep_nodes=False)
    (defect,) = examine(folder, check=CHECK).defects
    assert (defect.fault, defect.first, defect.last) == (Fault.REWRITTEN, 8, 15)


def test_records_behind_the_newest_head_are_not_covered(folder):
    Log.open(folder).append([b"not signed yet"])
    rewrite(folder, RECORDS, [b"changed before it was signed"])
    result = Log.open(folder).verify(check=CHECK)
    assert result.is_clean
    assert result.signed_size == 20


# Naive tampering with the bytes -------------------------------------------------------------


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(data=st.data())
def test_any_changed_byte_of_a_signed_log_is_found(folder, data):
    path = segment_of(folder)
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bad)
    result = examine(folder, check=CHECK)
    path.write_bytes(good)
    assert not result.is_clean


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(data=st.data())
def test_no_cut_makes_a_signed_log_shorter(folder, data):
    path = segment_of(folder)
    good = path.read_bytes()
    path.write_bytes(good[: data.draw(st.integers(0, len(good) - 1))])
    with pytest.raises(TrustError):
        Log.open(folder)
    path.write_bytes(good)
    assert list(folder.glob("torn-*")) == []


def test_damage_with_commits_behind_it_is_no_crash(tmp_path):
    log = Log.open(tmp_path / "log")
    for record in RECORDS:
        log.append([record])
    path = segment_of(tmp_path / "log")
    data = path.read_bytes()
    at = data.index(b"record 5")
    path.write_bytes(data[:at] + b"R" + data[at + 1 :])
    with pytest.raises(TrustError, match="commits behind it"):
        Log.open(tmp_path / "log")
    assert path.stat().st_size == len(data)


def test_a_record_that_looks_like_a_commit_does_not_stop_recovery(tmp_path):
    log = Log.open(tmp_path / "log")
    log.append([b"a"])
    path = segment_of(tmp_path / "log")
    commit = path.read_bytes()[70:]
    other = Log.open(tmp_path / "log2")
    other.append([b"b"])
    whole = segment_of(tmp_path / "log2")
    size = whole.stat().st_size
    other.append([commit + b"HKc1" * 50])
    os.truncate(whole, whole.stat().st_size - 1)
    reopened = Log.open(tmp_path / "log2")
    assert list(reopened.records()) == [b"b"]
    assert whole.stat().st_size == size


@pytest.mark.parametrize("missing", ["first", "middle", "last"])
def test_a_missing_segment_is_found(tmp_path, missing):
    log = Log.open(tmp_path / "log", segment_bytes=1)
    for record in RECORDS[:6]:
        log.append([record])
    log.checkpoint(SIGN)
    paths = sorted((tmp_path / "log").glob("*.segment"))
    {"first": paths[0], "middle": paths[2], "last": paths[5]}[missing].unlink()
    assert not examine(tmp_path / "log", check=CHECK).is_clean


def test_all_segments_gone_is_refused(folder):
    segment_of(folder).unlink()
    with pytest.raises(TrustError, match="shorter"):
        Log.open(folder)


def test_reading_a_damaged_log_stops_with_an_error(folder):
    log = Log.open(folder)
    path = segment_of(folder)
    data = path.read_bytes()
    at = data.index(b"record 5")
    path.write_bytes(data[:at] + b"R" + data[at + 1 :])
    read = log.records()
    assert [next(read) for _ in range(4)] == RECORDS[:4]
    with pytest.raises(TrustError):
        next(read)
    with pytest.raises(TrustError):
        list(log.records(19))


def test_a_log_cut_while_it_is_open_takes_nothing_more(folder):
    log = Log.open(folder)
    os.truncate(segment_of(folder), 200)
    with pytest.raises(TrustError):
        log.append([b"more"])
    with pytest.raises(TrustError):
        list(log.records())


def test_one_log_behind_the_head_of_another_is_refused(folder, tmp_path):
    other = Log.open(tmp_path / "other")
    other.append([b"x"] * 20)
    (folder / "heads").rename(tmp_path / "other" / "heads")
    with pytest.raises(TrustError, match="not the one that was signed"):
        Log.open(tmp_path / "other")


# Heads and witness --------------------------------------------------------------------------


def test_a_head_of_a_stranger_proves_nothing_and_is_reported(tmp_path):
    log = Log.open(tmp_path / "log")
    log.append([b"a"])
    log.checkpoint(signing_with("hauberk", [STRANGER]))
    result = log.verify(check=CHECK)
    assert [defect.fault for defect in result.defects] == [Fault.UNTRUSTED_HEAD]
    assert result.standing is Standing.UNSIGNED


def test_a_head_of_another_log_is_reported(folder):
    result = Log.open(folder, origin="other").verify(check=CHECK)
    assert {defect.fault for defect in result.defects} == {Fault.UNTRUSTED_HEAD}


def test_two_heads_for_one_size_are_a_fork(folder, tmp_path):
    forked = Log.open(tmp_path / "fork")
    forked.append([*RECORDS[:19], b"other"])
    (tmp_path / "witness").write_bytes(forked.checkpoint(SIGN) + b"\n")
    result = Log.open(folder).verify(check=CHECK, witness=tmp_path / "witness")
    assert Fault.FORKED in {defect.fault for defect in result.defects}


def test_a_log_rewritten_with_the_key_is_found_by_its_witness(folder, tmp_path):
    Log.open(folder).witness(tmp_path / "witness")
    shutil.rmtree(folder)
    forged = Log.open(folder)
    forged.append(EDITED)
    forged.checkpoint(SIGN)
    assert forged.verify(check=CHECK).is_clean
    result = forged.verify(check=CHECK, witness=tmp_path / "witness")
    assert Fault.FORKED in {defect.fault for defect in result.defects}


def test_a_restored_backup_is_found_by_the_witness(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "backup")
    log = Log.open(folder)
    log.append([b"incriminating"])
    log.checkpoint(SIGN)
    log.witness(tmp_path / "witness")
    shutil.rmtree(folder)
    (tmp_path / "backup").rename(folder)
    restored = Log.open(folder)
    assert restored.verify(check=CHECK).is_clean
    result = restored.verify(check=CHECK, witness=tmp_path / "witness")
    assert faults(result) == [(Fault.TRUNCATED, 20)]


def test_witnessing_goes_on_with_a_growing_log(folder, tmp_path):
    log = Log.open(folder)
    for _ in range(3):
        log.witness(tmp_path / "witness")
        log.append([b"more"])
        log.checkpoint(SIGN)
    result = log.verify(check=CHECK, witness=tmp_path / "witness")
    assert result.is_clean
    assert (result.standing, result.witnessed_size) == (Standing.WITNESSED, 22)


def test_a_witness_refuses_a_log_that_forgot_what_it_saw(folder, tmp_path):
    Log.open(folder).witness(tmp_path / "witness")
    seen = (tmp_path / "witness").read_bytes()
    shutil.rmtree(folder)
    forged = Log.open(folder)
    forged.append([*EDITED, b"more"])
    forged.checkpoint(SIGN)
    with pytest.raises(TrustError, match="witness"):
        forged.witness(tmp_path / "witness")
    assert (tmp_path / "witness").read_bytes() == seen


def test_nothing_can_be_witnessed_before_something_is_signed(tmp_path):
    with pytest.raises(UsageError):
        Log.open(tmp_path / "log").witness(tmp_path / "witness")


@pytest.mark.parametrize("torn", [b"hau", b"hauberk\n2", b"hauberk\n2\nAA==\n\n", b"\n\n", b"\n"])
def test_a_torn_head_is_passed_over_and_cut_off_by_the_next(folder, torn):
    before = list(Log.open(folder).heads())
    with (folder / "heads").open("ab") as file:
        file.write(torn)
    log = Log.open(folder)
    note = log.checkpoint(SIGN)
    assert list(log.heads()) == [*before, note]


@pytest.mark.parametrize(
    "junk", [b"junk\n\njunk\n\n", b"x" * 400_000, b"\xff\n\n\xe2\x80\x94 \n\n"]
)
def test_a_heads_file_of_something_else_is_found(folder, junk):
    (folder / "heads").write_bytes(junk)
    result = examine(folder, check=CHECK)
    assert [defect.fault for defect in result.defects] == [Fault.UNREADABLE]


def test_a_heads_file_that_is_a_link_is_refused(folder, tmp_path):
    (folder / "heads").rename(tmp_path / "elsewhere")
    (folder / "heads").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError):
        Log.open(folder)


# Crashes ------------------------------------------------------------------------------------


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(kept=st.integers(1, 80), garbage=st.binary(max_size=30))
def test_an_unfinished_commit_is_set_aside_and_reported(tmp_path, kept, garbage):
    shutil.rmtree(tmp_path / "log", ignore_errors=True)
    log = Log.open(tmp_path / "log")
    log.append([b"acknowledged"])
    path = segment_of(tmp_path / "log")
    whole = path.stat().st_size
    log.append([b"never acknowledged"])
    os.truncate(path, min(whole + kept, path.stat().st_size - 1))
    with path.open("ab") as file:
        file.write(garbage[: 60 - min(kept, 60)])
    torn = path.read_bytes()[whole:]
    reopened = Log.open(tmp_path / "log")
    (recovery,) = reopened.recovered
    assert list(reopened.records()) == [b"acknowledged"]
    assert recovery.kept_at.read_bytes() == torn
    assert (recovery.size, recovery.n_bytes) == (1, len(torn))
    assert Log.open(tmp_path / "log").recovered == ()
    assert reopened.append([b"next"]).first_index == 1


def test_a_reader_reports_an_unfinished_commit_and_leaves_it(folder):
    path = segment_of(folder)
    with path.open("ab") as file:
        file.write(b"HKc1")
    size = path.stat().st_size
    log = Log.open(folder, read_only=True)
    assert list(log.records()) == RECORDS
    assert faults(log.verify(check=CHECK)) == [(Fault.UNREADABLE, 20)]
    assert path.stat().st_size == size


def test_a_reader_writes_nothing_and_may_not_append(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    log = Log.open(folder, read_only=True)
    assert log.verify(check=CHECK).is_clean
    (folder / "nodes").write_bytes(b"")
    log.prove_inclusion(3)
    with pytest.raises(UsageError):
        log.append([b"x"])
    os.utime(folder / "nodes", ns=(0, before[folder / "nodes"]))
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_reader_of_nothing_sees_an_empty_log(tmp_path):
    (tmp_path / "log").mkdir()
    assert Log.open(tmp_path / "log", read_only=True).size == 0
    with pytest.raises(UnavailableError):
        Log.open(tmp_path / "none", read_only=True)


def test_derived_hashes_are_made_anew_when_they_are_wrong(folder):
    log = Log.open(folder)
    proof = log.prove_inclusion(7)
    good = (folder / "nodes").read_bytes()
    (folder / "nodes").write_bytes(bytes(len(good)))
    assert log.prove_inclusion(7) == proof
    assert (folder / "nodes").read_bytes() == good


def test_derived_hashes_behind_a_link_are_replaced_not_followed(folder, tmp_path):
    (tmp_path / "victim").write_bytes(b"safe")
    (folder / "nodes").unlink()
    (folder / "nodes").symlink_to(tmp_path / "victim")
    log = Log.open(folder)
    log.append([b"more"])
    log.prove_inclusion(20)
    assert (tmp_path / "victim").read_bytes() == b"safe"
    assert stat.S_ISREG((folder / "nodes").lstat().st_mode)


def test_files_of_a_log_are_private(folder):
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}
    assert modes.pop("tmp") == 0o700
    assert set(modes.values()) == {0o600}


# A disk that fails --------------------------------------------------------------------------


class Faulty:
    """A hook that fails with ``error`` before the step of that name."""

    def __init__(self, step, error):
        self.step, self.error, self.armed = step, error, False

    def __call__(self, step):
        if self.armed and step == self.step:
            raise self.error


@pytest.mark.parametrize("step", ["log-write", "log-sync"])
@pytest.mark.parametrize("number", ["ENOSPC", "EIO", "EDQUOT"])
def test_an_append_that_fails_leaves_the_log_as_before(tmp_path, step, number):
    code = getattr(errno, number)
    hook = Faulty(step, OSError(code, os.strerror(code)))
    log = Log.open(tmp_path / "log", before=hook)
    log.append([b"a"])
    hook.armed = True
    with pytest.raises(UnavailableError):
        log.append([b"lost"])
    hook.armed = False
    assert (log.size, log.append([b"b"]).first_index) == (1, 1)
    assert list(Log.open(tmp_path / "log").records()) == [b"a", b"b"]
    assert log.recovered == ()


def test_an_interrupted_append_leaves_nobody_waiting(tmp_path):
    hook = Faulty("log-sync", KeyboardInterrupt())
    log = Log.open(tmp_path / "log", before=hook)
    hook.armed = True
    with pytest.raises(KeyboardInterrupt):
        log.append([b"a"])
    hook.armed = False
    log.append([b"b"])
    assert list(log.records())[-1] == b"b"


@pytest.fixture
def alarm():
    """Interrupts the main thread once, soon."""

    def interrupt(_signal, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_interrupted_waiter_stops_nobody_else(tmp_path, alarm):
    syncing, go_on = threading.Event(), threading.Event()

    def hook(step):
        if step == "log-sync":
            syncing.set()
            go_on.wait(10)

    log = Log.open(tmp_path / "log", before=hook)
    leader = threading.Thread(target=log.append, args=([b"a"],))
    leader.start()
    syncing.wait(10)
    alarm()
    with pytest.raises(KeyboardInterrupt):
        log.append([b"given up"])
    go_on.set()
    leader.join()
    log.append([b"b"])
    assert list(log.records()) == [b"a", b"b"]


def test_a_waiter_that_was_to_lead_and_gives_up_lets_the_next_one_lead(tmp_path):
    log = Log.open(tmp_path / "log")
    first, second = _Ticket((b"a",)), _Ticket((b"b",))
    assert not log._waits_in_queue(first)
    assert log._waits_in_queue(second)
    first.leads = True
    log._leave_queue(first)
    assert second.leads
    assert second.gate.acquire(blocking=False)
    log._lead(second)
    assert second.result().first_index == 0


def test_a_leader_interrupted_while_others_are_waited_for_lets_the_next_one_lead(
    tmp_path, monkeypatch
):
    log = Log.open(tmp_path / "log")
    first, second = _Ticket((b"a",)), _Ticket((b"b",))
    log._waits_in_queue(first)
    log._waits_in_queue(second)

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(log, "_gather", interrupted)
    with pytest.raises(KeyboardInterrupt):
        log._lead(first)
    monkeypatch.undo()
    assert second.leads
    log._lead(second)
    assert list(log.records()) == [b"b"]


# Naming changes -----------------------------------------------------------------------------


def leaves(text):
    return [leaf_hash(letter.encode()) for letter in text]


def named(before, after):
    return [(defect.fault.value, defect.first) for defect in compare(leaves(before), leaves(after))]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("abcdef", []),
        ("abcdefgh", []),
        ("abXdef", [("edited", 2)]),
        ("abdef", [("deleted", 2)]),
        ("adef", [("deleted", 1), ("deleted", 2)]),
        ("abcXdef", [("inserted", 3)]),
        ("abbcdef", [("duplicated", 1)]),
        ("abcabcdef", [("duplicated", 0), ("duplicated", 1), ("duplicated", 2)]),
        ("abcd", [("truncated", 4)]),
        ("", [("truncated", 0)]),
        ("XbcdeY", [("edited", 0), ("edited", 5)]),
        ("bacdef", [("reordered", 1)]),
        ("bcdefa", [("reordered", 1)]),
        ("fabcde", [("reordered", 5)]),
        ("fabcd", [("reordered", 5), ("truncated", 4)]),
    ],
)
def test_changes_are_named_by_their_hashes(after, expected):
    assert named("abcdef", after) == expected


@given(st.permutations("abcdef").map("".join).filter(lambda text: text != "abcdef"))
def test_every_other_order_is_some_defect(after):
    assert named("abcdef", after)


@given(before=st.text("abc", max_size=8), after=st.text("abcX", max_size=10))
def test_only_a_continuation_has_no_defect(before, after):
    assert (named(before, after) == []) == after.startswith(before)
