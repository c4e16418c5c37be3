"""Rows that a model of one's own has said."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pyarrow as pa
import pytest

from hauberk.attacks.dataset.launder_outputs import LaunderOutputs
from hauberk.cli import main
from hauberk.controls.dataset.generated_rows import GeneratedRows
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, RowScores
from hauberk.errors import ArtifactError
from hauberk.formats.tables import table_of
from hauberk.guard.audit import Decision, record_of
from hauberk.methods.output_marks import mark_of
from hauberk.range.worlds.outputs import said, written
from hauberk.trust.log import Log


def results(subject):
    found = list(GeneratedRows().check(subject))
    return (
        [item for item in found if isinstance(item, RowScores)],
        [item for item in found if isinstance(item, Finding)],
    )


def test_outputs_among_texts_are_named_by_row():
    attacked = LaunderOutputs(outputs=said(1), edits=0.1).apply(written(1), Random(1))
    _, (finding,) = results(attacked.subject)
    assert set(finding.location.rows) == set(attacked.rows)


def test_texts_of_people_are_not_named():
    assert results(written(2))[1] == []


def test_without_a_log_there_is_nothing_to_hold_texts_against():
    with pytest.raises(NotApplicable):
        results(replace(written(2), generated=()))


def test_numbers_alone_are_not_judged():
    table = table_of("t", [pa.record_batch({"x": [1.0, 2.0]})])
    with pytest.raises(NotApplicable):
        results(replace(table, generated=(mark_of(said(1)[0]),)))


def test_marks_that_are_none_fail_the_control():
    with pytest.raises(ArtifactError):
        results(replace(written(1), generated=(b"x",)))


def decision(*texts):
    return record_of(
        Decision(
            at=1.0,
            model="sha256:0",
            principal="p",
            request="",
            response="",
            action="allow",
            rule="",
            status=200,
            rows=1,
            latency_us=1,
            marks=tuple(mark_of(text) for text in texts),
        )
    )


def test_a_scan_finds_what_the_guard_has_logged(tmp_path, capsys):
    Log.open(tmp_path / "log").append([decision(said(1)[0], said(1)[1]), decision()])
    lines = [*("an honest line of a person who writes about the sea and its weather" for _ in "ab")]
    rows = [{"text": text} for text in (*lines, said(1)[1])]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["scan", str(tmp_path / "rows.jsonl"), "--outputs", str(tmp_path / "log")]
    assert main([*words, "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [item["control"] for item in found] == ["dataset/generated-rows"]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in lines))
    assert main(words) == 0


def test_a_scan_without_the_log_it_names_is_refused(tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n{"text": "b"}')
    words = ["scan", str(tmp_path / "rows.jsonl"), "--outputs", str(tmp_path / "none")]
    assert main(words) != 0
    assert "log of outputs" in capsys.readouterr().err
