"""Nouns to JSON values and back, so that records outlive the process that made them.

Values are portable: a number that JSON cannot carry becomes ``null`` and comes back as not
a number; a lone surrogate, as in undecodable paths, becomes its escape. Reading checks
every value against its field, because a record may come from somebody else.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from hauberk.errors import UnavailableError

T = TypeVar("T")
_TAG = "noun"


def to_json(value: Any) -> Any:
    """A JSON value for a noun or a container of nouns; callables are left out.

    Plots carry their type under ``noun`` because they stand in unions.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        body = {name: to_json(item) for name, item in fields.items() if not callable(item)}
        return body | ({_TAG: type(value).__name__} if type(value).__name__ in _plots() else {})
    if isinstance(value, Mapping):
        return {_scalar(str(key)): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, frozenset, set)):
        items = sorted(value) if isinstance(value, (frozenset, set)) else value
        return [to_json(item) for item in items]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return str(value) if isinstance(value, (Path, date)) else value


def from_json(kind: type[T], value: Any) -> T:
    """The noun of type ``kind`` that `to_json` turned into ``value``.

    Raises:
        ValueError: A value does not fit the type.
        KeyError: A field without a default is missing.
        TypeError: There is a field too many.
    """
    return typing.cast("T", _build(kind, value))


@cache
def _plots() -> dict[str, type]:
    from hauberk.core import plots

    return {kind.__name__: kind for kind in typing.get_args(plots.Plot)}


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Field types with the names resolved that modules import for type checkers only."""
    from hauberk.core import artifact, attack, finding, lifecycle, model_file, plots, policy, threat

    modules = (artifact, attack, finding, lifecycle, model_file, plots, policy, threat)
    names = {name: item for module in modules for name, item in vars(module).items()}
    return typing.get_type_hints(kind, localns=names)


def _build(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if isinstance(value, Mapping) and _TAG in value:
        kind = _plots()[value[_TAG]]
        value = {key: item for key, item in value.items() if key != _TAG}
    elif origin in (typing.Union, types.UnionType):
        return _build_union(typing.get_args(kind), value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        fields = _expect(value, Mapping, kind)
        built = {name: _build(hints[name], item) for name, item in fields.items()}
        return kind(**(_left_out(hints) | built))
    if isinstance(kind, typing.NewType):
        return _build(kind.__supertype__, value)
    return _build_container(kind, typing.get_origin(kind), value)


def _left_out(hints: Mapping[str, Any]) -> dict[str, Any]:
    """Stand-ins for the callables that `to_json` leaves out: what they read was not kept."""
    return {name: _not_kept for name, hint in hints.items() if typing.get_origin(hint) is Callable}


def _not_kept(*_args: Any) -> typing.NoReturn:
    message = "this was not kept with the record"
    raise UnavailableError(message, hint="run again to have it")


def _build_union(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in kinds:
        return None
    problem: Exception | None = None
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _build(kind, value)
        except (TypeError, ValueError, KeyError) as error:
            problem = error
    message = f"{value!r} fits none of {kinds}"
    raise ValueError(message) from problem


def _build_container(kind: Any, origin: Any, value: Any) -> Any:
    args = typing.get_args(kind)
    if origin is tuple and args[-1] is Ellipsis:
        return tuple(_build(args[0], item) for item in _expect(value, (list, tuple), kind))
    if origin is tuple:
        items = _expect(value, (list, tuple), kind)
        return tuple(_build(arg, item) for arg, item in zip(args, items, strict=True))
    if origin is frozenset:
        return frozenset(_build(args[0], item) for item in _expect(value, (list, tuple), kind))
    if origin is not None and issubclass(origin, Mapping):
        return {key: _build(args[1], item) for key, item in _expect(value, Mapping, kind).items()}
    return _build_scalar(kind, value)


def _build_scalar(kind: Any, value: Any) -> Any:
    if kind is bytes:
        return _expect(value, str, kind).encode("latin-1")
    if isinstance(kind, type) and issubclass(kind, (Enum, Path, date)):
        text = _expect(value, str, kind)
        return kind.fromisoformat(text) if issubclass(kind, date) else kind(text)
    if kind is float and value is None:
        return math.nan
    accepted = {float: (float, int), int: int, str: str, bool: bool}.get(kind)
    if accepted is None:
        return value
    if isinstance(value, bool) and kind is not bool:
        raise _mismatch(kind, value)
    return _expect(value, accepted, kind)


def _expect(value: Any, accepted: Any, kind: Any) -> Any:
    if not isinstance(value, accepted):
        raise _mismatch(kind, value)
    return value


def _mismatch(kind: Any, value: Any) -> ValueError:
    return ValueError(f"expected {getattr(kind, '__name__', kind)}, found {type(value).__name__}")
