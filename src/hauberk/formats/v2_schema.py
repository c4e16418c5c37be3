"""What a served model takes and gives: the closed schema that requests are held against.

The schema is learnt from training, signed with the model, and closed: an input that it
does not declare is refused, as is one that lies outside what it allows. Its JSON form is
canonical (sorted keys, no spaces), so that equal schemas have equal digests.

Bounds in a schema are limits, not statistics: they are set wide enough that honest values
never meet them (see `guard.bundle.learn_schema`). Refusals name the input and the rule but
neither the bound nor the value, since bounds tell of the training data.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.strict_json import MAX_DIGITS, JsonLimits, at_most, decode, refuse, shown
from hauberk.formats.v2 import BOUNDS, Datatype, Limits, Request, Tensor

SCHEMA_VERSION = 1
MAX_SCHEMA_BYTES = 8 << 20
"""A schema of 10,000 columns with 50 categories each stays below it."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but tab and line ends: no honest text needs them."""

_FEW = 64
"""Up to so many values a plain loop beats the start-up cost of numpy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What values of one column may be.

    Attributes:
        name: The column's name in training; empty where the tensor is one column.
        low: Smallest number allowed.
        high: Largest number allowed.
        categories: The only values allowed, where the set is closed.
        max_chars: Longest text allowed.
    """

    name: str = ""
    low: float | None = None
    high: float | None = None
    categories: frozenset[str | int] | None = None
    max_chars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSchema:
    """One declared input or output.

    Attributes:
        shape: ``None`` for the number of rows, which may only be the first dimension.
        columns: One rule per position of the last dimension, one rule for the whole
            tensor, or none.
        optional: Whether a request may leave the input out.
    """

    name: str
    datatype: Datatype
    shape: tuple[int | None, ...]
    columns: tuple[Rule, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSchema:
    """The signature of a served model.

    Attributes:
        max_rows: Rows in one request.
    """

    inputs: tuple[TensorSchema, ...]
    outputs: tuple[TensorSchema, ...] = ()
    max_rows: int = 10_000

    def check(self, request: Request) -> int:
        """Hold a parsed request against the schema.

        Returns:
            The number of rows, 1 where no input has any.

        Raises:
            ArtifactError: Something is not as declared.
        """
        _check_names(request, self)
        declared = {schema.name: schema for schema in self.inputs}
        rows = {check_tensor(tensor, declared[tensor.name]) for tensor in request.inputs}
        rows.discard(None)
        if len(rows) > 1:
            refuse("inputs", "all inputs have the same number of rows", "one number", "several")
        n_rows = next((n for n in rows if n is not None), 1)
        if n_rows > self.max_rows:
            at_most("inputs", "rows in one request", self.max_rows, n_rows)
        return n_rows


def widened(request: Request, schema: InputSchema) -> Request:
    """The request with numbers in the declared types, where each keeps its value exactly.

    Whole numbers go to wider whole numbers and to floats that hold each of them, floats to wider
    floats. What would be rounded, cut or read anew stays as it is, and `InputSchema.check`
    refuses it.
    """
    declared = {tensor.name: tensor.datatype for tensor in schema.inputs}
    inputs = tuple(_widened(x, declared.get(x.name, x.datatype)) for x in request.inputs)
    return replace(request, inputs=inputs)


def _widened(tensor: Tensor, wanted: Datatype) -> Tensor:
    if tensor.datatype is wanted or not (tensor.datatype.is_number and wanted.is_number):
        return tensor
    import numpy as np

    values = np.asarray(tensor.values, dtype=tensor.datatype.numpy)
    if not _keeps(values, tensor.datatype, wanted):
        return tensor
    cast: Any = values.astype(wanted.numpy)
    return replace(tensor, datatype=wanted, values=cast if len(cast) > _FEW else cast.tolist())


def _keeps(values: Any, given: Datatype, wanted: Datatype) -> bool:
    """Whether every value is the same number in the other type."""
    (low, high), (least, most) = BOUNDS[given], BOUNDS[wanted]
    if given.is_float or not wanted.is_float:
        return given.is_float is wanted.is_float and least <= low and high <= most
    exact = _EXACT[wanted]
    return -exact <= int(values.min()) and int(values.max()) <= exact


_EXACT = {Datatype.FP16: 1 << 11, Datatype.FP32: 1 << 24, Datatype.FP64: 1 << 53}
"""Up to here every whole number is a float of its own (IEEE 754: digits of the significand)."""


def limits_for(schema: InputSchema, outer: Limits) -> Limits:
    """The narrowest limits within ``outer`` in which every allowed request fits.

    What the schema cannot need is then refused by the first look at the raw bytes.
    """
    n_tensors = len(schema.inputs) + len(schema.outputs)
    has_text = any(tensor.datatype is Datatype.BYTES for tensor in schema.inputs)
    per_row = sum(math.prod(size or 1 for size in tensor.shape) for tensor in schema.inputs)
    n_elements = min(outer.max_elements, schema.max_rows * per_row)
    # A value brings a comma; nested rows bring brackets; a text may hold commas of its own.
    n_values = 4 * n_elements + 32 * n_tensors + _SPARE_VALUES
    n_bytes = _BYTES_PER_VALUE * n_elements + _BYTES_PER_TENSOR * n_tensors + _SPARE_BYTES
    return replace(
        outer,
        json=replace(
            outer.json,
            max_bytes=outer.json.max_bytes if has_text else min(outer.json.max_bytes, n_bytes),
            max_values=outer.json.max_values if has_text else min(outer.json.max_values, n_values),
            max_objects=2 * n_tensors + _SPARE_OBJECTS,
            max_keys=_MAX_KEYS,
        ),
        max_tensors=n_tensors,
        max_elements=n_elements,
    )


_BYTES_PER_VALUE = MAX_DIGITS + 32
"""The longest number that is read, with its comma and the blanks of an indented document."""

_BYTES_PER_TENSOR = 2 << 10
_SPARE_BYTES = 32 << 10
"""Names, shapes, parameters and an id."""

_SPARE_VALUES = 64
_SPARE_OBJECTS = 16
_MAX_KEYS = 16
"""The protocol has at most five fields in an object; more are looked at only to name one."""


def _check_names(request: Request, schema: InputSchema) -> None:
    given = {tensor.name for tensor in request.inputs}
    known = {tensor.name for tensor in schema.inputs}
    if not given <= known:
        stray = shown(min(given - known))
        refuse("inputs", "only declared inputs", "the inputs of the model's metadata", stray)
    missing = {item.name for item in schema.inputs if not item.optional} - given
    if missing:
        refuse("inputs", "every declared input", "all inputs present", f"no {shown(min(missing))}")
    known_outputs = {tensor.name for tensor in schema.outputs}
    for output in request.outputs if schema.outputs else ():
        if output.name not in known_outputs:
            refuse("outputs", "only declared outputs", "a declared output", shown(output.name))


def check_tensor(tensor: Tensor, schema: TensorSchema) -> int | None:
    """Hold one tensor against its declaration.

    Returns:
        Rows of the tensor, or ``None`` where its shape has no row dimension.

    Raises:
        ArtifactError: It is not as declared.
    """
    where = f"input {shown(tensor.name)}"
    if tensor.datatype is not schema.datatype:
        refuse(where, "declared datatype", schema.datatype, tensor.datatype)
    fits = len(tensor.shape) == len(schema.shape) and all(
        want is None or want == size for size, want in zip(tensor.shape, schema.shape, strict=True)
    )
    if not fits:
        wanted = "x".join("rows" if size is None else str(size) for size in schema.shape)
        refuse(where, "declared shape", wanted, "x".join(map(str, tensor.shape)))
    if schema.columns:
        _check_columns(where, tensor, schema.columns)
    return tensor.shape[0] if schema.shape and schema.shape[0] is None else None


def _check_columns(where: str, tensor: Tensor, rules: Sequence[Rule]) -> None:
    if tensor.datatype.is_number and len(tensor.values) > _FEW:
        _check_many_numbers(where, tensor, rules)
        return
    width = len(rules)
    for position, rule in enumerate(rules):
        _check_column(where, tensor.values[position::width], rule, tensor.datatype)


def _check_column(where: str, values: Iterable[Any], rule: Rule, datatype: Datatype) -> None:
    if rule.categories is not None and not rule.categories.issuperset(values):
        _refuse_column(where, rule, "declared categories", "a category known from training")
    if datatype.is_number:
        _check_range(where, min(values), max(values), rule)
    elif datatype is Datatype.BYTES:
        _check_text(where, values, rule)


def _check_range(where: str, low: float, high: float, rule: Rule) -> None:
    if (rule.low is not None and low < rule.low) or (rule.high is not None and high > rule.high):
        _refuse_column(where, rule, "declared range", "a value inside the served range")


def _check_text(where: str, values: Iterable[str], rule: Rule) -> None:
    for text in values:
        if rule.max_chars is not None and len(text) > rule.max_chars:
            _refuse_column(where, rule, "declared length of text", "a shorter text")
        if _CONTROL.search(text):
            _refuse_column(where, rule, "no control characters", "printable text")


def _check_many_numbers(where: str, tensor: Tensor, rules: Sequence[Rule]) -> None:
    import numpy as np

    table = np.asarray(tensor.values).reshape(-1, len(rules))
    lows, highs = table.min(axis=0).tolist(), table.max(axis=0).tolist()
    for rule, low, high, position in zip(rules, lows, highs, range(len(rules)), strict=True):
        _check_range(where, low, high, rule)
        if rule.categories is not None:
            _check_column(where, table[:, position].tolist(), rule, tensor.datatype)


def _refuse_column(where: str, rule: Rule, broken: str, expected: str) -> None:
    subject = f"{where}, column {shown(rule.name)}" if rule.name else where
    refuse(subject, broken, expected, "something else")


def request_for(schema: InputSchema, rows: Sequence[Mapping[str, Any]]) -> Request:
    """A request with ``rows``, whose keys are the names of inputs or of their columns.

    Numbers are cast to the declared type, so that rows may come from tables as they are.

    Raises:
        ArtifactError: There are no rows, or one lacks a column.
    """
    if not rows:
        raise ArtifactError("a request needs rows", expected="at least 1", found="0")
    return Request(inputs=tuple(_tensor_for(tensor, rows) for tensor in schema.inputs))


def _tensor_for(schema: TensorSchema, rows: Sequence[Mapping[str, Any]]) -> Tensor:
    named = [rule.name for rule in schema.columns if rule.name] or [schema.name]
    try:
        values = [_cast(row[name], schema.datatype) for row in rows for name in named]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            "a row does not fit the schema",
            subject=f"input {shown(schema.name)}",
            rule="every declared column",
            expected=", ".join(named[:8]),
            found=f"{type(error).__name__} while reading a row",
        ) from error
    shape = (len(rows), *(size or 1 for size in schema.shape[1:]))
    return Tensor(name=schema.name, datatype=schema.datatype, shape=shape, values=values)


def _cast(value: Any, datatype: Datatype) -> Any:
    if datatype is Datatype.BYTES:
        return str(value)
    if datatype is Datatype.BOOL:
        return bool(value)
    return float(value) if datatype.is_float else int(value)


# As bytes ----------------------------------------------------------------------------


def to_bytes(schema: InputSchema) -> bytes:
    """Canonical JSON; the same schema always gives the same bytes."""
    value = {
        "schema": SCHEMA_VERSION,
        "inputs": [_tensor_value(tensor) for tensor in schema.inputs],
        "outputs": [_tensor_value(tensor) for tensor in schema.outputs],
        "max_rows": schema.max_rows,
    }
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _tensor_value(tensor: TensorSchema) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.datatype.value,
        "shape": [-1 if size is None else size for size in tensor.shape],
        "columns": [_rule_value(rule) for rule in tensor.columns],
        "optional": tensor.optional,
    }


def _rule_value(rule: Rule) -> dict[str, Any]:
    categories = rule.categories
    ordered = None if categories is None else sorted(categories, key=lambda item: (str(item), 0))
    return {
        "name": rule.name,
        "low": rule.low,
        "high": rule.high,
        "categories": ordered,
        "max_chars": rule.max_chars,
    }


def from_bytes(data: bytes) -> InputSchema:
    """The schema that `to_bytes` wrote.

    Raises:
        ArtifactError: The bytes are no schema of this version.
    """
    value = decode(data, JsonLimits(max_bytes=MAX_SCHEMA_BYTES))
    try:
        return _schema_of(value)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            "not a schema of a served model",
            subject="schema",
            rule="schema of version 1",
            expected="inputs, outputs and max_rows of the declared types",
            found=f"{type(error).__name__} while reading it",
        ) from error


def _schema_of(value: Mapping[str, Any]) -> InputSchema:
    _only(value, {"schema", "inputs", "outputs", "max_rows"})
    if value["schema"] != SCHEMA_VERSION:
        raise ValueError("version")
    inputs = tuple(map(_tensor_of, value["inputs"]))
    if not inputs or len({tensor.name for tensor in inputs}) != len(inputs):
        raise ValueError("inputs")
    return InputSchema(
        inputs=inputs,
        outputs=tuple(map(_tensor_of, value["outputs"])),
        max_rows=_positive(value["max_rows"]),
    )


def _tensor_of(value: Mapping[str, Any]) -> TensorSchema:
    _only(value, {"name", "datatype", "shape", "columns", "optional"})
    shape = tuple(None if size == -1 else _positive(size) for size in value["shape"])
    columns = tuple(map(_rule_of, value["columns"]))
    if None in shape[1:] or not shape or len(columns) not in (0, 1, shape[-1]):
        raise ValueError("shape")
    return TensorSchema(
        name=_text(value["name"]),
        datatype=Datatype(value["datatype"]),
        shape=shape,
        columns=columns,
        optional=value["optional"] is True,
    )


def _rule_of(value: Mapping[str, Any]) -> Rule:
    _only(value, {"name", "low", "high", "categories", "max_chars"})
    categories = value["categories"]
    return Rule(
        name=_text(value["name"]),
        low=_number(value["low"]),
        high=_number(value["high"]),
        categories=None if categories is None else frozenset(categories),
        max_chars=None if value["max_chars"] is None else _positive(value["max_chars"]),
    )


def _only(value: Mapping[str, Any], names: set[str]) -> None:
    if type(value) is not dict or set(value) != names:
        raise ValueError("fields")


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("text")
    return value


def _positive(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("positive integer")
    return value


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("number")
    return float(value) if type(value) is float else value
