"""How much of an answer a client is given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hauberk.formats import v2
from hauberk.formats.v2 import Datatype, Request, Tensor
from hauberk.guard.shaping import Detail, Level, Occasion, shape

_ASKED = Request(
    inputs=(Tensor(name="x", datatype=Datatype.FP32, shape=(1,), values=[0.0]),),
)


def _occasion(**detail) -> Occasion:
    return Occasion(request=_ASKED, principal="p", detail=Detail(**detail))


def _scores(*rows):
    values = np.array(rows, "float32")
    return v2.tensor_of("scores", values)


def _shown(tensor, **detail):
    return shape((tensor,), _occasion(**detail))[0].array().tolist()


def test_full_detail_is_the_model_s_own_answer():
    outputs = (_scores([0.1234567, 0.8765433]),)
    assert shape(outputs, _occasion()) is outputs


def test_rounding_keeps_so_many_decimals():
    tensor = shape((_scores([0.1234, 0.8766]),), _occasion(detail=Level.ROUNDED, decimals=2))[0]
    assert tensor.values == [0.12, 0.88]


def test_a_tie_made_by_rounding_is_broken_for_the_class_on_top():
    shown = shape((_scores([0.4, 0.6]),), _occasion(detail=Level.ROUNDED, decimals=0))[0].values
    tied = shape((_scores([0.51, 0.52]),), _occasion(detail=Level.ROUNDED, decimals=1))[0].values
    assert (shown, tied) == ([0.0, 1.0], [0.5, 0.6])


def test_top_k_keeps_the_largest_and_empties_the_rest():
    tensor = _scores([0.1, 0.3, 0.6])
    shown = shape((tensor,), _occasion(detail=Level.TOP_K, top_k=2, decimals=2))[0].values
    assert shown == [0.0, 0.3, 0.6]


def test_a_label_says_nothing_but_the_class():
    assert _shown(_scores([0.1, 0.9], [0.7, 0.3]), detail=Level.LABEL) == [[0, 1], [1, 0]]


def test_single_numbers_are_rounded_at_any_detail_but_full():
    tensor = v2.tensor_of("price", np.array([1.23456, 2.0]))
    assert _shown(tensor, detail=Level.LABEL, decimals=1) == [1.2, 2.0]


@pytest.mark.parametrize("values", [np.array([1, 2]), np.array(["a", "b"]), np.array([True])])
def test_what_is_no_float_is_left_alone(values):
    tensor = v2.tensor_of("label", values)
    assert shape((tensor,), _occasion(detail=Level.LABEL))[0] is tensor


@given(
    rows=hnp.arrays(
        "float32",
        st.tuples(st.integers(1, 5), st.integers(2, 6)),
        elements=st.floats(-100, 100, width=32),
    ),
    level=st.sampled_from([Level.ROUNDED, Level.TOP_K, Level.LABEL]),
    decimals=st.integers(0, 4),
    top_k=st.integers(1, 8),
)
def test_shaping_never_changes_the_class_on_top(rows, level, decimals, top_k):
    detail = {"detail": level, "decimals": decimals, "top_k": top_k}
    shown = shape((v2.tensor_of("scores", rows),), _occasion(**detail))[0]
    table = np.array(shown.values).reshape(rows.shape)
    assert (table.argmax(axis=1) == rows.argmax(axis=1)).all()
    assert (shown.shape, shown.datatype) == (rows.shape, Datatype.FP32)
