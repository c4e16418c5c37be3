import pyarrow as pa
import pytest

from hauberk.errors import InternalError
from hauberk.formats.tables import table_of
from hauberk.range.pilots import accuracy, matrix, nearest, network
from hauberk.range.subjects import digits


def test_pilots_learn_digits():
    features, labels = matrix(digits(3))
    for model in (
        nearest(features[:900], labels[:900]),
        network(features[:900], labels[:900], seed=3),
    ):
        assert accuracy(model, features[900:], labels[900:]) > 0.9


def test_texts_are_left_out_and_gaps_are_filled():
    batch = pa.record_batch(
        {"x": [1.0, None], "n": [1, 2], "word": ["a", "b"], "label": ["p", "q"]}
    )
    features, labels = matrix(table_of("t", [batch], label="label"))
    assert features.tolist() == [[1.0, 1.0], [0.0, 2.0]]
    assert labels.tolist() == ["p", "q"]


def test_without_labels_nothing_can_be_learnt():
    with pytest.raises(InternalError, match="needs labels"):
        matrix(table_of("t", [pa.record_batch({"x": [1.0]})]))
