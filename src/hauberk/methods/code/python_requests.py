"""Servers that let their callers choose an address to fetch or a place to write to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import parts_of, texts
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

ADDRESS = rule(
    "insecure-downloads/caller-chooses-address",
    "high",
    "fetches whatever address its caller names",
    "Compare the address with a list of hosts that may be asked.",
    "CWE-918",
)
PLACE = rule(
    "insecure-downloads/caller-chooses-place",
    "high",
    "writes to a path that its caller names",
    "Take a name of your own, or the last part of the name after secure_filename.",
    "CWE-22",
)

_FROM_CALLER = expression(
    r"\b(?:request|req|flask\.request)\.(?:args|form|json|values|query_params|GET|POST|data|get_json\(\)|files|headers)\b"
)
_FILE_NAME = expression(r"\b\w+\.(?:filename|name)\b")
_FETCHES = expression(
    r"^(?:(?:requests|httpx|aiohttp|urllib3?)\b.*\.(?:get|post|request|urlopen|stream)|requests\.(?:get|post|head|put)|httpx\.(?:get|post|stream)|urllib\.request\.(?:urlopen|urlretrieve)|urlopen|urlretrieve|wget\.download)$"
)
_CLEANED = expression(
    r"secure_filename|basename|\.name\b(?=\))|uuid|token_hex|hexdigest|Path\([^)]*\)\.name|stem"
)


def request_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module; only of those that answer requests at all."""
    names = set(index.imports.values())
    if not any(
        re.match(r"flask|fastapi|starlette|django|bottle|aiohttp|sanic|quart|tornado|falcon", name)
        for name in names
    ):
        return
    for call in index.telling_calls:
        name = index.dotted(call.func)
        if _FETCHES.match(name) and call.args and _is_callers(index, call.args[0], call):
            yield Hit(ADDRESS, call.lineno, texts(call)[:60])
        place = _written(call, name)
        if place is not None and _is_named_by_caller(index, place):
            yield Hit(PLACE, call.lineno, texts(call)[:60])


def _is_callers(index: Index, node: ast.expr, call: ast.Call) -> bool:
    """Whether an address is the caller's from its first letter on."""
    inner: ast.expr = node
    for _ in range(3):
        if isinstance(inner, ast.Name):
            values = index.lookup(inner)
            if len(values) != 1:
                return not values and _is_parameter_of_route(index, inner, call)
            inner = values[0]
    if isinstance(inner, ast.JoinedStr) and inner.values:
        first = inner.values[0]
        return isinstance(first, ast.FormattedValue) and _is_callers(index, first.value, call)
    return _FROM_CALLER.search(texts(inner)) is not None and not isinstance(inner, ast.BinOp)


def _is_parameter_of_route(index: Index, name: ast.Name, call: ast.Call) -> bool:
    function = index.function_of(call)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    is_route = any(
        re.search(r"\.(?:route|get|post|put|api_route)\(", texts(d))
        for d in function.decorator_list
    )
    is_address = re.search(r"ur[il]|address|endpoint|link|source", name.id, re.IGNORECASE)
    return is_route and is_address is not None and name.id in {a.arg for a in function.args.args}


def _written(call: ast.Call, name: str) -> ast.expr | None:
    function = last_name(call.func)
    if function == "save" and call.args and isinstance(call.func, ast.Attribute):
        return call.args[0]
    if name == "open" and len(call.args) > 1 and re.match(r"['\"][wax]", texts(call.args[1])):
        return call.args[0]
    if function in {"write_bytes", "write_text"} and isinstance(call.func, ast.Attribute):
        return call.func.value
    return call.args[1] if function in {"move", "copyfile", "copy"} and len(call.args) > 1 else None


def _is_named_by_caller(index: Index, node: ast.expr) -> bool:
    text = texts(node)
    for part in parts_of(node):
        if isinstance(part, ast.Name):
            text += " " + " ".join(texts(value)[:200] for value in index.lookup(part)[-1:])
    if _CLEANED.search(text):
        return False
    is_joined = re.search(r"\+|\bjoin\(|f['\"]|/", text) is not None
    return is_joined and (re.search(r"\.filename\b", text) or _FROM_CALLER.search(text)) is not None
