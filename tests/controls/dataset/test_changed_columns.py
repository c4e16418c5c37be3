from typing import Any

import pyarrow as pa

from hauberk.controls.dataset.changed_columns import ChangedColumns
from hauberk.core.artifact import Window
from hauberk.formats.tables import table_of
from hauberk.sketches.profile import profile_of


def _window(before: dict[str, Any], now: dict[str, Any], label: str | None = None) -> Window:
    training = table_of("train", [pa.record_batch(before)], label=label)
    return Window(
        profile=profile_of(training).to_bytes(), live=table_of("live", [pa.record_batch(now)])
    )


def _said(window: Window) -> list[tuple[str | None, str]]:
    return [(item.location.field, item.severity.value) for item in ChangedColumns().check(window)]


def test_the_same_columns_in_another_order_are_silent():
    assert _said(_window({"x": [1], "y": ["a"]}, {"y": ["b"], "x": [2]})) == []


def test_a_column_that_is_gone_is_named():
    assert _said(_window({"x": [1], "y": ["a"]}, {"x": [2]})) == [("y", "high")]


def test_a_number_that_became_text_is_named():
    assert _said(_window({"x": [1.5]}, {"x": ["1,5"]})) == [("x", "high")]


def test_a_new_column_is_a_mild_finding():
    assert _said(_window({"x": [1]}, {"x": [2], "z": [3]})) == [("z", "low")]


def test_a_label_that_has_not_come_yet_is_not_missed():
    assert _said(_window({"x": [1], "y": ["a"]}, {"x": [2]}, label="y")) == []


def test_many_changed_columns_are_counted_beyond_those_named():
    before = {f"c{i}": [i] for i in range(30)}
    said = _said(_window(before, {"x": [1]}))
    assert len(said) == 20 + 1 + 1
    assert said[-1][0] is None
