"""Schemas of tools: a closed reading in bounded time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hauberk.errors import ArtifactError
from hauberk.formats.json_schema import MAX_DEPTH, MAX_NODES, schema_of

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[a-z]+$"},
        "age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 150, "multipleOf": 1},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True,
                 "minItems": 1, "maxItems": 2},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "home": {"$ref": "#/$defs/place"},
        "kind": {"const": 1},
        "pair": {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
        "free": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "soft": {"type": "string", "nullable": True},
        "one": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]},
        "not": {"not": {"type": "string"}},
        "both": {"allOf": [{"type": "integer"}, {"minimum": 3, "maximum": 9}]},
    },
    "required": ["name"],
    "$defs": {"place": {"type": "object", "properties": {"town": {"type": "string"}}}},
}  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        {"name": "ada"},
        {"name": "ada", "age": 3.0, "tags": ["a", "b"], "note": None, "kind": 1},
        {"name": "ada", "home": {"town": "x"}, "pair": ["a", 1, 2], "free": {"x": True}},
        {"name": "ada", "soft": None, "one": 4, "not": 3, "both": 5},
    ],
)
def test_values_that_fit_pass(value):
    assert schema_of(PERSON).problem(value) == ""


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": 1}, "$.name"),
        ({"name": ""}, "$.name"),
        ({"name": "toolong"}, "$.name"),
        ({"name": "A"}, "$.name"),
        ({"age": 150}, "$.age"),
        ({"age": -1}, "$.age"),
        ({"age": 1.5}, "$.age"),
        ({"age": True}, "$.age"),
        ({"tags": []}, "$.tags"),
        ({"tags": ["a", "a"]}, "$.tags"),
        ({"tags": ["c"]}, "$.tags[0]"),
        ({"tags": ["a", "b", "a"]}, "$.tags"),
        ({"note": 1}, "$.note"),
        ({"home": {"street": "x"}}, "$.home.street"),
        ({"kind": True}, "$.kind"),
        ({"pair": ["a", "b"]}, "$.pair[1]"),
        ({"free": {"x": 1}}, "$.free.x"),
        ({"one": 6}, "$.one"),
        ({"not": "x"}, "$.not"),
        ({"both": 2}, "$.both"),
        ({"both": "x"}, "$.both"),
        ({"extra": 1}, "$.extra"),
    ],
)
def test_values_that_do_not_fit_are_named_by_place(change, place):
    assert schema_of(PERSON).problem({"name": "ada"} | change).startswith(place)


def test_what_is_required_is_missed():
    assert schema_of(PERSON).problem({}) == "$: breaks required"


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"type": "text"},
        {"type": []},
        {"enum": []},
        {"properties": []},
        {"anyOf": []},
        {"dependentSchemas": {}},
        {"$ref": "https://evil.example/schema"},
        {"$ref": "#/$defs/../x"},
        {"minLength": -1},
        {"multipleOf": 0},
        {"pattern": "(a+)+$"},
        {"pattern": "a?a?a?a?aaaa"},
        {"pattern": "["},
        {"pattern": "x" * 1000},
        {"required": [1]},
        {"items": [{"type": "string"}]},
    ],
)
def test_schemas_that_are_not_understood_are_refused(schema):
    with pytest.raises(ArtifactError):
        schema_of(schema)


def test_deep_and_large_schemas_are_refused():
    deep: dict = {}
    for _ in range(MAX_DEPTH + 2):
        deep = {"items": deep}
    wide = {"properties": {str(n): {} for n in range(MAX_NODES + 1)}}
    for schema in (deep, wide):
        with pytest.raises(ArtifactError):
            schema_of(schema)


def test_a_schema_that_names_itself_ends():
    schema = schema_of({"$ref": "#"})
    assert "too many" in schema.problem({})


def test_alternatives_that_multiply_end():
    names = "abcdefgh"
    parts = {n: {"anyOf": [{"$ref": f"#/$defs/{m}"}] * 8} for n, m in pairwise(names)}
    schema = schema_of({"$ref": "#/$defs/a", "$defs": parts | {"h": {"type": "string"}}})
    assert schema.problem(1)


def test_a_name_that_is_not_defined_fits_nothing():
    assert schema_of({"$ref": "#/$defs/gone"}).problem(1)


def test_boolean_schemas_allow_all_or_nothing():
    assert schema_of({"properties": {"a": True}}).problem({"a": 1}) == ""
    assert schema_of({"properties": {"a": False}}).problem({"a": 1})
    assert schema_of(PERSON).properties >= {"name", "age"}
