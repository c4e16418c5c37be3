"""The gRPC messages of the Open Inference Protocol, as messages of its binary tensor extension.

A request becomes the same bytes that a client of HTTP would have sent with raw tensors, so that
one strict reader (`formats.v2_binary`) judges both. What JSON cannot say is refused here:

1. Fields are those of the protocol, each with its wire type; what is not repeated stands once.
2. Repeated numbers are packed, as every writer of proto3 packs them.
3. Tensors lie all in ``raw_input_contents``, one entry for each, or each in its own contents,
   in the one field that belongs to its type.
4. Whole numbers are inside the range of the tensor's type.
5. Counts of fields and values are bounded before anything is made of them.

The few messages are read and written here by hand; nothing is generated, and protobuf is not
needed.

References:
    Open Inference Protocol, "gRPC". Protocol Buffers, "Encoding".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from hauberk.errors import ArtifactError
from hauberk.formats.strict_json import at_most, refuse
from hauberk.formats.v2 import BOUNDS, Datatype, Limits, encode

SERVICE = "inference.GRPCInferenceService"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10
_SPARE_FIELDS = 256
_FIELDS_PER_TENSOR = 16
_CONTENTS = {
    1: (_VARINT, frozenset({Datatype.BOOL})),
    2: (_VARINT, frozenset({Datatype.INT8, Datatype.INT16, Datatype.INT32})),
    3: (_VARINT, frozenset({Datatype.INT64})),
    4: (_VARINT, frozenset({Datatype.UINT8, Datatype.UINT16, Datatype.UINT32})),
    5: (_VARINT, frozenset({Datatype.UINT64})),
    6: (_FIXED32, frozenset({Datatype.FP32})),
    7: (_FIXED64, frozenset({Datatype.FP64})),
    8: (_BYTES, frozenset({Datatype.BYTES})),
}
"""Fields of a tensor's contents: how a value is written, and of which types."""

_PARAMETERS = {1: "bool_param", 2: "int64_param", 3: "string_param"}
_RAW = "binary_data"
"""Names that begin so say where raw bytes lie; in gRPC the message says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for one model.

    Attributes:
        body: JSON and raw tensors, as in the binary tensor extension.
        header_length: Bytes of the JSON.
    """

    model: str
    version: str
    body: bytes
    header_length: int


@dataclass(slots=True)
class _Budget:
    """Fields that may still be looked at."""

    left: int
    limit: int

    def spend(self, n: int = 1) -> None:
        self.left -= n
        if self.left < 0:
            at_most("the message", "number of fields", self.limit, "more")


@dataclass(slots=True, kw_only=True)
class _Tensor:
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any]
    contents: bytes | None


@dataclass(slots=True, kw_only=True)
class _Parts:
    """What a request holds."""

    texts: dict[int, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: list[_Tensor] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)


def read_request(data: bytes, limits: Limits) -> Asked:
    """What a ``ModelInferRequest`` asks, in the form of the binary tensor extension.

    Raises:
        ArtifactError: It is not exactly one such message within the limits.
    """
    if len(data) > limits.json.max_bytes:
        at_most("the message", "size in bytes", limits.json.max_bytes, len(data))
    n_fields = limits.max_elements + _FIELDS_PER_TENSOR * limits.max_tensors + _SPARE_FIELDS
    budget = _Budget(n_fields, n_fields)
    parts = _parts(data, budget, limits)
    if parts.raw and len(parts.raw) != len(parts.inputs):
        refuse("raw_input_contents", "one entry for each input", str(len(parts.inputs)), "another")
    head, tail = _head(parts), bytearray()
    for place, tensor in enumerate(parts.inputs):
        raw = parts.raw[place] if parts.raw else _own(place, tensor, budget, limits)
        if parts.raw and tensor.contents is not None:
            refuse(f"inputs[{place}].contents", "data stands in one place", "raw or own", "both")
        value: dict[str, Any] = {
            "name": tensor.name,
            "shape": tensor.shape,
            "datatype": tensor.datatype,
        }
        value["parameters"] = {**tensor.parameters, "binary_data_size": len(raw)}
        head["inputs"].append(value)
        tail += raw
    written = encode(head)
    return Asked(
        model=parts.texts.get(1, ""),
        version=parts.texts.get(2, ""),
        body=written + bytes(tail),
        header_length=len(written),
    )


def _head(parts: _Parts) -> dict[str, Any]:
    head: dict[str, Any] = {"inputs": []}
    if parts.texts.get(3):
        head["id"] = parts.texts[3]
    if parts.outputs:
        head["outputs"] = parts.outputs
    head["parameters"] = {**parts.parameters, "binary_data_output": True}
    return head


def _parts(data: bytes, budget: _Budget, limits: Limits) -> _Parts:
    parts = _Parts()
    for number, value in _fields("the message", data, budget, dict.fromkeys(range(1, 8), _BYTES)):
        if number in (1, 2, 3):
            _once("the message", number, parts.texts)
            parts.texts[number] = _text(f"field {number} of the message", value)
        elif number == 4:  # noqa: PLR2004 - numbers of fields are the protocol's
            _add_parameter(parts.parameters, value, budget)
        elif number == 5:  # noqa: PLR2004
            _room("inputs", parts.inputs, limits)
            parts.inputs.append(_tensor(f"inputs[{len(parts.inputs)}]", value, budget, limits))
        elif number == 6:  # noqa: PLR2004
            _room("outputs", parts.outputs, limits)
            parts.outputs.append(_output(value, budget))
        else:
            _room("raw_input_contents", parts.raw, limits)
            parts.raw.append(value)
    return parts


def _room(where: str, held: Sequence[Any], limits: Limits) -> None:
    if len(held) >= limits.max_tensors:
        at_most(where, "number of entries", limits.max_tensors, "more")


def _tensor(where: str, data: bytes, budget: _Budget, limits: Limits) -> _Tensor:
    texts: dict[int, str] = {}
    shape: list[int] | None = None
    parameters: dict[str, Any] = {}
    contents = None
    for number, value in _fields(where, data, budget, dict.fromkeys(range(1, 6), _BYTES)):
        if number in (1, 2):
            _once(where, number, texts)
            texts[number] = _text(where, value)
        elif number == 3:  # noqa: PLR2004
            if shape is not None:
                _twice(where, number)
            shape = _varints(f"{where}.shape", value, limits.max_rank).tolist()
        elif number == 4:  # noqa: PLR2004
            _add_parameter(parameters, value, budget)
        else:
            if contents is not None:
                _twice(where, number)
            contents = value
    return _Tensor(
        name=texts.get(1, ""),
        datatype=texts.get(2, ""),
        shape=shape or [],
        parameters=parameters,
        contents=contents,
    )


def _output(data: bytes, budget: _Budget) -> dict[str, Any]:
    texts: dict[int, str] = {}
    parameters: dict[str, Any] = {}
    for number, value in _fields("outputs", data, budget, {1: _BYTES, 2: _BYTES}):
        if number == 1:
            _once("outputs", number, texts)
            texts[number] = _text("outputs", value)
        else:
            _add_parameter(parameters, value, budget)
    found: dict[str, Any] = {"name": texts.get(1, "")}
    return {**found, "parameters": parameters} if parameters else found


def _add_parameter(held: dict[str, Any], data: bytes, budget: _Budget) -> None:
    """An entry of a map: a key, and a message with one of several values."""
    found: dict[int, bytes] = {}
    for number, value in _fields("parameters", data, budget, {1: _BYTES, 2: _BYTES}):
        _once("parameters", number, found)
        found[number] = value
    name = _text("parameters", found.get(1, b""))
    if name in held:
        refuse("parameters", "no key stands twice in one object", "one value", "two")
    if name.startswith(_RAW):
        refuse("parameters", "raw bytes lie where the message says", "no such parameter", "one")
    kinds = {1: _VARINT, 2: _VARINT, 3: _BYTES}
    values = list(_fields("parameters", found.get(2, b""), budget, kinds))
    if len(values) != 1:
        refuse("parameters", "one value for each key", "one", str(len(values)))
    held[name] = _parameter(*values[0])


def _parameter(number: int, value: bytes) -> Any:
    kind = _PARAMETERS[number]
    if kind == "string_param":
        return _text("parameters", value)
    whole = int(_varints("parameters", value, 1)[0])
    return bool(whole) if kind == "bool_param" else whole


# Values of a tensor ------------------------------------------------------------------


def _own(place: int, tensor: _Tensor, budget: _Budget, limits: Limits) -> bytes:
    """The raw bytes of a tensor whose values lie in its own contents."""
    where = f"inputs[{place}].contents"
    try:
        datatype = Datatype(tensor.datatype)
    except ValueError:
        return b""  # the reader of the JSON says what is wrong with the type
    kinds = dict.fromkeys(_CONTENTS, _BYTES)
    found = list(_fields(where, tensor.contents or b"", budget, kinds))
    for number, _ in found:
        if datatype not in _CONTENTS[number][1]:
            refuse(where, "values in the field of their type", f"that of {datatype}", "another")
    if datatype is Datatype.BYTES:
        return b"".join(len(value).to_bytes(4, "little") + value for _, value in found)
    if len(found) > 1:
        _twice(where, found[0][0])
    if not found:
        return b""
    number, packed = found[0]
    if _CONTENTS[number][0] != _VARINT:
        return packed
    return _whole(where, packed, datatype, limits)


def _whole(where: str, packed: bytes, datatype: Datatype, limits: Limits) -> bytes:
    values = _varints(where, packed, limits.max_elements)
    if datatype is Datatype.BOOL:
        low, high, kind = 0, 1, "<u1"
    else:
        (low, high), kind = BOUNDS[datatype], datatype.numpy  # type: ignore[assignment]  # whole
    if datatype is Datatype.UINT64:
        values = values.view("<u8")
    if len(values) and not (low <= int(values.min()) and int(values.max()) <= high):
        refuse(where, "range of the datatype", f"a number of {datatype}", "another")
    written: bytes = values.astype(kind).tobytes()
    return written


def _varints(where: str, packed: bytes, most: int) -> Any:
    """Packed whole numbers, as signed 64-bit integers."""
    import numpy as np

    data = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(data < 0x80)  # noqa: PLR2004 - the continuation bit
    if len(ends) > most:
        at_most(where, "number of values", most, len(ends))
    if not len(data):
        return np.zeros(0, "<i8")
    if not len(ends) or ends[-1] != len(data) - 1:
        _malformed(where, "a number that never ends")
    starts = np.concatenate(([0], ends[:-1] + 1))
    sizes = ends - starts + 1
    if int(sizes.max()) > _MAX_VARINT:
        _malformed(where, "a number that is too long")
    places = np.arange(len(data)) - np.repeat(starts, sizes)
    parts = (data & 0x7F).astype("<u8") << (7 * places).astype("<u8")
    return np.add.reduceat(parts, starts).view("<i8")


# The wire ----------------------------------------------------------------------------


def _fields(
    where: str, data: bytes, budget: _Budget, kinds: Mapping[int, int]
) -> Iterable[tuple[int, bytes]]:
    """The fields of a message, each with its bytes; only those in ``kinds``, as written there."""
    at = 0
    while at < len(data):
        budget.spend()
        tag, at = _number(where, data, at)
        number, wire = tag >> 3, tag & 7
        if kinds.get(number) != wire:
            refuse(where, "no field but those of the protocol", "a known field", "another")
        if wire == _VARINT:
            _, end = _number(where, data, at)
        elif wire == _BYTES:
            size, at = _number(where, data, at)
            end = at + size
        else:
            end = at + (8 if wire == _FIXED64 else 4)
        if end > len(data):
            _malformed(where, "a field that reaches beyond the message")
        yield number, data[at:end]
        at = end


def _number(where: str, data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + _MAX_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at + place + 1
    return _malformed(where, "a number that never ends")


def _text(where: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse(where, "names and texts are text", "UTF-8", "other bytes", error)


def _once(where: str, number: int, held: Mapping[int, Any]) -> None:
    if number in held:
        _twice(where, number)


def _twice(where: str, number: int) -> NoReturn:
    refuse(where, "what is not repeated stands once", "one value", f"two of field {number}")


def _malformed(where: str, found: str) -> NoReturn:
    refuse(where, "the wire format of protocol buffers", "one well-formed message", found)


# Writing -----------------------------------------------------------------------------


def write_response(body: bytes, header_length: int) -> bytes:
    """A response of the binary tensor extension as a ``ModelInferResponse``."""
    head = json.loads(body[:header_length])
    at, tensors, raws = header_length, [], []
    for tensor in head["outputs"]:
        size = tensor["parameters"]["binary_data_size"]
        raws.append(body[at : at + size])
        at += size
        tensors.append(described(tensor))
    texts = (head["model_name"], head.get("model_version") or "", head.get("id") or "")
    return b"".join(
        (
            *(_field(number, text.encode()) for number, text in enumerate(texts, 1) if text),
            *(_field(5, tensor) for tensor in tensors),
            *(_field(6, raw) for raw in raws),
        )
    )


def described(tensor: Mapping[str, Any]) -> bytes:
    """Name, type and shape of a tensor, as all messages write them."""
    shape = b"".join(_varint(size & ((1 << 64) - 1)) for size in tensor["shape"])
    name, datatype = tensor["name"].encode(), tensor["datatype"].encode()
    return _field(1, name) + _field(2, datatype) + _field(3, shape)


def write_metadata(value: Mapping[str, Any]) -> bytes:
    """The metadata of a model as a ``ModelMetadataResponse``."""
    return b"".join(
        (
            _field(1, value["name"].encode()),
            *(_field(2, version.encode()) for version in value["versions"]),
            _field(3, value["platform"].encode()),
            *(_field(4, described(tensor)) for tensor in value["inputs"]),
            *(_field(5, described(tensor)) for tensor in value["outputs"]),
        )
    )


def write_about(name: str, version: str) -> bytes:
    """A ``ServerMetadataResponse``."""
    return _field(1, name.encode()) + _field(2, version.encode())


def write_truth(*, is_so: bool) -> bytes:
    """The answer of ``ServerLive``, ``ServerReady`` and ``ModelReady``."""
    return b"\x08\x01" if is_so else b""


def read_named(data: bytes) -> tuple[str, str]:
    """Name and version in a ``ModelReadyRequest`` or ``ModelMetadataRequest``.

    Raises:
        ArtifactError: It is none.
    """
    texts: dict[int, str] = {}
    for number, value in _fields("the message", data, _Budget(2, 2), {1: _BYTES, 2: _BYTES}):
        _once("the message", number, texts)
        texts[number] = _text("the message", value)
    return texts.get(1, ""), texts.get(2, "")


def read_nothing(data: bytes) -> None:
    """A request that has no fields.

    Raises:
        ArtifactError: It has some.
    """
    if data:
        raise ArtifactError(
            "refused: no field but those of the protocol",
            subject="the message",
            rule="no field but those of the protocol",
            expected="an empty message",
            found=f"{len(data)} bytes",
        )


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
