"""Transform contracts are data, and anything else is refused by name."""

from __future__ import annotations

import pytest

from hauberk.errors import ArtifactError, UsageError
from hauberk.formats.transforms import open_transforms, transforms_of


def test_parameters_are_read_as_numbers():
    document = {"transforms": [{"column": "x", "do": "clip", "low": 0, "high": 1.5}]}
    (change,) = transforms_of(document, "t")
    assert (change.column, change.deed, dict(change.numbers)) == (
        "x",
        "clip",
        {"low": 0.0, "high": 1.5},
    )


@pytest.mark.parametrize(
    "item",
    [
        "standardise",
        {"do": "clip"},
        {"column": "x", "do": "eval"},
        {"column": "x", "do": ["clip"]},
        {"column": "x", "do": "clip", "low": 0},
        {"column": "x", "do": "clip", "low": True, "high": 2},
        {"column": "x", "do": "median", "size": 3.5},
        {"column": "x", "do": "smooth", "size": 99},
        {"column": "x", "do": "map", "map": {"a": 1}},
    ],
)
def test_what_cannot_be_replayed_is_refused(item):
    with pytest.raises(ArtifactError):
        transforms_of({"transforms": [item]}, "t")


def test_a_document_without_transforms_is_refused():
    with pytest.raises(ArtifactError, match="list of transforms"):
        transforms_of([], "t")


def test_a_contract_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError):
        open_transforms(tmp_path / "none.json")


def test_a_key_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "t.json"
    path.write_text('{"transforms": [], "transforms": []}', "utf-8")
    with pytest.raises(ArtifactError):
        open_transforms(path)
