"""The closed schema of requests, learnt from the model's signature and the training profile.

What is learnt are limits that honest values do not meet, since a schema refuses every time:

* A number may lie one whole training span beyond the smallest and largest value seen.
* A column that hardly moved in training, among many of one kind that begin at the same value (the
  border of pictures, one column a pixel), may take what the others of its kind take.
* A set of categories is closed when training left hardly a chance of another one. The chance
  that the next value is new is about the share of values seen exactly once (Good, 1953); with
  none seen once among at least `MIN_CLOSED` values, new ones are not expected.
* A text may be four times as long as the longest one seen.

Limits:
    Missing cells have no form in the protocol but the empty text; a client fills numbers in
    before it asks. Columns are limited one by one; combinations are left to statistics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hauberk.core.artifact import ROW_COLUMN, ColumnKind
from hauberk.errors import UsageError
from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, Rule, TensorSchema

if TYPE_CHECKING:
    from hauberk.sketches.profile import ColumnProfile, Profile

MIN_CLOSED = 100
MAX_ROWS = 1000
SPANS = 1.0
"""How many training spans a number may lie outside what training saw."""

MIN_ALIKE = 16
"""Columns whose names differ by numbers alone that make a kind."""

_MOST = 0.8
_STILL = 0.25
_NUMBER = re.compile(r"\d+")

TEXT_FACTOR = 4
_TRUTH = {"true": 1, "false": 0}
_SPARE_CHARS = 16
_IMAGE_RANK = 3


def learn_schema(
    profile: Profile,
    signature: InputSchema,
    *,
    features: Sequence[str] = (),
    max_rows: int = MAX_ROWS,
) -> InputSchema:
    """The schema that requests to a model are held against.

    Args:
        profile: Of the rows that the model was trained on.
        signature: Of the model itself, see `guard.runtime.open_model`.
        features: Columns in the order in which they make up a tensor, where the model takes
            one tensor of all; by default every column but the label and row ids.
        max_rows: Rows in one request.

    Raises:
        UsageError: A tensor of features is not as wide as there are features.
    """
    names = tuple(features) or tuple(
        column.name for column in profile.columns if column.name not in (profile.label, ROW_COLUMN)
    )
    known = {column.name: column for column in profile.columns}
    bounds = _bounds(known[name] for name in names if name in known)
    inputs = tuple(_learnt(tensor, known, names, bounds) for tensor in signature.inputs)
    return InputSchema(inputs=inputs, outputs=signature.outputs, max_rows=max_rows)


def _learnt(
    tensor: TensorSchema,
    known: dict[str, ColumnProfile],
    names: tuple[str, ...],
    bounds: dict[str, Bounds],
) -> TensorSchema:
    rows_first = (None, *tensor.shape[1:])
    if tensor.name in known:
        shape = tuple(1 if size is None else size for size in rows_first[1:])
        rule = _rule(known[tensor.name], tensor.datatype, bounds.get(tensor.name))
        rule = replace(rule, name="")
        return replace(tensor, shape=(None, *shape), columns=(rule,))
    if len(tensor.shape) >= _IMAGE_RANK or _is_image(known, names):
        return replace(tensor, shape=_image_shape(rows_first, known, names))
    width = rows_first[1] if len(rows_first) > 1 else 1
    if width not in (None, len(names)):
        raise UsageError(
            "the model takes another number of features than the profile has",
            subject=f"input {tensor.name}",
            rule="one column of the training data per feature",
            expected=str(width),
            found=f"{len(names)}: {', '.join(names[:8])}",
            hint="name the features in the order in which the model takes them",
        )
    missing = [name for name in names if name not in known]
    if missing:
        raise UsageError("the profile lacks a feature", subject=missing[0])
    rules = tuple(_rule(known[name], tensor.datatype, bounds.get(name)) for name in names)
    return replace(tensor, shape=(None, len(names)), columns=rules)


Bounds = tuple[float, float]


def _bounds(columns: Iterable[ColumnProfile]) -> dict[str, Bounds]:
    """What columns of numbers took in training; what hardly moved, what its kind took."""
    found: dict[str, Bounds] = {}
    kinds: dict[str, list[str]] = {}
    for column in columns:
        if column.low is not None and column.high is not None and not column.is_vector:
            found[column.name] = column.low, column.high
            kinds.setdefault(_NUMBER.sub("#", column.name), []).append(column.name)
    for alike in kinds.values():
        low = min(found[name][0] for name in alike)
        high = max(found[name][1] for name in alike)
        same = sum(found[name][0] == low for name in alike)
        if len(alike) >= MIN_ALIKE and same >= _MOST * len(alike):
            for name in alike:
                if found[name][1] - found[name][0] < _STILL * (high - low):
                    found[name] = low, high
    return found


def _is_image(known: dict[str, ColumnProfile], names: tuple[str, ...]) -> bool:
    if len(names) != 1 or names[0] not in known:
        return False
    return known[names[0]].kind is ColumnKind.IMAGE or known[names[0]].is_vector


def _image_shape(
    shape: tuple[int | None, ...], known: dict[str, ColumnProfile], names: tuple[str, ...]
) -> tuple[int | None, ...]:
    """The model's shape, with what it leaves open taken from the only image column."""
    if None not in shape[1:]:
        return shape
    pixels = known[names[0]].shape if _is_image(known, names) else ()
    if len(shape) - 1 == len(pixels):
        return (None, *pixels)
    return (None, math.prod(pixels)) if pixels else shape


def _rule(column: ColumnProfile, datatype: Datatype, bounds: Bounds | None) -> Rule:
    if datatype is Datatype.BYTES:
        return _text_rule(column)
    if column.is_vector:
        return Rule(name=column.name)
    if column.low is None or column.high is None:
        return _coded_rule(column)
    low, high = _widened(*(bounds or (column.low, column.high)))
    if not datatype.is_float:
        low, high = math.floor(low), math.ceil(high)
    return Rule(name=column.name, low=low, high=high)


def _widened(low: float, high: float) -> tuple[float, float]:
    span = (high - low) or max(abs(high), 1.0)
    return low - SPANS * span, high + SPANS * span


def _text_rule(column: ColumnProfile) -> Rule:
    categories = _closed(column)
    if categories is not None:
        unknown = {""} if column.missing else set()
        return Rule(name=column.name, categories=frozenset(categories) | unknown)
    lengths = column.numbers.get("length")
    longest = lengths.high if lengths is not None else None
    if longest is None:
        longest = max(map(len, column.categories or ("",)), default=0)
    return Rule(name=column.name, max_chars=int(longest) * TEXT_FACTOR + _SPARE_CHARS)


def _coded_rule(column: ColumnProfile) -> Rule:
    """Categories that the model takes as numbers: allowed as such where all are integers."""
    codes = [_code(text) for text in _closed(column) or ()]
    known = frozenset(code for code in codes if code is not None)
    return Rule(name=column.name, categories=known if len(known) == len(codes) > 0 else None)


def _code(text: str) -> int | None:
    if text in _TRUTH:
        return _TRUTH[text]
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() else None


def _closed(column: ColumnProfile) -> tuple[str, ...] | None:
    """The categories where no further one is to be expected."""
    if column.categories is None or column.values is None or column.values.count < MIN_CLOSED:
        return None
    seen_once = sum(count == 1 for count in column.values.counts.values())
    return None if seen_once else column.categories
