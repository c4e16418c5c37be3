"""What `changes_between` says of two tables."""

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hauberk.formats.tables import table_of
from hauberk.trust.versions.changes import changes_between

ROWS = [(n, f"n{n % 5}", n * 0.5, n % 2) for n in range(50)]
NAMES = ("id", "name", "amount", "label")


def dataset(rows, names=NAMES):
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    return table_of("t", pa.table(columns).to_batches(max_chunksize=13))


def with_cell(rows, at, column, value):
    row = list(rows[at])
    row[NAMES.index(column)] = value
    return [*rows[:at], tuple(row), *rows[at + 1 :]]


def test_equal_tables_have_no_changes():
    assert not changes_between(dataset(ROWS), dataset(ROWS))


def test_an_edited_cell_is_named_with_row_and_column():
    found = changes_between(dataset(ROWS), dataset(with_cell(ROWS, 17, "amount", 99.25)))
    (edit,) = found.edits
    assert (edit.at, edit.column, edit.new) == (17, "amount", "99.25")
    assert (found.n_added, found.n_removed, found.kept) == (0, 0, 49)


def test_a_relabelled_row_is_counted_as_such():
    found = changes_between(dataset(ROWS), dataset(with_cell(ROWS, 4, "label", 1)), label="label")
    assert (found.relabelled, dict(found.columns)) == (1, {"label": 1})


def test_rows_that_came_and_went_are_named_by_number():
    new = [*ROWS[:10], *ROWS[11:], (99, "new", 1.0, 0)]
    found = changes_between(dataset(ROWS), dataset(new))
    assert [moved.at for moved in found.removed] == [10]
    assert [moved.at for moved in found.added] == [49]


def test_one_of_two_equal_rows_going_is_one_removal():
    found = changes_between(dataset([*ROWS, ROWS[3]]), dataset(ROWS))
    assert (found.n_removed, found.n_added, found.kept) == (1, 0, 50)


def test_a_new_column_is_named_and_no_row_changes():
    wide = [(*row, 7) for row in ROWS]
    found = changes_between(dataset(ROWS), dataset(wide, (*NAMES, "extra")))
    assert found.columns_added == ("extra",)
    assert (found.n_added, found.n_removed, found.kept) == (0, 0, 50)


def test_another_order_is_a_change():
    assert changes_between(dataset(ROWS), dataset(ROWS[::-1])).reordered


def test_delta_records_name_old_values_by_digest_only():
    found = changes_between(dataset(ROWS), dataset(with_cell(ROWS, 3, "name", "other")))
    (record,) = map(json.loads, found.records())
    assert record["op"] == "edit"
    assert record["new"] == "other"
    assert len(record["old"]) == 32
    assert record["row"].endswith(".0")


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=12),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=12),
)
def test_counts_add_up(old, new):
    names = ("x", "label")
    one = pa.table({n: pa.array([r[i] for r in old], t) for i, (n, t) in _typed(names)})
    two = pa.table({n: pa.array([r[i] for r in new], t) for i, (n, t) in _typed(names)})
    found = changes_between(
        table_of("a", _batches(one)), table_of("b", _batches(two)), label="label"
    )
    assert found.kept + found.n_edited + found.n_removed == len(old)
    assert found.kept + found.n_edited + found.n_added == len(new)
    assert bool(found) == (old != new)


def _typed(names):
    return enumerate(zip(names, (pa.int64(), pa.string()), strict=True))


def _batches(table):
    return table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
