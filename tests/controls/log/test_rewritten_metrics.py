"""What only `RewrittenMetrics` does: an index held against a replay of the log."""

from dataclasses import replace

import pytest

from hauberk.controls.log.rewritten_metrics import RewrittenMetrics
from hauberk.core.control import NotApplicable
from hauberk.errors import ArtifactError
from hauberk.methods.relogging import replaced, with_change
from hauberk.range.worlds.logs import honest_index

CONTROL = RewrittenMetrics()


@pytest.fixture
def pair():
    return honest_index(5, n_runs=3)


def index_with(pair, rows):
    return replace(pair, new=replaced(pair.new, rows))


def found(pair):
    return [(f.evidence.facts["defect"], f.message) for f in CONTROL.check(pair)]


def test_an_index_that_repeats_the_log_is_clean(pair):
    assert found(pair) == []


def test_events_of_other_kinds_are_passed_over(pair):
    noise = [b'{"kind":"note"}', b"no json", b"[]"]
    assert found(index_with(pair, [*noise, *pair.new.records()])) == []


def test_a_raised_metric_is_named_with_what_the_log_says(pair):
    rows = list(pair.new.records())
    rows[1] = with_change(rows[1], lambda row: {**row, "value": 0.99})
    ((defect, message),) = found(index_with(pair, rows))
    assert defect == "edited"
    assert "the log says kind 'metric', run 'run-0000'" in message


def test_a_deleted_run_is_named(pair):
    rows = [row for row in pair.new.records() if b"run-0001" not in row]
    assert {defect for defect, _ in found(index_with(pair, rows))} == {"deleted"}


def test_a_deleted_last_run_is_named(pair):
    rows = list(pair.new.records())[:-3]
    assert {defect for defect, _ in found(index_with(pair, rows))} == {"truncated"}


def test_another_order_is_named(pair):
    rows = list(pair.new.records())
    rows[0], rows[3] = rows[3], rows[0]
    assert {defect for defect, _ in found(index_with(pair, rows))} == {"reordered"}


def test_an_invented_run_at_the_end_is_named(pair):
    rows = [*pair.new.records(), b'{"kind":"run","run":"run-9999"}']
    ((defect, message),) = found(index_with(pair, rows))
    assert defect == "inserted"
    assert "run-9999" in message


def test_a_log_that_is_broken_itself_is_a_finding(pair):
    events = list(pair.old.records())
    broken = replace(pair, old=replaced(pair.old, events[:-1]), new=pair.new)
    assert any("log-5 itself" in message for _, message in found(broken))


def test_without_a_log_there_is_nothing_to_replay(pair):
    with pytest.raises(NotApplicable):
        list(CONTROL.check(replace(pair, old=None)))


def test_more_events_than_fit_are_refused(pair):
    with pytest.raises(ArtifactError):
        list(RewrittenMetrics(max_events=5).check(pair))
