"""JSON with one spelling per value, and a reader that believes nothing.

What is signed or digested must have exactly one spelling. `canonical_json` writes the form
of RFC 8785 (keys sorted by UTF-16 code units, shortest numbers, no blanks, UTF-8) with two
rules of our own, so that every reader gets back the value that was written:

* Whole numbers outside ±(2**53 - 1) are refused when they are integers, because readers
  that hold numbers as doubles would round them: write them as strings.
* Floats that are whole and that large are written with an exponent (``3.2e+17``), never as
  a row of digits that would read as such an integer.

`parse_json` reads foreign bytes: at most a stated size and depth, valid UTF-8, no key twice,
no ``NaN`` or ``Infinity``, no number that overflows, no lone surrogate. It accepts any
spelling of an accepted value; `parse_canonical` accepts only the canonical one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any

from hauberk.errors import ArtifactError

MAX_BYTES = 16 << 20  # a statement over some 100,000 files; nothing of ours is larger
MAX_DEPTH = 64  # our own documents nest less than 12 deep
MAX_INTEGER = 2**53 - 1  # RFC 7493 section 2.2: exact in a double
_MAX_INTEGER_CHARS = len(str(-MAX_INTEGER))
_MAX_FLOAT_CHARS = 400  # no shortest double is longer; longer ones only cost time
_BYTES_PER_VALUE = 32  # of the allowed size; rows of tiny values would cost seconds to read
_FIXED_DIGITS = 21  # ECMAScript Number::toString switches to exponents beyond these
_FIXED_ZEROS = -6

_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?+|[\[\]{}]', re.DOTALL)
_FLOAT = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?")


def canonical_json(value: Any) -> bytes:
    """The one spelling of ``value``: null, booleans, numbers, text, lists and mappings.

    >>> canonical_json({"b": 1.0, "a": [None, "é", 1e-7]}).decode()
    '{"a":[null,"é",1e-7],"b":1}'

    Raises:
        ArtifactError: A value has no spelling (other types, keys that are not text, NaN,
            integers outside ±(2**53 - 1), lone surrogates) or nests deeper than `MAX_DEPTH`.
    """
    parts: list[str] = []
    _write(value, parts, MAX_DEPTH)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError as error:
        raise _surrogate() from error


def _write(value: Any, parts: list[str], depth: int) -> None:
    if isinstance(value, str):
        parts.append(encode_basestring(value))
    elif isinstance(value, Mapping):
        _write_object(value, parts, _deeper(depth))
    elif isinstance(value, (list, tuple)):
        _write_array(value, parts, _deeper(depth))
    else:
        parts.append(_scalar(value))


def _deeper(depth: int) -> int:
    if depth == 0:
        raise _refusal("nested too deep", f"at most {MAX_DEPTH} levels", "more")
    return depth - 1


def _write_object(value: Mapping[Any, Any], parts: list[str], depth: int) -> None:
    separator = "{"
    for key in sorted(value, key=_code_units):
        parts += separator, encode_basestring(key), ":"
        _write(value[key], parts, depth)
        separator = ","
    parts.append("}" if value else "{}")


def _write_array(value: list[Any] | tuple[Any, ...], parts: list[str], depth: int) -> None:
    separator = "["
    for item in value:
        parts.append(separator)
        _write(item, parts, depth)
        separator = ","
    parts.append("]" if value else "[]")


def _code_units(key: Any) -> bytes:
    """RFC 8785 section 3.2.3 sorts by UTF-16 code units, not by code points."""
    if not isinstance(key, str):
        raise _refusal("key is not text", "text", type(key).__name__)
    try:
        return key.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise _surrogate() from error


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _integer(int(value))
    if isinstance(value, float):
        return _float(float(value))
    raise _refusal("no spelling for this type", "a JSON value", type(value).__name__)


def _integer(value: int) -> str:
    if abs(value) > MAX_INTEGER:
        raise _big_integer()
    return str(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise _refusal("number is not finite", "a finite number", str(value))
    if value.is_integer() and abs(value) <= MAX_INTEGER:
        return str(int(value))
    match = _FLOAT.fullmatch(repr(value))
    assert match  # noqa: S101 - the grammar of float.__repr__ for finite numbers
    sign, whole, fraction, exponent = match.groups()
    digits = (whole + (fraction or "")).lstrip("0")
    point = len(digits) - len(fraction or "") + int(exponent or 0)
    return sign + _place(digits.rstrip("0"), point)


def _place(digits: str, point: int) -> str:
    """Digits with the decimal point after ``point`` of them, as ECMAScript prints it."""
    if len(digits) > point > 0 and point <= _FIXED_DIGITS:
        return f"{digits[:point]}.{digits[point:]}"
    if _FIXED_ZEROS < point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = f"{digits[0]}.{digits[1:]}" if digits[1:] else digits
    return f"{mantissa}e{point - 1:+d}"


def parse_json(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """The value that ``data`` spells, in time and memory linear in its size.

    Args:
        data: Foreign bytes.
        max_bytes: Longer inputs are refused before they are looked at.
        max_depth: Levels of lists and objects inside each other.

    Raises:
        ArtifactError: The bytes break a rule of the module's docstring.
    """
    if len(data) > max_bytes:
        raise _refusal("too large", f"at most {max_bytes} bytes", f"{len(data)} bytes")
    if data.count(b",") > max(max_bytes // _BYTES_PER_VALUE, 1000):
        raise _refusal("too many values", f"one per {_BYTES_PER_VALUE} bytes", "more")
    _check_depth(data, max_depth)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_read_integer,
            parse_float=_read_float,
            parse_constant=_read_constant,
        )
        if b"\\u" in data:  # only an escape can spell half a surrogate pair
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise _refusal("not UTF-8", "UTF-8", f"byte {error.start}") from error
    except UnicodeEncodeError as error:
        raise _surrogate() from error
    except json.JSONDecodeError as error:
        raise _refusal("not JSON", "JSON (RFC 8259)", f"{error.msg} at {error.pos}") from error
    return value


def parse_canonical(data: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """The value that ``data`` spells canonically.

    Raises:
        ArtifactError: The bytes are not JSON, or not the canonical spelling of their value.
    """
    value = parse_json(data, max_bytes=max_bytes)
    if canonical_json(value) != data:
        raise _refusal("not canonical", "the canonical spelling", "another spelling")
    return value


def _check_depth(data: bytes, max_depth: int) -> None:
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    depth = 0
    for match in _TOKENS.finditer(data):
        token = data[match.start()]
        depth += (token in b"[{") - (token in b"]}")
        if depth > max_depth:
            raise _refusal("nested too deep", f"at most {max_depth} levels", "more")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _refusal("key twice in one object", "each key once", "a repeated key")
    return result


def _read_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_CHARS or abs(int(text)) > MAX_INTEGER:
        raise _big_integer()
    return int(text)


def _read_float(text: str) -> float:
    value = float(text) if len(text) <= _MAX_FLOAT_CHARS else math.inf
    if math.isinf(value):
        raise _refusal("number too large or too long", "a finite double", "another")
    return value


def _read_constant(text: str) -> Any:
    raise _refusal("number is not finite", "a finite number", text)


def _big_integer() -> ArtifactError:
    return _refusal("integer too large", "within ±(2**53 - 1); longer ones as text", "a larger one")


def _surrogate() -> ArtifactError:
    return _refusal("half a surrogate pair", "Unicode scalar values", "a lone surrogate")


def _refusal(problem: str, expected: str, found: str) -> ArtifactError:
    return ArtifactError(f"JSON refused: {problem}", rule=problem, expected=expected, found=found)
