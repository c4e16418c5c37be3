"""The served OpenAPI document, and requests made from its grammar and around it."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import jsonschema
import pytest

from hauberk.formats.http import Call, json_call
from hauberk.range.worlds import guarded

INFER = guarded.CLASSIFIER_PATH
_STRANGE = (
    None, True, -1, 0, 1e308, 10**400, "", "a\x00", "\ud800", "x" * 3000, [], {}, [[[[]]]], {"a": {}},
    "NaN", "../..", "<b>", ["x"] * 50, 1.5, "FP64",
)  # fmt: skip


@pytest.fixture(scope="module")
def document():
    page = guarded.classifier().door.call(Call(method="GET", path="/openapi.json"))
    return json.loads(page.body)


def _made(schema: dict[str, Any], top: dict[str, Any], rng: Random) -> Any:
    """A value that the grammar allows."""
    if "$ref" in schema:
        return _made(top["components"]["schemas"][schema["$ref"].split("/")[-1]], top, rng)
    if "oneOf" in schema:
        return _made(rng.choice(schema["oneOf"]), top, rng)
    if "const" in schema or "enum" in schema:
        return schema.get("const") or rng.choice(schema.get("enum", [schema.get("const")]))
    return _of_type(schema, top, rng)


def _of_type(schema: dict[str, Any], top: dict[str, Any], rng: Random) -> Any:
    kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
    if kind == "object":
        wanted = set(schema.get("required", ()))
        names = [n for n in schema["properties"] if n in wanted or rng.random() < 0.4]
        return {name: _made(schema["properties"][name], top, rng) for name in names}
    if kind == "array":
        parts = schema.get("prefixItems")
        if parts:
            return [_made(part, top, rng) for part in parts]
        least, most = schema.get("minItems", 0), schema.get("maxItems", 4)
        return [_made(schema["items"], top, rng) for _ in range(rng.randint(least, most))]
    return {
        "string": lambda: "".join(rng.choice("ab.:/-9") for _ in range(rng.randint(1, 9))),
        "number": lambda: rng.choice([rng.uniform(-9, 9), 0, -0.0, 1e-320]),
        "integer": lambda: rng.choice([1, 2, 10**6]),
        "boolean": lambda: rng.random() < 0.5,
    }[kind]()


def _bent(value: Any, rng: Random) -> Any:
    """The same with something strange somewhere."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(sorted(value))
        changed = dict(value) | {key: _bent(value[key], rng)}
        if rng.random() < 0.2:
            changed[rng.choice(["extra", "__proto__", "", "name"])] = rng.choice(_STRANGE)
        if rng.random() < 0.1:
            del changed[key]
        return changed
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return [*value[:place], _bent(value[place], rng), *value[place + 1 :]]
    return rng.choice(_STRANGE)


def _sent(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def test_the_document_describes_what_is_served_and_no_ranges(document):
    assert {INFER, "/v2", "/v2/health/live"} <= document["paths"].keys()
    assert "10.0" not in json.dumps(document)


def test_an_answer_fits_its_own_description(document):
    answer = guarded.classifier().door.call(json_call(INFER, guarded.SAMPLE))
    schema = {"$ref": "#/components/schemas/Response", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(answer.body))


def _documented(document, status, content_type):
    responses = document["paths"][INFER]["post"]["responses"]
    schema = responses[str(status)]["content"][content_type].get("schema", {})
    return jsonschema.Draft202012Validator(schema | {"components": document["components"]})


def test_a_refusal_fits_its_description_and_an_empty_one_would_not(document):
    answer = guarded.classifier().door.call(json_call(INFER, b'{"inputs": [{}]}'))
    fits = _documented(document, answer.status, answer.headers["content-type"])
    fits.validate(json.loads(answer.body))
    assert not fits.is_valid({})


def test_an_answer_in_binary_is_described(document):
    body = json.loads(guarded.SAMPLE) | {"parameters": {"binary_data_output": True}}
    answer = guarded.classifier().door.call(json_call(INFER, json.dumps(body).encode()))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert _documented(document, answer.status, answer.headers["content-type"])


def test_requests_made_from_the_grammar_are_answered_or_refused_never_broken(document):
    rng, door = Random(8), guarded.classifier().door
    grammar = {"$ref": "#/components/schemas/Request"}
    seen = set()
    for _ in range(400):
        value = _made(grammar, document, rng)
        for sent in (value, _bent(value, rng), _bent(_bent(value, rng), rng)):
            status = door.call(json_call(INFER, _sent(sent))).status
            assert status == 200 or 400 <= status < 500, (status, sent)
            seen.add(status)
    assert {200, 400} <= seen


def test_bytes_near_a_request_are_answered_or_refused_never_broken():
    rng, door = Random(9), guarded.classifier().door
    for _ in range(400):
        body = bytearray(guarded.SAMPLE)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(body))
            body[place : place + rng.randint(0, 2)] = rng.choice(
                [b"", b"\x00", b"\xff", b'"', b"[", b"}", b"e9999", b"-", b"\\u0000", b"NaN", b","]
            )
        status = door.call(json_call(INFER, bytes(body))).status
        assert status == 200 or 400 <= status < 500, (status, bytes(body))
