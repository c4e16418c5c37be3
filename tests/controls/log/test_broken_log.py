"""What only `BrokenLog` does: heads, witness, clock and silence."""

from dataclasses import replace

import pytest

from hauberk.controls.log.broken_log import BrokenLog
from hauberk.core.artifact import LogSegment
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Severity
from hauberk.methods.relogging import heads_over, replaced, rewritten
from hauberk.range.worlds.logs import honest_log
from hauberk.trust.canonical import canonical_json
from hauberk.trust.heartbeats import heartbeat
from hauberk.trust.keys import generate

CONTROL = BrokenLog()


def log_of(records, *, until=None):
    heads = heads_over(records, [len(records)], "log")
    return LogSegment(name="log", records=lambda: iter(records), heads=heads, until=until)


def at(seconds):
    return canonical_json({"at": seconds})


def messages(segment, control=CONTROL):
    return [finding.message for finding in control.check(segment)]


def defects(segment):
    return [finding.evidence.facts.get("defect") for finding in CONTROL.check(segment)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("signed", [True, False])
def test_an_honest_log_is_clean(seed, signed):
    assert messages(honest_log(seed, signed=signed)) == []


def test_a_log_without_any_head_cannot_be_judged():
    with pytest.raises(NotApplicable):
        list(CONTROL.check(replace(honest_log(1), heads=(), witnessed=())))


def test_a_changed_record_is_critical_and_the_window_is_named():
    log = honest_log(1, signed=True)
    records = list(log.records())
    records[3] += b" "
    findings = list(CONTROL.check(replaced(log, records)))
    assert {finding.severity for finding in findings} == {Severity.CRITICAL}
    assert findings[0].location.rows == (0,)
    assert "are not those that" in findings[0].message


def test_heads_of_another_key_are_reported():
    log = replace(honest_log(1, signed=True), keys=(generate().public.spki,))
    assert set(defects(log)) == {"untrusted head"}


def test_placeholders_do_not_pass_for_signatures():
    log = replace(honest_log(1), keys=(generate().public.spki,))
    assert set(defects(log)) == {"untrusted head"}


def test_a_log_written_and_signed_anew_is_found_by_its_witness_only():
    log = honest_log(1)
    records = list(log.records())
    records[5] = b"{}"
    forked = rewritten(log, records)
    assert "forked" in defects(forked)
    assert messages(replace(forked, witnessed=(), until=None)) == []


def test_a_witness_that_saw_more_finds_a_log_cut_short():
    log = honest_log(1)
    cut = rewritten(log, list(log.records())[:-60])
    assert "truncated" in defects(cut)


def test_a_clock_that_runs_back_is_found_once_with_how_far():
    log = log_of([at(1000), at(1001), at(400), at(401)])
    assert messages(log) == ["log: its clock runs back by 601 s before record 2"]


def test_threads_that_write_a_little_out_of_order_are_no_finding():
    assert messages(log_of([at(1000), at(996), at(1001)])) == []
    assert messages(log_of([at(1000), at(996)]), BrokenLog(max_backwards_s=1.0)) != []


def test_silence_after_a_promise_is_found():
    log = log_of([heartbeat(0, every_s=60), at(30), at(200)])
    assert messages(log) == ["log: it is silent for 170 s before record 2"]


def test_silence_without_a_promise_means_nothing():
    assert messages(log_of([at(0), at(100_000)])) == []


def test_a_promise_can_be_ended():
    log = log_of([heartbeat(0, every_s=60), heartbeat(60, every_s=0), at(9000)], until=99_000)
    assert messages(log) == []


def test_a_beat_that_comes_a_little_late_is_no_finding():
    records = [heartbeat(0, every_s=60), heartbeat(85, every_s=60)]
    assert messages(log_of(records)) == []
    assert messages(log_of(records), BrokenLog(lateness=0.1)) != []


def test_a_log_that_ends_too_early_is_silent():
    log = log_of([heartbeat(0, every_s=60), at(30)], until=130)
    assert messages(log) == ["log: it is silent for 100 s before record 2"]


@pytest.mark.parametrize(
    "record", [b'{"at": "1"}', b'{"at": true}', b'["at"]', b'{"at": 1', b'"at"', b'{"at": null}']
)
def test_records_without_a_time_have_none(record):
    assert messages(log_of([at(1000), record, at(1001)])) == []
