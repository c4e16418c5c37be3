"""Readers who copy or probe, told by the log of reads."""

from random import Random

import pytest

from hauberk.attacks.log.copy_data_set import CopyDataSet
from hauberk.controls.log.bulk_reads import DAY_S, BulkReads
from hauberk.core.artifact import LogSegment
from hauberk.core.control import NotApplicable
from hauberk.range.worlds.logs import read_log
from hauberk.trust.reading import Read, read_of


def log_of(*found):
    return LogSegment(name="reads", records=lambda: iter([r.to_record() for r in found]), heads=())


def read(part, *, day=0, reader="ada", **more):
    return Read(at=day * DAY_S + 1, reader=reader, name="claims", part=part, of=100, **more)


def test_whoever_copies_a_set_is_named_once_at_the_read_that_was_too_much():
    (found,) = BulkReads().check(log_of(*(read(f"p{n}") for n in range(50))))
    assert "ada took 4 of 100 parts in a day" in found.message
    assert found.location.rows == (3,)


def test_reading_one_part_again_and_again_is_no_copy():
    assert not list(BulkReads().check(log_of(*(read("p1") for _ in range(500)))))


def test_a_job_that_must_read_everything_is_named_and_let_pass():
    log = log_of(*(read(f"p{n}", reader="train") for n in range(100)))
    assert list(BulkReads().check(log))
    assert not list(BulkReads(jobs=("train",)).check(log))


def test_a_copy_spread_over_weeks_is_found_by_what_was_read_in_all():
    log = log_of(*(read(f"p{n}", day=n // 3) for n in range(100)))
    (found,) = BulkReads().check(log)
    assert "61 of 100 parts in all" in found.message


def test_refused_calls_are_probing():
    log = log_of(*(read(f"p{n}", allowed=False) for n in range(30)))
    (found,) = BulkReads().check(log)
    assert "21 refused calls in a day" in found.message


def test_a_habit_excuses_more_up_to_the_cap():
    habit = [
        Read(at=day * DAY_S, reader="ada", name="s", part=f"p{day}-{n}", of=10_000)
        for day in range(9)
        for n in range(44)
    ]
    day = [Read(at=9 * DAY_S, reader="ada", name="s", part=f"q{n}", of=10_000) for n in range(420)]
    assert not list(BulkReads().check(log_of(*habit, *day)))
    more = [Read(at=9 * DAY_S, reader="ada", name="s", part=f"r{n}", of=10_000) for n in range(100)]
    assert list(BulkReads().check(log_of(*habit, *day, *more)))


def test_a_log_without_reads_is_not_judged():
    with pytest.raises(NotApplicable):
        list(BulkReads().check(LogSegment(name="x", records=lambda: iter([b"{}"]), heads=())))


def test_an_attack_leaves_all_it_read_in_the_log():
    attacked = CopyDataSet().apply(read_log(3), Random(1))
    assert len(attacked.rows) == 2000


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        b'{"kind":"read"}',
        b'{"kind":"read","at":"x"}',
        b'"read"',
        b'{"kind":"read","at":1,"reader":7}',
    ],
)
def test_what_is_no_read_is_passed_over(record):
    assert read_of(record) is None


def test_what_a_reader_chose_cannot_break_the_line():
    found = Read(at=1.0, reader="a\n\x1b[2J", name="x" * 1000).to_record()
    assert b"\n" not in found
    assert b"\x1b" not in found
    assert len(found) < 1000
