"""Credentials in cells, and texts about passwords that hold none."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from hauberk.controls.dataset.stored_secrets import StoredSecrets
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Level, Severity
from hauberk.formats.tables import table_of
from hauberk.range.worlds.exchanges import exchanges

KEY = "AKIA" + "QZ7LWX2N" * 2


def found(**columns):
    subject = table_of("t", [pa.RecordBatch.from_pydict(columns)])
    return list(StoredSecrets().check(subject))


def test_rows_and_column_of_keys_are_told_and_the_key_is_not():
    cells = [f"sentence number {i}" for i in range(9_000)]
    for row in (0, 17, 8_999):
        cells[row] += f" with {KEY} in it"
    (finding,) = found(text=cells, other=["x"] * 9_000)
    assert finding.location.rows == (0, 17, 8_999)
    assert finding.location.field == "text"
    assert (finding.severity, finding.level) == (Severity.CRITICAL, Level.DEFECT)
    assert KEY not in repr(finding)


def test_messages_are_read():
    said = [{"role": "user", "content": "how?"}, {"role": "assistant", "content": f"use {KEY}"}]
    (finding,) = found(messages=[json.dumps([]), json.dumps(said)])
    assert finding.location.rows == (1,)


def test_nested_cells_and_later_batches_are_read():
    said = pa.array([[{"role": "user", "content": f"use {KEY}"}]])
    batches = [
        pa.RecordBatch.from_pydict({"messages": pa.array([[{"role": "user", "content": "a"}]])}),
        pa.RecordBatch.from_pydict({"messages": said}),
    ]
    (finding,) = StoredSecrets().check(table_of("t", batches))
    assert finding.location.rows == (1,)


@pytest.mark.parametrize(
    "text", ['password = "hunter2-for-demo"', "my secret is that I like tea", "AKIA is a prefix"]
)
def test_words_about_secrets_are_none(text):
    assert found(text=[text] * 3) == []


def test_ordinary_exchanges_are_clean():
    assert list(StoredSecrets().check(exchanges(3, 300))) == []


def test_empty_and_missing_cells_are_passed_over():
    assert found(text=[None, "", None]) == []


def test_numbers_alone_are_not_applicable():
    with pytest.raises(NotApplicable):
        found(x=[1.0, 2.0])
