"""Notebooks as cells."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.formats.notebooks import read_notebook

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["cells", "source", "outputs", "text", "data", "x"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_read_or_refused(value):
    try:
        read_notebook(json.dumps({"cells": value}))
    except ArtifactError:
        return


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cells": 1}', "[" * 100_000])
def test_what_is_no_notebook_is_refused(text):
    with pytest.raises(ArtifactError):
        read_notebook(text)


def test_pictures_are_left_out_and_colours_removed():
    outputs = [{"data": {"image/png": "AAAA", "text/plain": ["\x1b[1mbold\x1b[0m"]}}]
    [cell] = read_notebook(json.dumps({"cells": [{"cell_type": "code", "outputs": outputs}]}))
    assert cell.outputs == ("bold",)
