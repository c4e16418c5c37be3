"""What each attack on a log leaves behind, and what it leaves alone."""

import itertools
from random import Random

import pytest

from hauberk.attacks.log.delete_record import DeleteRecord
from hauberk.attacks.log.edit_record import EditRecord
from hauberk.attacks.log.fork_log import ForkLog
from hauberk.attacks.log.reorder_records import ReorderRecords
from hauberk.attacks.log.restore_backup import RestoreBackup
from hauberk.attacks.log.rewrite_metric import RewriteMetric
from hauberk.attacks.log.set_clock_back import SetClockBack
from hauberk.attacks.log.stop_writer import StopWriter
from hauberk.attacks.log.truncate_tail import TruncateTail
from hauberk.core.artifact import LogSegment
from hauberk.errors import UsageError
from hauberk.methods.relogging import covered, heads_over
from hauberk.range.worlds.logs import honest_index, honest_log
from hauberk.trust.audit import audit
from hauberk.trust.heartbeats import moment_of
from hauberk.trust.merkle import leaf_hash

SEEDS = range(8)


def attacked(attack, seed):
    log = honest_log(seed, minutes=12)
    result = attack.apply(log, Random(seed))
    return list(log.records()), list(result.subject.records()), result


def is_sound(segment):
    leaves = [leaf_hash(record) for record in segment.records()]
    return audit(lambda: leaves, heads=segment.heads).is_clean


@pytest.mark.parametrize("seed", SEEDS)
def test_a_deleted_record_is_one_that_was_covered(seed):
    before, after, result = attacked(DeleteRecord(), seed)
    (gone,) = result.rows
    assert after == before[:gone] + before[gone + 1 :]
    assert gone < covered(result.subject)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_edited_record_keeps_its_length(seed):
    before, after, result = attacked(EditRecord(), seed)
    (changed,) = result.rows
    assert after[changed] != before[changed]
    assert [*map(len, after)] == [*map(len, before)]


def test_records_without_digits_and_empty_ones_are_edited_too():
    for record in (b"", b"b", b"xyz"):
        log = LogSegment(
            name="log",
            records=lambda record=record: iter([record]),
            heads=heads_over([b""], [1], "l"),
        )
        assert list(EditRecord().apply(log, Random(1)).subject.records()) != [record]


@pytest.mark.parametrize("seed", SEEDS)
def test_reordered_records_are_the_same_records(seed):
    before, after, _ = attacked(ReorderRecords(), seed)
    assert after != before
    assert sorted(after) == sorted(before)


def test_a_log_of_equal_records_has_no_other_order():
    records = [b"same"] * 4
    log = LogSegment(name="log", records=lambda: iter(records), heads=heads_over(records, [4], "l"))
    with pytest.raises(UsageError):
        ReorderRecords().apply(log, Random(1))


@pytest.mark.parametrize("attack", [TruncateTail(), RestoreBackup()], ids=lambda a: a.id)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_shortened_log_is_sound_in_itself_and_lacks_what_the_witness_saw(attack, seed):
    before, after, result = attacked(attack, seed)
    assert after == before[: len(after)]
    assert len(after) < covered(honest_log(seed, minutes=12))
    assert is_sound(result.subject)
    assert result.subject.witnessed == honest_log(seed, minutes=12).witnessed


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fork_is_sound_in_itself_and_differs_in_one_record(seed):
    before, after, result = attacked(ForkLog(), seed)
    assert [at for at in range(len(before)) if before[at] != after[at]] == list(result.rows)
    assert is_sound(result.subject)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stopped_writer_leaves_no_record_of_a_time_and_a_log_that_fits(seed):
    before, after, result = attacked(StopWriter(), seed)
    assert after == [record for at, record in enumerate(before) if at not in result.rows]
    times = sorted(moment_of(record).at for record in after)
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) > 250
    assert is_sound(result.subject)
    assert result.subject.witnessed == result.subject.heads


@pytest.mark.parametrize("seed", SEEDS)
def test_a_clock_set_back_changes_times_only(seed):
    before, after, result = attacked(SetClockBack(seconds=1000), seed)
    first = result.rows[0]
    assert before[:first] == after[:first]
    moved = [moment_of(a).at - moment_of(b).at for a, b in zip(after, before, strict=True)]
    assert [round(change) for change in moved[first:]] == [-1000] * (len(before) - first)
    assert is_sound(result.subject)


@pytest.mark.parametrize("way", ["edit", "delete", "reorder"])
@pytest.mark.parametrize("seed", SEEDS)
def test_an_index_is_rewritten_and_the_log_is_not(way, seed):
    pair = honest_index(seed)
    result = RewriteMetric(way=way).apply(pair, Random(seed))
    assert list(result.subject.new.records()) != list(pair.new.records())
    assert list(result.subject.old.records()) == list(pair.old.records())


def test_an_unknown_way_and_an_empty_index_are_refused():
    pair = honest_index(1)
    with pytest.raises(UsageError):
        RewriteMetric(way="guess").apply(pair, Random(1))
    with pytest.raises(UsageError):
        RewriteMetric(way="edit").apply(honest_index(1, n_runs=0), Random(1))
