"""The served interface as an OpenAPI 3.1 document, made from the closed schema.

It says what the schema's refusals say - names, types and shapes - and, like them, neither
ranges nor categories, since those tell of the training data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hauberk import __version__
from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, TensorSchema

_REFUSALS = {
    400: "The request has no meaning, several, or one that the schema does not allow.",
    401: "No known key, or a stronger identity is asked for.",
    403: "The role may not ask this model, or the request was judged hostile.",
    408: "The body did not arrive in time.",
    411: "A body with its length is needed.",
    413: "The body is too large.",
    415: "The body is compressed, or no JSON.",
    417: "Something else than 100-continue is expected.",
    421: "This host name is not served here.",
    422: "The model has no answer, or none in time.",
    429: "The budget is spent, or too many requests run at once.",
    431: "The headers are too large.",
    502: "The model server gave no answer.",
    503: "The server is full, or its log cannot be written.",
    504: "The model server did not answer in time.",
}
_NAME = {"type": "string", "minLength": 1, "maxLength": 256}
_WORD = {**_NAME, "pattern": "^[A-Za-z0-9._:/@+=-]+$"}
_RAW: dict[str, Any] = {"application/octet-stream": {}}
"""Where ``binary_data_output`` asks for it: JSON, then the bytes of tensors."""
_KINDS = {Datatype.BOOL: "boolean", Datatype.BYTES: "string"}


def document(
    name: str, version: str, schema: InputSchema, outputs: Iterable[TensorSchema]
) -> dict[str, Any]:
    """The document of one served model."""
    model = f"/v2/models/{name}"
    post = _post(schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{name} behind Hauberk", "version": version},
        "x-hauberk": __version__,
        "paths": {
            f"{model}/infer": {"post": post},
            f"{model}/versions/{version}/infer": {"post": post | {"operationId": "inferVersion"}},
            model: {"get": _get("metadata", "Inputs and outputs of the model.")},
            f"{model}/ready": {"get": _get("modelReady", "Whether the model answers.", 503)},
            "/v2": {"get": _get("server", "What serves.")},
            "/v2/health/live": {"get": _get("live", "Whether the server runs.")},
            "/v2/health/ready": {"get": _get("ready", "Whether it answers.", 503)},
        },
        "components": {
            "schemas": {
                "Request": _request(schema),
                "Response": _response(outputs),
                "Error": _closed({"error": {"type": "string"}}, ["error"]),
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def _post(schema: InputSchema) -> dict[str, Any]:
    del schema
    refusals = {str(status): _refusal(text) for status, text in _REFUSALS.items()}
    return {
        "operationId": "infer",
        "summary": "Ask the model.",
        "requestBody": {"required": True, "content": _json("Request")},
        "responses": {"200": {"description": "The answer.", "content": _json("Response") | _RAW}}
        | refusals,
    }


def _get(name: str, text: str, *more: int) -> dict[str, Any]:
    statuses = (400, 401, 405, 421, 431, *more)
    refusals = {str(status): _refusal(_REFUSALS.get(status, "Refused.")) for status in statuses}
    free = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": name,
        "summary": text,
        "responses": {"200": {"description": text, "content": free}} | refusals,
    }


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "content": _json("Error")}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _closed(properties: Mapping[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }
    return found | ({"required": list(required)} if required else {})


def _request(schema: InputSchema) -> dict[str, Any]:
    needed = sum(not tensor.optional for tensor in schema.inputs)
    inputs = {
        "type": "array",
        "minItems": max(1, needed),
        "maxItems": len(schema.inputs),
        "items": {"oneOf": [_tensor(tensor) for tensor in schema.inputs]},
    }
    asked = _closed({"name": {"enum": [tensor.name for tensor in schema.outputs]}}, ["name"])
    outputs = {"type": "array", "uniqueItems": True, "items": asked}
    parameters = _closed({"binary_data_output": {"type": "boolean"}})
    found = {"id": _WORD, "inputs": inputs, "parameters": parameters}
    return _closed(found | ({"outputs": outputs} if schema.outputs else {}), ["inputs"])


def _response(outputs: Iterable[TensorSchema]) -> dict[str, Any]:
    tensors = {
        "type": "array",
        "items": {"oneOf": [_tensor(tensor, _rank(tensor)) for tensor in outputs]},
    }
    named = {"model_name": _WORD, "model_version": _WORD, "id": _WORD}
    return _closed(named | {"outputs": tensors}, ["model_name", "outputs"])


def _sizes(tensor: TensorSchema) -> dict[str, Any]:
    """The shape of a tensor, size by size."""
    sizes = [
        {"type": "integer", "minimum": 1} if size is None else {"const": size}
        for size in tensor.shape
    ]
    return {
        "type": "array",
        "prefixItems": sizes,
        "minItems": len(sizes),
        "maxItems": len(sizes),
    }


def _rank(tensor: TensorSchema) -> dict[str, Any]:
    """The shape by its length alone: tools that judge answers stumble over ``prefixItems``."""
    size = {"type": "integer", "minimum": 1}
    rank = len(tensor.shape)
    return {"type": "array", "items": size, "minItems": rank, "maxItems": rank}


def _tensor(tensor: TensorSchema, shape: dict[str, Any] | None = None) -> dict[str, Any]:
    value = _KINDS.get(tensor.datatype, "number" if tensor.datatype.is_float else "integer")
    return _closed(
        {
            "name": {"const": tensor.name},
            "datatype": {"const": tensor.datatype.value},
            "shape": shape or _sizes(tensor),
            "data": {"type": "array", "items": {"type": [value, "array"]}},
        },
        ["name", "datatype", "shape", "data"],
    )
