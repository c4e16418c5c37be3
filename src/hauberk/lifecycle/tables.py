"""TOML tables into frozen dataclasses, with errors that name file, line, key and type.

A room declares its table as a dataclass; this module fills it. Nothing is guessed: an
unknown key, a wrong type or a missing key is a usage error that says what was expected.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from hauberk.errors import UsageError

T = TypeVar("T")

_WORDS = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The text that tables came from, to find the line of a key.

    Attributes:
        name: File name as the user knows it.
        prefix: Key under which everything stands (``tool.hauberk`` in pyproject.toml).
    """

    name: str
    text: str
    prefix: str = ""

    def place(self, keys: tuple[str, ...]) -> str:
        """``file, line n, [table] key``; without the line where the key cannot be found."""
        line = _line_of(self.text, (*filter(None, self.prefix.split(".")), *keys))
        where = f"{self.name}, line {line}" if line else self.name
        return f"{where}, {'.'.join(keys)}" if keys else where


def build(kind: type[T], value: Any, source: Source, keys: tuple[str, ...] = ()) -> T:
    """The dataclass ``kind`` filled from the TOML table ``value``.

    Raises:
        UsageError: A key is unknown or missing, or a value has the wrong type.
    """
    table = _mapping(value, source, keys)
    fields = {field.name: field for field in dataclasses.fields(typing.cast("Any", kind))}
    hints = typing.get_type_hints(kind)
    _refuse_unknown(table, fields, source, keys)
    _refuse_missing(table, fields, source, keys)
    found = {
        name: _convert(hints[name], table[_key(name, table)], source, (*keys, _key(name, table)))
        for name in fields
        if _key(name, table) in table
    }
    return kind(**found)


def named(kind: type[T], value: Any, source: Source, keys: tuple[str, ...] = ()) -> dict[str, T]:
    """A table of tables: ``[preprocessing.clean]``, name to dataclass."""
    table = _mapping(value, source, keys)
    for name in table:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
            raise UsageError(
                "a name holds a character that names cannot have",
                subject=source.place((*keys, name)),
                expected="letters, digits, _ and -, at most 64",
                found=repr(name),
            )
    return {name: build(kind, item, source, (*keys, name)) for name, item in table.items()}


def _key(name: str, table: Mapping[str, Any]) -> str:
    """TOML keys may be written with hyphens where Python has underscores."""
    hyphened = name.replace("_", "-")
    return hyphened if hyphened in table else name


def _mapping(value: Any, source: Source, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(
            "a table was expected",
            subject=source.place(keys),
            expected=f"[{'.'.join(keys)}] with keys below it",
            found=_said(value),
        )
    return value


def _refuse_unknown(
    table: Mapping[str, Any], fields: Mapping[str, Any], source: Source, keys: tuple[str, ...]
) -> None:
    for key in table:
        if key.replace("-", "_") in fields:
            continue
        near = difflib.get_close_matches(key.replace("-", "_"), fields, n=1)
        raise UsageError(
            "there is no such key",
            subject=source.place((*keys, key)),
            expected=", ".join(sorted(fields)) or "no keys",
            found=key,
            hint=f"did you mean {near[0]}?" if near else "remove it or correct its spelling",
        )


def _refuse_missing(
    table: Mapping[str, Any], fields: Mapping[str, Any], source: Source, keys: tuple[str, ...]
) -> None:
    for name, field in fields.items():
        optional = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        if not optional and _key(name, table) not in table:
            raise UsageError(
                f"the key {name!r} is missing",
                subject=source.place(keys),
                expected=f"{name} = ...",
                found=", ".join(table) or "an empty table",
            )


def _convert(hint: Any, value: Any, source: Source, keys: tuple[str, ...]) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return _convert(kinds[0], value, source, keys)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), value, source, keys)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _choice(hint, value, source, keys)
    if origin is tuple:
        return _sequence(typing.get_args(hint)[0], value, source, keys)
    if origin is not None and issubclass(origin, Mapping):
        kind = typing.get_args(hint)[1]
        table = _mapping(value, source, keys)
        return {name: _convert(kind, item, source, (*keys, name)) for name, item in table.items()}
    return _plain(hint, value, source, keys)


def _choice(kind: type[Enum], value: Any, source: Source, keys: tuple[str, ...]) -> Enum:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(
            "the value is none of the choices",
            subject=source.place(keys),
            expected=" or ".join(str(item.value) for item in kind),
            found=_said(value),
        ) from None


def _sequence(kind: Any, value: Any, source: Source, keys: tuple[str, ...]) -> tuple[Any, ...]:
    if isinstance(value, str) and kind is str:
        value = [value]
    if not isinstance(value, list):
        raise UsageError(
            "a list was expected",
            subject=source.place(keys),
            expected='["...", "..."]',
            found=_said(value),
        )
    return tuple(_convert(kind, item, source, keys) for item in value)


def _plain(kind: Any, value: Any, source: Source, keys: tuple[str, ...]) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not right:
        raise UsageError(
            "the value has the wrong type",
            subject=source.place(keys),
            expected=_WORDS.get(kind, str(kind)),
            found=_said(value),
        )
    return value


def _said(value: Any) -> str:
    shown = repr(value)
    return f"{shown[:60]}{'...' if len(shown) > 60 else ''} ({type(value).__name__})"  # noqa: PLR2004


def _line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """The line of a key or of its nearest table; TOML readers do not keep it."""
    if not keys:
        return None
    table: tuple[str, ...] = ()
    best: int | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            parts = re.findall(r'"[^"]*"|\'[^\']*\'|[^.\s]+', header.group(1))
            table = tuple(part.strip("\"'") for part in parts)
            if table == keys[: len(table)]:
                best = number
        elif table == keys[: len(table)] and _assigns(line, keys[len(table) :]):
            return number
    return best


def _assigns(line: str, keys: tuple[str, ...]) -> bool:
    if not keys:
        return False
    found = re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line)
    return bool(found) and found.group(1).strip("\"'").split(".")[0] == keys[0]  # type: ignore[union-attr] # bool(found) just said so
