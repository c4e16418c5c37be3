"""The Open Inference Protocol, version 2: requests and responses, read strictly.

Servers of this protocol are lenient: unknown fields, duplicate keys, strings for numbers
and shapes that contradict the data are commonly answered with 200 or 500. Here a message
has exactly one meaning or is refused:

1. The body is bounded JSON (`formats.strict_json`), or bounded JSON followed by the bytes
   of the binary tensor extension (`formats.v2_binary`).
2. Top level, tensors and parameters have no field that the protocol does not define.
3. A shape is positive, and its product is bounded before the data is looked at.
4. Data has the declared type exactly: no strings or booleans for numbers, no fractions for
   integers, nothing outside the range of the type, as many values as the shape says,
   either flat or nested as the shape says.

Messages name the field, the rule, what was expected and what was found; they repeat no
value of the sender and know nothing of any model.

References:
    Open Inference Protocol, "Inference Request/Response JSON Object" and "Tensor Data".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from itertools import chain
from typing import Any

from hauberk.core.quick import maker_of
from hauberk.errors import ArtifactError
from hauberk.formats.strict_json import JsonLimits, at_most, decode, refuse, shown


class Datatype(StrEnum):
    """Tensor types of the protocol; ``BF16`` has no JSON form and is not accepted."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"

    # Looked up for every request, and so set once instead of worked out each time.
    numpy: str
    """Name of the little-endian numpy type; ``object`` for ``BYTES``."""

    plain: str
    """The name itself, as a string that is no more."""

    is_float: bool
    """Whether fractions are allowed."""

    is_number: bool
    """Whether values are integers or floats."""


_NUMPY = {
    Datatype.BOOL: "?",
    **{kind: f"<u{kind.value[4:]}" for kind in Datatype if kind.value.startswith("UINT")},
    Datatype.INT8: "<i1",
    Datatype.INT16: "<i2",
    Datatype.INT32: "<i4",
    Datatype.INT64: "<i8",
    Datatype.UINT8: "<u1",
    Datatype.UINT16: "<u2",
    Datatype.UINT32: "<u4",
    Datatype.UINT64: "<u8",
    Datatype.FP16: "<f2",
    Datatype.FP32: "<f4",
    Datatype.FP64: "<f8",
    Datatype.BYTES: "object",
}
_FLOATS = frozenset({Datatype.FP16, Datatype.FP32, Datatype.FP64})
for _kind in Datatype:
    _kind.numpy = _NUMPY[_kind]
    _kind.plain = str(_kind.value)
    _kind.is_float = _kind in _FLOATS
    _kind.is_number = _kind not in (Datatype.BOOL, Datatype.BYTES)

BOUNDS: dict[Datatype, tuple[float, float]] = {
    **{
        kind: (-(1 << (int(kind.value[3:]) - 1)), (1 << (int(kind.value[3:]) - 1)) - 1)
        for kind in (Datatype.INT8, Datatype.INT16, Datatype.INT32, Datatype.INT64)
    },
    **{
        kind: (0, (1 << int(kind.value[4:])) - 1)
        for kind in (Datatype.UINT8, Datatype.UINT16, Datatype.UINT32, Datatype.UINT64)
    },
    # Largest finite values of IEEE 754 binary16, binary32 and binary64.
    Datatype.FP16: (-65504.0, 65504.0),
    Datatype.FP32: (-3.4028234663852886e38, 3.4028234663852886e38),
    Datatype.FP64: (-1.7976931348623157e308, 1.7976931348623157e308),
}
_TYPES: dict[Datatype, frozenset[type]] = {
    kind: frozenset({float, int}) if kind in _FLOATS else frozenset({int}) for kind in BOUNDS
} | {Datatype.BOOL: frozenset({bool}), Datatype.BYTES: frozenset({str})}
_BY_NAME = {kind.value: kind for kind in Datatype}
MARKUP = frozenset("<>\"'\\`")
PLAIN = re.compile(r"[A-Za-z0-9._:/@+=-]+")
_WORDS = {bool: "boolean", str: "string", dict: "object", list: "array", type(None): "null"}

Parameter = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one message.

    Attributes:
        json: Bounds of the JSON part.
        max_tensors: Inputs, and outputs asked for.
        max_rank: Dimensions of one tensor.
        max_elements: Elements of all tensors together.
        max_name: Characters of a name or id.
        parameters: Names that may stand in ``parameters``, at any level.
    """

    json: JsonLimits = field(default_factory=JsonLimits)
    max_tensors: int = 512
    max_rank: int = 8
    max_elements: int = 1_000_000
    max_name: int = 256
    parameters: frozenset[str] = frozenset(
        {"binary_data", "binary_data_output", "binary_data_size", "content_type"}
    )


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A named, typed, shaped block of values.

    Attributes:
        shape: One or more positive dimensions.
        values: In row-major order, as many as the shape says: Python values, or a flat
            numpy array of ``datatype`` where they came as raw bytes.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    values: Sequence[Any]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def array(self) -> Any:
        """The values as a numpy array in shape; text as an array of objects."""
        import numpy as np

        return np.asarray(self.values, dtype=self.datatype.numpy).reshape(self.shape)


tensor_from = maker_of(Tensor)
"""Makes a tensor of all its fields in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedOutput:
    """An output that the client asks for."""

    name: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An inference request.

    Attributes:
        id: Chosen by the client; printable ASCII.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[RequestedOutput, ...] = ()
    id: str | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @property
    def n_elements(self) -> int:
        """Values of all inputs together."""
        return sum(len(tensor.values) for tensor in self.inputs)


request_from = maker_of(Request)
"""Makes a request of all its fields in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An inference response."""

    model_name: str
    outputs: tuple[Tensor, ...]
    model_version: str | None = None
    id: str | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


# Reading -----------------------------------------------------------------------------


def parse_request(body: bytes, limits: Limits = DEFAULT_LIMITS) -> Request:
    """Read a request whose tensors are all in JSON.

    Raises:
        ArtifactError: The body is not exactly one request within the limits.
    """
    return request_of(decode(body, limits.json), limits, values_in_json)


def parse_response(body: bytes, limits: Limits = DEFAULT_LIMITS) -> Response:
    """Read a response whose tensors are all in JSON.

    Raises:
        ArtifactError: The body is not exactly one response within the limits.
    """
    return response_of(decode(body, limits.json), limits, values_in_json)


ReadValues = Callable[[str, Mapping[str, Any], Datatype, tuple[int, ...]], Sequence[Any]]
"""Takes where the tensor stands, its JSON object with parameters already checked, its type
and shape; gives the flat values."""


def request_of(value: Any, limits: Limits, read: ReadValues) -> Request:
    """The request that a decoded JSON value stands for.

    Raises:
        ArtifactError: It is none.
    """
    top = _object("the request", value, _REQUEST, required=("inputs",))
    inputs = _tensors("inputs", top["inputs"], limits, read)
    return Request(
        inputs=inputs,
        outputs=_requested(top.get("outputs", ()), limits),
        id=_word_like("id", top["id"], limits) if "id" in top else None,
        parameters=_parameters("parameters", top, limits),
    )


def response_of(value: Any, limits: Limits, read: ReadValues) -> Response:
    """The response that a decoded JSON value stands for.

    Raises:
        ArtifactError: It is none.
    """
    top = _object("the response", value, _RESPONSE, required=("model_name", "outputs"))
    return Response(
        model_name=_word_like("model_name", top["model_name"], limits),
        model_version=_optional("model_version", top.get("model_version"), limits),
        outputs=_tensors("outputs", top["outputs"], limits, read),
        id=_optional("id", top.get("id"), limits),
        parameters=_parameters("parameters", top, limits),
    )


_REQUEST = frozenset({"id", "parameters", "inputs", "outputs"})
_RESPONSE = frozenset({"model_name", "model_version", "id", "parameters", "outputs"})
_TENSOR = frozenset({"name", "shape", "datatype", "parameters", "data"})
_OUTPUT = frozenset({"name", "parameters"})


def _word(value: Any) -> str:
    return _WORDS.get(type(value), "number")


def _object(
    where: str, value: Any, allowed: frozenset[str], required: tuple[str, ...]
) -> Mapping[str, Any]:
    if type(value) is not dict:
        refuse(where, "type", "an object", _word(value))
    if not allowed.issuperset(value):
        unknown = min(set(value) - allowed)
        refuse(where, "no field but those of the protocol", "a known field", shown(unknown))
    for name in required:
        if name not in value:
            refuse(f"{where}.{name}", "required field", "present", "missing")
    return value


def _list(where: str, value: Any, max_length: int) -> list[Any]:
    if type(value) is not list:
        refuse(where, "type", "an array", _word(value))
    if len(value) > max_length:
        at_most(where, "number of entries", max_length, len(value))
    return value


def _name(where: str, value: Any, limits: Limits) -> str:
    """Names of tensors are columns of somebody's table: any printable text without markup."""
    text = _short(where, value, limits)
    if not text.isprintable() or not MARKUP.isdisjoint(text):
        refuse(where, "characters of a name", "printable, no quotes or angle brackets", "others")
    return text


def _word_like(where: str, value: Any, limits: Limits) -> str:
    """What the sender chooses freely and others repeat, in logs and answers, is kept plain."""
    text = _short(where, value, limits)
    if not PLAIN.fullmatch(text):
        refuse(where, "characters of an identifier", "letters, digits and ._:/@+=-", "others")
    return text


def _short(where: str, value: Any, limits: Limits) -> str:
    if type(value) is not str:
        refuse(where, "type", "a string", _word(value))
    if not 0 < len(value) <= limits.max_name:
        refuse(where, "length", f"1 to {limits.max_name} characters", str(len(value)))
    return value


_PARAMETER_KINDS: Mapping[str, type] = {
    "binary_data": bool,
    "binary_data_output": bool,
    "content_type": str,
}
_SAID: Mapping[type, str] = {bool: "true or false", str: "a string"}


def _optional(where: str, value: Any, limits: Limits) -> str | None:
    return None if value is None else _word_like(where, value, limits)


def _parameters(where: str, holder: Mapping[str, Any], limits: Limits) -> Mapping[str, Parameter]:
    if "parameters" not in holder:
        return {}
    value = _object(where, holder["parameters"], limits.parameters, required=())
    for name, item in value.items():
        wanted = _PARAMETER_KINDS.get(name)
        if wanted is not None and type(item) is not wanted:
            refuse(f"{where}.{name}", "type", _SAID[wanted], _word(item))
        if type(item) is str:
            _word_like(f"{where}.{name}", item, limits)
        elif type(item) not in (int, float, bool):
            refuse(f"{where}.{name}", "type", "a string, number or boolean", _word(item))
    return dict(value)


def _tensors(where: str, value: Any, limits: Limits, read: ReadValues) -> tuple[Tensor, ...]:
    items = _list(where, value, limits.max_tensors)
    if not items:
        refuse(where, "number of entries", "at least 1", "0")
    tensors: list[Tensor] = []
    names: set[str] = set()
    room = limits.max_elements
    for position, item in enumerate(items):
        tensor = _tensor(f"{where}[{position}]", item, room, limits, read)
        if tensor.name in names:
            refuse(f"{where}[{position}].name", "no tensor stands twice", "a new name", "a repeat")
        names.add(tensor.name)
        room -= len(tensor.values)
        tensors.append(tensor)
    return tuple(tensors)


def _tensor(where: str, value: Any, room: int, limits: Limits, read: ReadValues) -> Tensor:
    item = _object(where, value, _TENSOR, required=("name", "shape", "datatype"))
    name = _name(f"{where}.name", item["name"], limits)
    datatype = _BY_NAME.get(item["datatype"]) if type(item["datatype"]) is str else None
    if datatype is None:
        refuse(f"{where}.datatype", "datatype", "one of " + ", ".join(Datatype), "something else")
    shape = _shape(f"{where}.shape", item["shape"], room, limits)
    parameters = _parameters(f"{where}.parameters", item, limits)
    return Tensor(
        name=name,
        datatype=datatype,
        shape=shape,
        values=read(where, item, datatype, shape),
        parameters=parameters,
    )


def _shape(where: str, value: Any, room: int, limits: Limits) -> tuple[int, ...]:
    dimensions = _list(where, value, limits.max_rank)
    if not dimensions:
        refuse(where, "number of dimensions", "at least 1", "0")
    for size in dimensions:
        if type(size) is not int:
            refuse(where, "type of a dimension", "an integer", _word(size))
        if not 0 < size <= limits.max_elements:
            refuse(where, "size of a dimension", f"1 to {limits.max_elements}", "outside")
    if math.prod(dimensions) > room:
        at_most(where, "elements of all tensors", limits.max_elements, "more")
    return tuple(dimensions)


def _requested(value: Any, limits: Limits) -> tuple[RequestedOutput, ...]:
    if value == ():
        return ()
    outputs = []
    for position, entry in enumerate(_list("outputs", value, limits.max_tensors)):
        where = f"outputs[{position}]"
        item = _object(where, entry, _OUTPUT, required=("name",))
        name = _name(f"{where}.name", item["name"], limits)
        parameters = _parameters(f"{where}.parameters", item, limits)
        outputs.append(RequestedOutput(name=name, parameters=parameters))
    if len({output.name for output in outputs}) != len(outputs):
        refuse("outputs", "no output stands twice", "different names", "a repeat")
    return tuple(outputs)


def values_in_json(
    where: str, item: Mapping[str, Any], datatype: Datatype, shape: tuple[int, ...]
) -> list[Any]:
    """The flat values of a tensor whose data stands in the JSON object.

    Raises:
        ArtifactError: The data is missing or contradicts the type or shape.
    """
    if "data" not in item:
        refuse(f"{where}.data", "required field", "present", "missing")
    if "binary_data_size" in item.get("parameters", ()):
        refuse(f"{where}.data", "data stands in one place", "JSON or binary", "both")
    values = _flatten(f"{where}.data", item["data"], shape)
    check_values(f"{where}.data", values, datatype)
    return values


def _flatten(where: str, data: Any, shape: tuple[int, ...]) -> list[Any]:
    n_elements = math.prod(shape)
    values = _list(where, data, n_elements)
    nested = bool(values) and type(values[0]) is list
    for level in range(len(shape) - 1) if nested else ():
        if len(values) != math.prod(shape[: level + 1]):
            refuse(where, "number of values", "as the shape says", "another")
        for row in values:
            if len(_list(where, row, n_elements)) != shape[level + 1]:
                refuse(where, "number of values", "as the shape says", "another")
        values = list(chain.from_iterable(values))
    if len(values) != n_elements:
        refuse(where, "number of values", f"{n_elements}, as the shape says", str(len(values)))
    return values


def check_values(where: str, values: Sequence[Any], datatype: Datatype) -> None:
    """Refuse values that are not of ``datatype`` exactly.

    Raises:
        ArtifactError: A value has another type or lies outside the range of the type.
    """
    types = set(map(type, values))
    if not types <= _TYPES[datatype]:
        strange = min(map(str, (_WORDS.get(kind, "number") for kind in types - _TYPES[datatype])))
        refuse(where, "type of a value", _accepted(datatype), strange)
    if not datatype.is_number:
        return
    low, high = BOUNDS[datatype]
    # A sum is NaN or infinite where a term is; it may also overflow by itself, in which
    # case the slow look decides.
    if datatype.is_float and not _is_finite(values):
        refuse(where, "range of the datatype", f"a finite {datatype}", "NaN or infinity")
    if min(values) < low or max(values) > high:
        refuse(where, "range of the datatype", f"a value that {datatype} can hold", "one outside")


def _is_finite(values: Sequence[Any]) -> bool:
    try:
        return math.isfinite(sum(values)) or all(map(math.isfinite, values))
    except OverflowError:  # an integer too large for a double
        return False


def _accepted(datatype: Datatype) -> str:
    if datatype.is_float:
        return f"numbers ({datatype})"
    if datatype.is_number:
        return f"integers ({datatype})"
    return "true or false (BOOL)" if datatype is Datatype.BOOL else "strings (BYTES)"


# Writing -----------------------------------------------------------------------------


def write_request(request: Request) -> bytes:
    """The request as JSON, data flat; reading it back gives an equal request.

    Raises:
        ArtifactError: A value is not of its tensor's type.
    """
    outputs = [_named(output.name, output.parameters) for output in request.outputs]
    body = {
        "id": request.id,
        "parameters": dict(request.parameters) or None,
        "inputs": _written(request.inputs),
        "outputs": outputs or None,
    }
    return encode({name: value for name, value in body.items() if value is not None})


def write_response(response: Response) -> bytes:
    """The response as JSON, data flat; reading it back gives an equal response.

    Raises:
        ArtifactError: A value is not of its tensor's type, or not finite.
    """
    return encode(response_value(response))


def response_value(
    response: Response, *, without: frozenset[str] | set[str] = frozenset()
) -> dict[str, Any]:
    """The response as a JSON value.

    Args:
        without: Names of the outputs whose data is left out.

    Raises:
        ArtifactError: A value is not of its tensor's type, or not finite.
    """
    body = {
        "model_name": response.model_name,
        "model_version": response.model_version,
        "id": response.id,
        "parameters": dict(response.parameters) or None,
        "outputs": _written(response.outputs, without),
    }
    return {name: value for name, value in body.items() if value is not None}


def tensor_of(name: str, array: Any, many: int | None = None) -> Tensor:
    """A tensor with the values of a numpy array; text and objects become ``BYTES``.

    Args:
        many: From so many numbers on they stay in their array.

    Raises:
        ArtifactError: The array's type has no place in the protocol.
    """
    datatype = _datatype_of(array)
    flat = array.reshape(-1)
    if many is not None and flat.size >= many and datatype is not Datatype.BYTES:
        return Tensor(name=name, datatype=datatype, shape=tuple(array.shape), values=flat)
    values = flat.tolist()
    if datatype is Datatype.BYTES:
        values = [item if type(item) is str else str(item) for item in values]
    return Tensor(name=name, datatype=datatype, shape=tuple(array.shape), values=values)


def numeric_rows(tensors: Iterable[Tensor]) -> Any:
    """Numbers and truth values as one float64 array (n_rows, n_columns); ``None`` without any.

    Tensors must have the same first dimension.
    """
    import numpy as np

    blocks = [
        np.asarray(tensor.values, np.float64).reshape(tensor.shape[0], -1)
        for tensor in tensors
        if tensor.datatype is not Datatype.BYTES
    ]
    if not blocks:
        return None
    return blocks[0] if len(blocks) == 1 else np.hstack(blocks)


def texts(tensors: Iterable[Tensor]) -> tuple[tuple[str, str], ...]:
    """Each text with the name of its tensor, in order."""
    return tuple(
        (tensor.name, text)
        for tensor in tensors
        if tensor.datatype is Datatype.BYTES
        for text in tensor.values
    )


def _datatype_of(array: Any) -> Datatype:
    kind = array.dtype.kind
    if kind in "OUS":
        return Datatype.BYTES
    found = _BY_NUMPY.get((kind, array.dtype.itemsize))
    if found is None:
        raise ArtifactError(
            "the array's type has no place in the protocol",
            rule="datatype",
            expected="booleans, integers, floats of 2, 4 or 8 bytes, or text",
            found=str(array.dtype),
        )
    return found


_BY_NUMPY: dict[tuple[str, int], Datatype] = {
    ("b", 1): Datatype.BOOL,
    **{
        (name[1], int(name[2])): kind
        for kind, name in _NUMPY.items()
        if name not in ("?", "object")
    },
}


def _named(name: str, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    return {"name": name, "parameters": dict(parameters)} if parameters else {"name": name}


def _written(
    tensors: Iterable[Tensor], without: frozenset[str] | set[str] = frozenset()
) -> list[dict[str, Any]]:
    written = []
    for tensor in tensors:
        head = _named(tensor.name, tensor.parameters)
        head |= {"shape": list(tensor.shape), "datatype": tensor.datatype.value}
        if tensor.name not in without:
            values = _plain(tensor.values)
            check_values(tensor.name, values, tensor.datatype)
            head["data"] = values
        written.append(head)
    return written


def _plain(values: Any) -> list[Any]:
    """Python values for what may be a numpy array."""
    plain: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return plain


def encode(value: Any) -> bytes:
    """JSON without spaces."""
    return _encoder()(value)


@cache
def _encoder() -> Callable[[Any], bytes]:
    try:
        import msgspec
    except ImportError:
        return _encode_plainly
    return msgspec.json.Encoder().encode


def _encode_plainly(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
