"""Answers of workers are believed only as far as an honest worker could have given them."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from hauberk.controls.dataset.foreign_summaries import ForeignSummaries
from hauberk.core.artifact import Summaries
from hauberk.core.finding import Level
from hauberk.formats.tables import table_of
from hauberk.sketches.parts import merged, part_of
from hauberk.sketches.profile import profile_of


@pytest.fixture
def told() -> Summaries:
    """Honest answers on three parts."""
    rows = {"x": [1.0, 2.0, None, 4.0], "y": list("abab")}
    batches = [pa.RecordBatch.from_pydict(rows) for _ in range(5)]
    table = table_of("t", batches, label="y")
    parts = tuple(part_of(table, place, 3) for place in range(3))
    return Summaries(name="t", table=table, parts=parts, again=parts.__getitem__)


def lied(told: Summaries, **changes: object) -> Summaries:
    value = json.loads(told.parts[1]) | changes
    part = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return replace(told, parts=(told.parts[0], part, told.parts[2]))


def test_honest_answers_pass_and_merge_into_the_profile_of_the_whole(told):
    assert list(ForeignSummaries().check(told)) == []
    assert merged(told.parts, told.table).to_bytes() == profile_of(told.table).to_bytes()


@pytest.mark.parametrize("answer", [b"", b"[]", b"\x80\x04.", b"{" * 9_000, b'{"schema":1}'])
def test_what_is_no_summary_is_a_defect_that_names_the_worker(told, answer):
    findings = list(ForeignSummaries().check(replace(told, parts=(answer, *told.parts[1:]))))
    assert [(f.level, f.location.inner) for f in findings] == [(Level.DEFECT, ("part 0",))]


@pytest.mark.parametrize("rows", [-1, 10**30, 1e999, "3", None])
def test_a_count_of_rows_that_cannot_be_is_refused(told, rows):
    assert list(ForeignSummaries().check(lied(told, rows=rows)))


def test_other_columns_than_were_asked_for_are_refused(told):
    columns = json.loads(told.parts[1])["columns"]
    assert list(ForeignSummaries().check(lied(told, columns=columns[:1])))


def test_the_same_numbers_written_otherwise_are_refused(told):
    loose = json.dumps(json.loads(told.parts[1])).encode()
    assert list(ForeignSummaries().check(replace(told, parts=(loose, *told.parts[1:]))))


def test_a_plausible_lie_is_found_where_its_part_is_worked_out_again(told):
    honest = told.parts
    swapped = replace(told, parts=(honest[1], honest[1], honest[1]), again=honest.__getitem__)
    found = list(ForeignSummaries(redone=3).check(swapped))
    assert {f.location.inner for f in found} <= {("part 0",), ("part 2",)}
    assert found
