"""Live traffic held against training."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hauberk.cli import main
from hauberk.core import codec
from hauberk.core.finding import Level
from hauberk.core.record import Section
from hauberk.errors import ArtifactError
from hauberk.formats.tables import table_of
from hauberk.formats.v2 import Datatype, tensor_of
from hauberk.formats.v2_schema import InputSchema, TensorSchema, request_for
from hauberk.guard.bundle import learn_schema
from hauberk.monitor import Live, compare, window
from hauberk.monitor.gauges import REFRESH_S, Gauges
from hauberk.sketches.profile import profile_of


def _table(seed: int, n_rows: int = 1000, shift: float = 0.0, red: float = 0.5):
    rng = np.random.default_rng(seed)
    age = rng.normal(40 + shift, 10, n_rows)
    colour = np.where(rng.random(n_rows) < red, "red", "blue")
    label = np.where(age > 40, "yes", "no")
    return table_of(
        "t", [pa.record_batch({"age": age, "colour": colour, "label": label})], label="label"
    )


_TRAINING = profile_of(_table(1, 5000))
_SCHEMA = learn_schema(
    _TRAINING,
    InputSchema(
        inputs=(
            TensorSchema(name="age", datatype=Datatype.FP64, shape=(None, 1)),
            TensorSchema(name="colour", datatype=Datatype.BYTES, shape=(None, 1)),
        )
    ),
)


def _rows(table):
    return [row for batch in table.read() for row in batch.to_pylist()]


def _served(live: Live, table, n_per_request: int = 10) -> Live:
    rows = _rows(table)
    for start in range(0, len(rows), n_per_request):
        part = rows[start : start + n_per_request]
        label = tensor_of("label", np.array([row["label"] for row in part], object))
        live.accepted(request_for(_SCHEMA, part), (label,), at=100.0 + start)
    return live


def _live(**options) -> Live:
    return _served(Live(_TRAINING, _SCHEMA), _table(2, **options))


def test_traffic_like_training_has_not_drifted():
    result = compare(_TRAINING, _live().window())
    assert (result.findings, result.enough) == ((), True)


def test_a_shifted_column_is_named():
    findings = compare(_TRAINING, _live(shift=5.0).window()).findings
    assert [(finding.location.field, finding.level) for finding in findings] == [
        ("age", Level.REVIEW)
    ]


def test_a_shifted_category_is_named():
    findings = compare(_TRAINING, _live(red=0.8).window()).findings
    assert [finding.location.field for finding in findings] == ["colour"]


def test_predictions_are_held_against_the_labels_of_training():
    near, far = (compare(_TRAINING, _live(shift=s).window()).prediction_shift for s in (0.0, 15.0))
    assert near < 0.1
    assert far > 0.3


def test_traffic_and_a_table_of_the_same_rows_give_the_same_profile():
    table = _table(3)
    live = _served(Live(_TRAINING, _SCHEMA), table).window()
    assert live.profile.to_bytes() == window(_TRAINING, _SCHEMA, table).profile.to_bytes()


def test_how_requests_were_cut_does_not_matter():
    cut = [_served(Live(_TRAINING, _SCHEMA), _table(3), n).window() for n in (1, 100)]
    assert cut[0].profile.to_bytes() == cut[1].profile.to_bytes()


def test_a_window_that_was_handed_out_does_not_change():
    live = _live()
    first = live.window()
    _served(live, _table(4))
    assert (first.rows, live.window().rows) == (1000, 2000)


def test_a_reset_starts_a_new_window():
    live = _live()
    live.window(reset=True)
    assert live.window().rows == 0


def test_refusals_are_counted_by_rule():
    live = Live(_TRAINING, _SCHEMA)
    live.refused("declared range", 5.0)
    live.refused("declared range", 9.0)
    found = live.window()
    assert (found.refused, found.first, found.last) == ({"declared range": 2}, 5.0, 9.0)


def test_few_rows_say_nothing():
    result = compare(_TRAINING, _served(Live(_TRAINING, _SCHEMA), _table(2, 20)).window())
    assert (result.enough, result.findings, result.prediction_shift) == (False, (), None)


def test_many_different_predictions_are_counted_together():
    live = Live(_TRAINING, _SCHEMA)
    row = [{"age": 40.0, "colour": "red"}]
    for number in range(1100):
        output = tensor_of("y", np.array([number]))
        live.accepted(request_for(_SCHEMA, row), (output,), at=1.0)
    assert len(live.window().predictions) == 1001


def test_the_section_survives_as_a_record():
    section = compare(_TRAINING, _live(shift=5.0, red=0.9).window()).section
    assert codec.from_json(Section, codec.to_json(section)) == section
    assert {plot.title for plot in section.plots} == {"predictions", "age", "colour"}


def test_live_rows_without_a_column_are_refused():
    table = table_of("t", [pa.record_batch({"age": [1.0]})])
    with pytest.raises(ArtifactError, match="colour"):
        window(_TRAINING, _SCHEMA, table)


def test_raw_tensors_are_gathered_as_well():
    schema = InputSchema(
        inputs=(TensorSchema(name="age", datatype=Datatype.FP64, shape=(None, 1)),)
    )
    live = Live(_TRAINING, schema)
    request = request_for(schema, [{"age": 40.0}])
    raw = tensor_of("age", request.inputs[0].array())
    live.accepted(type(request)(inputs=(raw,)), (), at=1.0)
    assert live.window().rows == 1


def test_gauges_are_worked_out_again_only_when_they_are_old():
    clock = [0.0]
    live = Live(_TRAINING, _SCHEMA)
    gauges = Gauges(training=_TRAINING, live=live, clock=lambda: clock[0])
    empty = gauges()
    _served(live, _table(2, shift=5.0))
    assert gauges() == empty
    clock[0] = REFRESH_S
    assert 'hauberk_drifted{column="age"} 1' in gauges()
    assert "hauberk_prediction_shift" in gauges()


def test_a_folder_that_is_not_there_is_a_wrong_call(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    words = ["monitor", "profile", str(tmp_path / "a.csv"), "--output"]
    assert main([*words, str(tmp_path / "nowhere" / "p.json")]) == 2
