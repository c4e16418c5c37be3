"""Numbers that come in another type than the declared one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.formats.v2 import BOUNDS, Datatype, Request, Tensor
from hauberk.formats.v2_schema import InputSchema, TensorSchema, widened


def _cast(given_type, wanted, values):
    schema = InputSchema(inputs=(TensorSchema(name="x", datatype=wanted, shape=(None,)),))
    tensor = Tensor(name="x", datatype=given_type, shape=(len(values),), values=values)
    return widened(Request(inputs=(tensor,)), schema).inputs[0]


@pytest.mark.parametrize(
    ("given_type", "wanted", "values"),
    [
        (Datatype.FP32, Datatype.FP64, [0.5, -2.0]),
        (Datatype.FP16, Datatype.FP32, [0.5]),
        (Datatype.INT32, Datatype.INT64, [-5, 7]),
        (Datatype.UINT8, Datatype.INT16, [255]),
        (Datatype.INT64, Datatype.FP64, [1 << 53, -(1 << 53)]),
        (Datatype.INT64, Datatype.FP64, list(range(100))),
    ],
)
def test_numbers_that_keep_their_value_are_taken(given_type, wanted, values):
    found = _cast(given_type, wanted, values)

    assert (found.datatype, list(found.values)) == (wanted, values)


@pytest.mark.parametrize(
    ("given_type", "wanted", "values"),
    [
        (Datatype.FP64, Datatype.FP32, [0.5]),
        (Datatype.FP32, Datatype.INT64, [1.0]),
        (Datatype.INT64, Datatype.INT32, [1]),
        (Datatype.INT64, Datatype.UINT64, [1]),
        (Datatype.UINT64, Datatype.INT64, [1]),
        (Datatype.INT64, Datatype.FP64, [(1 << 53) + 1]),
        (Datatype.INT64, Datatype.FP64, [-(1 << 63)]),
        (Datatype.INT32, Datatype.FP32, [(1 << 24) + 1]),
        (Datatype.BOOL, Datatype.FP64, [True]),
        (Datatype.BYTES, Datatype.FP64, ["1"]),
        (Datatype.INT8, Datatype.BYTES, [1]),
    ],
)
def test_what_would_change_stays_as_it_is(given_type, wanted, values):
    assert _cast(given_type, wanted, values).datatype is given_type


_NUMBERS = [kind for kind in Datatype if kind.is_number]


@given(st.sampled_from(_NUMBERS), st.sampled_from(_NUMBERS), st.data())
def test_no_number_ever_changes(given_type, wanted, data):
    low, high = BOUNDS[given_type]
    if given_type.is_float:
        width = int(given_type.value[2:])
        numbers = st.floats(low, high, width=width)
    else:
        numbers = st.integers(int(low), int(high))
    values = data.draw(st.lists(numbers, min_size=1, max_size=4))

    found = _cast(given_type, wanted, values)

    assert [x.item() if isinstance(x, np.generic) else x for x in found.values] == values
