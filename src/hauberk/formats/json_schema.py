"""JSON Schema as tools declare it: a closed reading that can be judged in bounded time.

Values are held against the keywords that clients' libraries write. Two differences to the
specification, both towards refusing: an object whose schema names properties takes no others
unless the schema says so in words, and a schema with a keyword that is not understood here is
refused as a whole instead of letting the keyword pass unseen.

Patterns are run only where they are simple enough to take linear time and a little more:
without groups, with few repetitions.

References:
    JSON Schema, draft 2020-12, "Validation".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hauberk.formats.strict_json import refuse, shown

MAX_NODES: Final = 5_000
"""Schemas within one schema."""

MAX_STEPS: Final = 100_000
"""Comparisons of one value with one schema; alternatives multiply."""

MAX_DEPTH: Final = 32
MAX_PATTERN: Final = 200
MAX_REPEATS: Final = 3
"""Repetitions in a pattern, the free beginning included: the time grows with this power."""

MAX_MATCHED: Final = 200
"""Characters of a text that a pattern is run on; a longer text does not fit."""

_SILENT = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "format",
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "definitions",
        "strict",
    }
)
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda v: type(v) is dict,
    "array": lambda v: type(v) is list,
    "string": lambda v: type(v) is str,
    "integer": lambda v: type(v) is int or (type(v) is float and v.is_integer()),
    "number": lambda v: type(v) in (int, float),
    "boolean": lambda v: type(v) is bool,
    "null": lambda v: v is None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema that is understood as a whole.

    Attributes:
        value: As declared.
    """

    value: Any

    def problem(self, value: Any) -> str:
        """Where and why ``value`` does not fit; empty where it does."""
        return _Judge(self.value).problem(value, self.value, "$", 0)

    @property
    def properties(self) -> frozenset[str]:
        """Names of the properties of an object."""
        found = self.value.get("properties") if type(self.value) is dict else None
        return frozenset(found) if type(found) is dict else frozenset()


def schema_of(value: Any) -> Schema:
    """The schema that a decoded value is.

    Raises:
        ArtifactError: It has keywords that are not understood, or is too large.
    """
    waiting, seen = [(value, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_DEPTH:
            refuse("a schema", "size of a schema", f"{MAX_NODES} parts, {MAX_DEPTH} deep", "more")
        if type(node) is bool:
            continue
        if type(node) is not dict:
            refuse("a schema", "JSON Schema", "objects, or true and false", "something else")
        waiting += [(inner, depth + 1) for inner in _checked(node)]
    return Schema(value=value)


def _checked(node: dict[str, Any]) -> list[Any]:
    """The schemas within one; its keywords are checked."""
    inner: list[Any] = []
    for key, value in node.items():
        if key in _MAPS:
            inner += _values(key, value)
        elif key in _LISTS:
            inner += _items(key, value)
        elif key in _SINGLE:
            inner.append(value)
        elif key not in _SILENT:
            _check_keyword(key, value)
    return inner


_MAPS = frozenset({"properties", "$defs", "definitions"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties", "not"})


def _values(key: str, value: Any) -> list[Any]:
    if type(value) is not dict:
        refuse(key, "JSON Schema", "an object of schemas", "something else")
    return list(value.values())


def _items(key: str, value: Any) -> list[Any]:
    if type(value) is not list or not value:
        refuse(key, "JSON Schema", "an array of schemas", "something else")
    return value


def _check_keyword(key: str, value: Any) -> None:
    kind = _KEYWORDS.get(key)
    if kind is None:
        refuse(shown(key), "keywords of a schema", "one that is understood here", "another")
    if not kind(value):
        refuse(key, "JSON Schema", "a value of the keyword's type", "something else")


def _is_type(value: Any) -> bool:
    names = value if type(value) is list else [value]
    return bool(names) and all(type(name) is str and name in _TYPES for name in names)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_names(value: Any) -> bool:
    return type(value) is list and all(type(name) is str for name in value)


def _is_reference(value: Any) -> bool:
    return (
        type(value) is str
        and re.fullmatch(r"#(?:/(?:\$defs|definitions)/[\w.-]+)?", value) is not None
    )


def _is_simple_pattern(value: Any) -> bool:
    if type(value) is not str or len(value) > MAX_PATTERN or "(" in value or "\\1" in value:
        return False
    try:
        re.compile(value)
    except re.error:
        return False
    bare = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", value)
    n_repeats = len(re.findall(r"[*+?]|\{\d*,\d*\}", bare)) + (not bare.startswith("^"))
    return n_repeats <= MAX_REPEATS


_KEYWORDS: Mapping[str, Callable[[Any], bool]] = {
    "type": _is_type,
    "enum": lambda v: type(v) is list and bool(v),
    "const": lambda _: True,
    "nullable": lambda v: type(v) is bool,
    "required": _is_names,
    "minItems": _is_count,
    "maxItems": _is_count,
    "uniqueItems": lambda v: type(v) is bool,
    "minLength": _is_count,
    "maxLength": _is_count,
    "minProperties": _is_count,
    "maxProperties": _is_count,
    "minimum": _is_number,
    "maximum": _is_number,
    "exclusiveMinimum": _is_number,
    "exclusiveMaximum": _is_number,
    "multipleOf": lambda v: _is_number(v) and v > 0,
    "pattern": _is_simple_pattern,
    "$ref": _is_reference,
}


class _Judge:
    """One value against one schema, counted."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0

    def problem(self, value: Any, schema: Any, place: str, depth: int) -> str:
        """Where and why ``value`` does not fit; empty where it does."""
        self._steps += 1
        if self._steps > MAX_STEPS or depth > MAX_DEPTH:
            return f"{place}: too many parts to judge"
        if type(schema) is bool:
            return "" if schema else f"{place}: nothing is allowed here"
        if "$ref" in schema:
            found = self.problem(value, self._named(schema["$ref"]), place, depth + 1)
            if found:
                return found
        if value is None and schema.get("nullable") is True:
            return ""
        return (
            _plain_problem(value, schema, place)
            or self._inside(value, schema, place, depth)
            or self._alternatives(value, schema, place, depth)
        )

    def _named(self, reference: str) -> Any:
        if reference == "#":
            return self._root
        _, group, name = reference.split("/")
        found = self._root.get(group) if type(self._root) is dict else None
        return found.get(name, False) if type(found) is dict else False

    def _inside(self, value: Any, schema: dict[str, Any], place: str, depth: int) -> str:
        if type(value) is dict:
            return self._object(value, schema, place, depth)
        if type(value) is list:
            return self._array(value, schema, place, depth)
        return ""

    def _object(self, value: dict[str, Any], schema: dict[str, Any], place: str, depth: int) -> str:
        known = schema.get("properties", {})
        is_composed = any(key in schema for key in ("allOf", "anyOf", "oneOf", "$ref"))
        others = schema.get("additionalProperties", not known or is_composed)
        for name, item in value.items():
            found = self.problem(item, known.get(name, others), f"{place}.{shown(name)}", depth + 1)
            if found:
                return found
        return ""

    def _array(self, value: list[Any], schema: dict[str, Any], place: str, depth: int) -> str:
        first = schema.get("prefixItems", [])
        rest = schema.get("items", True)
        for number, item in enumerate(value):
            inner = first[number] if number < len(first) else rest
            found = self.problem(item, inner, f"{place}[{number}]", depth + 1)
            if found:
                return found
        return ""

    def _alternatives(self, value: Any, schema: dict[str, Any], place: str, depth: int) -> str:
        for inner in schema.get("allOf", ()):
            found = self.problem(value, inner, place, depth + 1)
            if found:
                return found
        for key, most in (("anyOf", MAX_NODES), ("oneOf", 1)):
            fits = sum(not self.problem(value, s, place, depth + 1) for s in schema.get(key, ()))
            if key in schema and not 1 <= fits <= most:
                return f"{place}: fits {fits} of the alternatives"
        if "not" in schema and not self.problem(value, schema["not"], place, depth + 1):
            return f"{place}: fits what it must not"
        return ""


def _plain_problem(value: Any, schema: dict[str, Any], place: str) -> str:
    """Keywords that look at one value and not into it."""
    for key, wanted in schema.items():
        check = _CHECKS.get(key)
        if check is not None and not check(value, wanted):
            return f"{place}: breaks {key}"
    return ""


def _has_type(value: Any, wanted: Any) -> bool:
    return any(_TYPES[name](value) for name in (wanted if type(wanted) is list else [wanted]))


def _equal(a: Any, b: Any) -> bool:
    """JSON's equality: true is no 1."""
    return type(a) is type(b) and a == b if isinstance(a, bool) or isinstance(b, bool) else a == b


def _sized(
    kind: type[list[Any] | dict[Any, Any] | str], compare: Callable[[int, int], bool]
) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: not isinstance(value, kind) or compare(len(value), wanted)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: type(value) not in (int, float) or compare(value, wanted)


def _is_unique(value: Any, wanted: Any) -> bool:
    if not wanted or type(value) is not list:
        return True
    return len({repr(item) for item in value}) == len(value)


def _matches(value: Any, wanted: str) -> bool:
    if type(value) is not str:
        return True
    return len(value) <= MAX_MATCHED and re.search(wanted, value) is not None


_CHECKS: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": _has_type,
    "enum": lambda value, wanted: any(_equal(value, item) for item in wanted),
    "const": _equal,
    "required": lambda v, wanted: type(v) is not dict or all(name in v for name in wanted),
    "minItems": _sized(list, lambda n, least: n >= least),
    "maxItems": _sized(list, lambda n, most: n <= most),
    "uniqueItems": _is_unique,
    "minLength": _sized(str, lambda n, least: n >= least),
    "maxLength": _sized(str, lambda n, most: n <= most),
    "minProperties": _sized(dict, lambda n, least: n >= least),
    "maxProperties": _sized(dict, lambda n, most: n <= most),
    "minimum": _ordered(lambda v, least: v >= least),
    "maximum": _ordered(lambda v, most: v <= most),
    "exclusiveMinimum": _ordered(lambda v, least: v > least),
    "exclusiveMaximum": _ordered(lambda v, most: v < most),
    "multipleOf": _ordered(lambda v, step: abs(v / step - round(v / step)) < 1e-9),  # noqa: PLR2004 - rounding
    "pattern": _matches,
}
