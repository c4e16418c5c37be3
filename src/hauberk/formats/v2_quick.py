"""Requests of one schema, read in a few steps where a few steps prove that they are in order.

The strict reader (`formats.v2`) looks at every bracket of a message before it is decoded. Most
messages need less: a decoder that knows the protocol's fields refuses all others, and a key that
stood twice would have left one colon more in the body than the decoded fields account for. So a
`QuickReader` decodes first and proves afterwards:

1. No backslash, so that every key and text stands as it is written.
2. Typed decoding, without unknown fields; numbers of integer types have no point or exponent.
3. As many colons as fields and texts have: no key stands twice.
4. No more commas, brackets, quotes and digits than the limits allow.
5. Inputs, types, shapes, ranges and categories are those of the schema.

Whatever it cannot prove it leaves alone (``None``), and the strict reader decides. It refuses
nothing by itself, and what it accepts the strict reader accepts, with the same meaning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from types import MappingProxyType
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.strict_json import MAX_DIGITS
from hauberk.formats.v2 import (
    BOUNDS,
    MARKUP,
    PLAIN,
    Datatype,
    Limits,
    Request,
    Tensor,
    check_values,
    request_from,
    tensor_from,
)
from hauberk.formats.v2_schema import InputSchema, TensorSchema, check_tensor

_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_TOO_MANY_DIGITS = b"0" * (MAX_DIGITS + 1)
_MIN_DEPTH = 6
"""Brackets of a request whose data stands in rows."""

_MAX_FIELDS = 5
_FIELDS = 4
"""Keys of a tensor without parameters: each has its colon."""

_FEW = 64
"""Up to so many values a plain loop beats the start-up cost of numpy."""

_UTF8 = 4
_NONE: Mapping[str, Any] = MappingProxyType({})
_ROWS = 2
"""Levels of brackets around values that stand in rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """What is known of one input before the first request.

    Attributes:
        is_whole: Whether its numbers have no fractions.
        tail: The dimensions behind the number of rows.
        ranges: Lowest and highest number of each column, or of all of them.
        flat: Decoder of a row of values.
        nested: Decoder of rows of them.
        is_plain: Whether the ranges say all there is to check of its columns.
        is_floats: Whether its values are floats in any number of rows, and plain.
    """

    schema: TensorSchema
    datatype: str
    is_text: bool
    is_whole: bool
    rank: int
    rows: int | None
    tail: list[int]
    per_row: int
    ranges: tuple[tuple[float, float], ...] | None
    flat: Callable[[Any], Any]
    nested: Callable[[Any], Any]
    is_plain: bool
    is_floats: bool


class QuickReader:
    """Reads requests of ``schema`` within ``limits``; used after `reader_for`."""

    def __init__(
        self,
        schema: InputSchema,
        limits: Limits,
        decode: Callable[[bytes], Any],
        decode_floats: Callable[[bytes], Any],
    ) -> None:
        self._decode = decode
        self._decode_floats = decode_floats
        self._errors: tuple[type[Exception], ...] = (
            *_errors(),
            ValueError,
            ArtifactError,
            RecursionError,
        )
        self._limits = limits
        has_text = any(tensor.datatype is Datatype.BYTES for tensor in schema.inputs)
        self._has_text = has_text
        bounds = limits.json
        self._max_bytes = (
            min(bounds.max_bytes, bounds.max_string_bytes) if has_text else bounds.max_bytes
        )
        self._max_rows = schema.max_rows
        self._inputs = {tensor.name: _input(tensor) for tensor in schema.inputs}
        self._required = sum(not tensor.optional for tensor in schema.inputs)
        known = next(iter(self._inputs.values()), None)
        is_one = len(self._inputs) == 1 and known is not None and known.is_floats
        self._only = known if is_one else None

    def read(self, body: bytes) -> Request | None:
        """The request, where it is proved to be one; ``None`` where the strict reader decides."""
        if not self._is_small(body):
            return None
        found = None if self._only is None else self._floats(self._only, body)
        return found or self._read(body)

    def _read(self, body: bytes) -> Request | None:
        try:
            top = self._decode(body)
            colons = 1 + (_FIELDS * len(top.inputs))
            name = top.id
            if name.__class__ is str:
                if len(name) > self._limits.max_name or not PLAIN.fullmatch(name):
                    return None
                colons += 1 + name.count(":")
            else:
                name = None
            tensors = self._tensors(top.inputs)
        except self._errors:
            return None
        if tensors is None:
            return None
        if self._has_text:
            colons += _colons_in(tensors)
        if body.count(b":") != colons:
            return None
        return request_from(tensors, (), name, _NONE)

    def _floats(self, known: _Input, body: bytes) -> Request | None:
        """A request for the one input of a model, a flat list of floats; the usual one."""
        try:
            top = self._decode_floats(body)
        except self._errors:
            return None
        inputs = top.inputs
        if top.id.__class__ is str or len(inputs) != 1 or body.count(b":") != 1 + _FIELDS:
            return None
        item = inputs[0]
        values, shape = item.data, item.shape
        n_rows = shape[0] if len(shape) == known.rank else 0
        if (
            item.name != known.schema.name
            or item.datatype != known.datatype
            or shape[1:] != known.tail
            or not 0 < n_rows <= self._max_rows
            or n_rows * known.per_row != len(values)
            or not 0 < len(values) <= min(_FEW, self._limits.max_elements)
            or not _is_inside(known, values)
        ):
            return None
        tensor = tensor_from(item.name, known.schema.datatype, tuple(shape), values, _NONE)
        return request_from((tensor,), (), None, _NONE)

    def _is_small(self, body: bytes) -> bool:
        """Whether the first look at the bytes lets them pass."""
        if len(body) > self._max_bytes or b"\\" in body:
            return False
        bounds = self._limits.json
        if 2 * len(body) >= bounds.max_values:  # else there is no room for so many
            marks = body.count(b",") + body.count(b'"')
            if marks + 2 * (body.count(b"[") + body.count(b"{")) >= bounds.max_values:
                return False
        return _TOO_MANY_DIGITS not in body.translate(_DIGITS)

    def _tensors(self, given: Sequence[Any]) -> tuple[Tensor, ...] | None:
        tensors: list[Tensor] = []
        missing, n_rows, room = self._required, None, self._limits.max_elements
        seen = set()
        for item in given:
            known = self._inputs.get(item.name)
            if known is None or item.name in seen or item.datatype != known.datatype:
                return None
            seen.add(item.name)
            tensor = _tensor(known, item, room)
            if tensor is None:
                return None
            room -= len(tensor.values)
            missing -= not known.schema.optional
            if known.rows is None:
                if tensor.shape[0] > self._max_rows or n_rows not in (None, tensor.shape[0]):
                    return None
                n_rows = tensor.shape[0]
            tensors.append(tensor)
        return tuple(tensors) if tensors and not missing and room >= 0 else None


def reader_for(schema: InputSchema, limits: Limits) -> QuickReader | None:
    """A reader for the requests of a schema.

    Returns:
        ``None`` where there is no decoder for it, or where the limits are so narrow that each
        request has to be counted.
    """
    try:
        import msgspec
    except ImportError:
        return None
    bounds = limits.json
    is_wide = bounds.max_depth >= _MIN_DEPTH and bounds.max_keys >= _MAX_FIELDS
    names = [tensor.name for tensor in schema.inputs]
    is_wide = is_wide and bounds.max_objects > len(names) and limits.max_tensors >= len(names)
    longest = min(limits.max_name, bounds.max_string_bytes // _UTF8)
    if not is_wide or not all(_is_usual(name, longest) for name in names):
        return None
    tensor = msgspec.defstruct(
        "Tensor",
        [("name", str), ("shape", list[int | float]), ("datatype", str), ("data", msgspec.Raw)],
        forbid_unknown_fields=True,
        gc=False,
    )
    request = msgspec.defstruct(
        "Request",
        [("inputs", list[tensor]), ("id", str | msgspec.UnsetType, msgspec.UNSET)],  # type: ignore[valid-type]  # made just now
        forbid_unknown_fields=True,
        gc=False,
    )
    floats = _floats_alone()
    return QuickReader(schema, limits, msgspec.json.Decoder(request).decode, floats.decode)


def _floats_alone() -> Any:
    """A decoder of requests whose tensors are flat lists of floats."""
    import msgspec

    tensor = msgspec.defstruct(
        "Floats",
        [("name", str), ("shape", list[int]), ("datatype", str), ("data", list[float])],
        forbid_unknown_fields=True,
        gc=False,
    )
    request = msgspec.defstruct(
        "FloatsRequest",
        [("inputs", list[tensor]), ("id", str | msgspec.UnsetType, msgspec.UNSET)],  # type: ignore[valid-type]  # made just now
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(request)


@cache
def _errors() -> tuple[type[Exception], ...]:
    import msgspec

    return (msgspec.MsgspecError,)


def _is_usual(name: str, longest: int) -> bool:
    """Whether the strict reader takes a name, and it has no colon."""
    return (
        len(name) <= longest and name.isprintable() and ":" not in name and MARKUP.isdisjoint(name)
    )


def _input(schema: TensorSchema) -> _Input:
    import msgspec

    kind: Any = float if schema.datatype.is_float else int if schema.datatype.is_number else str
    kind = bool if schema.datatype is Datatype.BOOL else kind
    tail = tuple(size for size in schema.shape[1:] if size is not None)
    low, high = BOUNDS.get(schema.datatype, (-math.inf, math.inf))
    ranges = tuple(
        (
            low if rule.low is None else max(low, rule.low),
            high if rule.high is None else min(high, rule.high),
        )
        for rule in schema.columns
    )
    is_plain = schema.datatype.is_number and all(r.categories is None for r in schema.columns)
    return _Input(
        schema=schema,
        datatype=schema.datatype.value,
        is_text=schema.datatype is Datatype.BYTES,
        is_whole=schema.datatype.is_number and not schema.datatype.is_float,
        rank=len(schema.shape),
        rows=schema.shape[0],
        tail=list(tail),
        per_row=math.prod(tail),
        ranges=(ranges or ((low, high),)) if schema.datatype.is_number else None,
        flat=msgspec.json.Decoder(list[kind]).decode,
        nested=msgspec.json.Decoder(list[list[kind]]).decode,
        is_plain=is_plain,
        is_floats=is_plain and schema.datatype.is_float and schema.shape[0] is None,
    )


def _tensor(known: _Input, item: Any, room: int) -> Tensor | None:
    """The tensor, where it is as declared."""
    shape = item.shape
    if len(shape) != known.rank or shape[1:] != known.tail:
        return None
    for size in shape:
        if size.__class__ is not int:
            return None
    n_rows = shape[0]
    wanted = n_rows * known.per_row
    if not (0 < wanted <= room and known.rows in (None, n_rows)):
        return None
    values = _values(known, bytes(item.data), shape)
    if values is None or len(values) != wanted or not _is_inside(known, values):
        return None
    found = tensor_from(item.name, known.schema.datatype, tuple(shape), values, _NONE)
    if not known.is_plain:
        check_values("", found.values, known.schema.datatype)
        check_tensor(found, known.schema)
    return found


def _values(known: _Input, raw: bytes, shape: Sequence[int]) -> Any:
    if raw[:1] != b"[":
        return None
    if known.is_whole and (b"." in raw or b"e" in raw or b"E" in raw):
        return None
    if raw[1:2] != b"[":
        values = known.flat(raw)
    else:
        rows = known.nested(raw)
        if len(shape) != _ROWS or {len(row) for row in rows} != {shape[1]}:
            return None
        values = list(chain.from_iterable(rows))
    if len(values) > _FEW and known.schema.datatype.is_float:
        import numpy as np

        return np.array(values, np.float64)
    return values


def _is_inside(known: _Input, values: Any) -> bool:
    """Whether numbers are in their ranges; texts and truth values are looked at elsewhere."""
    ranges = known.ranges
    if ranges is None:
        return True
    if len(values) <= _FEW or isinstance(values, list):
        width = len(ranges)
        if width == len(values):
            for x, (low, high) in zip(values, ranges, strict=True):  # noqa: SIM110 - thrice as quick
                if not low <= x <= high:
                    return False
            return True
        return all(
            low <= min(column) and max(column) <= high
            for column, (low, high) in (
                (values[place::width], ranges[place]) for place in range(width)
            )
        )
    table = values.reshape(-1, len(ranges))
    lows, highs = table.min(axis=0).tolist(), table.max(axis=0).tolist()
    return all(
        low <= least and most <= high
        for least, most, (low, high) in zip(lows, highs, ranges, strict=True)
    )


def _colons_in(tensors: Sequence[Tensor]) -> int:
    """Colons inside the texts of a request."""
    return sum(
        text.count(":")
        for tensor in tensors
        if tensor.datatype is Datatype.BYTES
        for text in tensor.values
    )


class AnswerWriter:
    """Writes answers of one model as `formats.v2.write_response` does, in one step.

    It looks at nothing but whether floats are finite; what is not is left to the strict writer
    (``None``), as are tensors with parameters and values that lie in arrays.
    """

    def __init__(self, model_name: str, model_version: str, kinds: tuple[Any, Any]) -> None:
        import msgspec

        self._name = model_name
        self._version = model_version
        self._response, self._tensor = kinds
        self._encode = msgspec.json.Encoder().encode
        self._no_id = msgspec.UNSET

    def write(self, name: str | None, outputs: tuple[Tensor, ...]) -> bytes | None:
        """The answer to a request with this id."""
        written = []
        for tensor in outputs:
            values: Any = tensor.values
            if values.__class__ is not list:
                values = values.tolist()
            if tensor.parameters:
                return None
            if tensor.datatype.is_float and not math.isfinite(sum(values)):
                return None
            written.append(self._tensor(tensor.name, tensor.shape, tensor.datatype.plain, values))
        chosen = self._no_id if name is None else name
        return self._encode(self._response(self._name, self._version, chosen, written))


def writer_for(model_name: str, model_version: str) -> AnswerWriter | None:
    """A writer of the answers of a model; ``None`` where there is no encoder for it."""
    try:
        import msgspec
    except ImportError:
        return None
    tensor = msgspec.defstruct(
        "Tensor",
        [("name", str), ("shape", tuple[int, ...]), ("datatype", str), ("data", list[Any])],
        gc=False,
    )
    response = msgspec.defstruct(
        "Response",
        [
            ("model_name", str),
            ("model_version", str),
            ("id", str | msgspec.UnsetType),
            ("outputs", list[Any]),
        ],
        gc=False,
    )
    return AnswerWriter(model_name, model_version, (response, tensor))
