"""Streams of rows of a table."""

from __future__ import annotations

import numpy as np
import pytest
from tests.methods.test_table_reference import TABLE, applications

from hauberk.methods.table_streams import (
    MAX_NUMBERS,
    MEMORY,
    LineTrack,
    PairTally,
    TableTrack,
)


def walked(rows):
    """Suspicion after each row; the track is kept between rows, as the guard does."""
    kept, scores = None, []
    for row in rows:
        count = int(TABLE.strange(row[None]).sum())
        track = TableTrack(kept, TABLE.n_columns, TABLE.reach)
        if count:
            track.take(row / TABLE.spreads, count)
        kept = track.to_bytes()
        scores.append(track.score)
    return scores


def near(n, seed, fields=(0, 1, 2, 3), size=0.02):
    rng = np.random.default_rng(seed)
    rows = np.repeat(applications(1, seed), n, axis=0)
    for place in fields:
        rows[:, place] += rng.normal(0, size, n) * TABLE.spreads[place]
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_nobody_fills_in_around_one_row_are_steps(seed):
    assert walked(near(20, seed))[-1] > 10


@pytest.mark.parametrize("fields", [(0,), (1, 2)])
def test_one_or_two_fields_are_tried_freely(fields):
    assert max(walked(near(100, 1, fields, size=0.5))) == 0


def test_fields_that_are_moved_one_by_one_and_stay_are_steps():
    row, rows = applications(1, 3)[0], []
    for step in range(40):
        row = row.copy()
        row[step % 3] += 0.02 * TABLE.spreads[step % 3]
        rows.append(row)
    assert walked(rows)[-1] > 10


def test_fields_that_go_back_are_not():
    base, rows = applications(1, 3)[0], []
    for step in range(100):
        row = base.copy()
        row[step % 4] += 0.3 * TABLE.spreads[step % 4]
        rows.append(row)
    assert max(walked(rows)) == 0


def test_a_state_that_changes_in_values_of_its_columns_is_no_search():
    rng, row, rows = np.random.default_rng(4), applications(1, 4)[0], []
    for _ in range(200):
        row = row + np.array([rng.choice([-1, 0, 1]), 0.01, 0.1, 0, 0, 0])
        rows.append(row.round(2))
    assert max(walked([np.append(r[:3], [r[3], r[4], r[5]]) for r in rows])) <= 1


def test_ordinary_rows_and_repeats_tell_nothing():
    assert max(walked(np.repeat(applications(100, 5), 3, axis=0))) == 0


def test_strange_rows_far_from_each_other_are_no_search():
    assert max(walked(applications(100, 6) + 0.00123)) < 2


def test_what_is_kept_is_bounded():
    track = TableTrack(None, 200, 1.0)
    for row in np.random.default_rng(1).normal(size=(100, 200)):
        track.take(row, 1)
    assert len(track.to_bytes()) <= 4 * MAX_NUMBERS + 100
    assert MEMORY * TABLE.n_columns < MAX_NUMBERS


@pytest.mark.parametrize("kept", [b"", b"x", b"x" * 10, b"\xff" * 500])
def test_memory_of_another_kind_begins_anew(kept):
    assert TableTrack(kept, 6, 1.0).score == 0
    assert PairTally(kept, TABLE).total == 0


def shuffled(n, seed):
    rows = applications(n, seed)
    return np.stack([np.random.default_rng(j).permutation(c) for j, c in enumerate(rows.T)], 1)


def drawn(rows):
    kept, sums = None, []
    for row in rows:
        tally = PairTally(kept, TABLE)
        tally.take(row[None])
        sums.append(tally.total)
        kept = tally.to_bytes()
    return sums


def test_rows_that_are_drawn_column_by_column_add_up():
    assert max(drawn(shuffled(100, 7))) > 16


def test_rows_of_one_piece_do_not():
    assert max(drawn(applications(1_000, 8))) < 16


def test_one_unusual_row_is_no_stream():
    row = shuffled(50, 9)
    worst = row[TABLE.weighed(TABLE.cells(TABLE.bins(row))).sum(axis=1).argmax()]
    assert max(drawn(np.repeat(worst[None], 100, axis=0))) < 16


def test_rows_at_once_are_the_same_as_one_by_one():
    rows = shuffled(60, 10)
    tally = PairTally(None, TABLE)
    tally.take(rows)
    assert tally.total == pytest.approx(drawn(rows)[-1])


def lined(rows):
    kept, scores = None, []
    for row in rows:
        track = LineTrack(kept, TABLE)
        track.take(row)
        kept = track.to_bytes()
        scores.append(track.score)
    return scores


def ends(seed):
    """Two rows far from each other in whole columns."""
    first = applications(1, seed)[0]
    second = first.copy()
    second[:3] += np.array([20, 12.0, 30.0])
    return first, second


@pytest.mark.parametrize("seed", range(5))
def test_ways_that_are_halved_are_told_however_they_are_rounded(seed):
    (first, second), rng = ends(seed), np.random.default_rng(seed)
    low, high, rows = 0.0, 1.0, [second]
    for _ in range(6):
        middle = (low + high) / 2
        row = first + middle * (second - first)
        rows.append(np.concatenate((row[:3].round(2), row[3:])))
        low, high = (middle, high) if rng.random() < 0.5 else (low, middle)
    assert max(lined(rows)) >= 4


def test_equal_steps_are_no_halving():
    first, second = ends(1)
    rows = [first + step * (second - first) / 10 for step in range(10)]
    assert max(lined(rows)) == 0


def test_one_slider_is_no_line():
    base, rows = applications(1, 2)[0], []
    for value in (0, 64, 32, 16, 48, 24, 28, 26):
        row = base.copy()
        row[0] = value
        rows.append(row)
    assert max(lined(rows)) == 0


def test_ordinary_rows_lie_on_no_lines():
    assert max(lined(applications(300, 3))) < 4


@pytest.mark.parametrize("kept", [b"", b"x", b"x" * 10, b"\xff" * 500])
def test_lines_of_another_kind_begin_anew(kept):
    assert LineTrack(kept, TABLE).score == 0
