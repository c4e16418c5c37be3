"""Values that a visitor chooses: parts of a request, and parameters of functions that answer one.

A name is followed to what it was bound to. What is taken out of a table of constants, or is held
against one before, is no longer the visitor's.
"""

from __future__ import annotations

import ast

from hauberk.methods.code.flow import parts_of, texts
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.expressions import expression

_MAX_STEPS = 4
_REQUEST = expression(
    r"\b(?:request|req|flask\.request|self\.request)\.(?:args|form|json|values|query_params|path_params|GET|POST|data|"
    r"get_json\(|files|headers|body\(|json\(|form\(|params|query|match_info|get_argument\()|"
    r"\b(?:event|payload|body|message)\[['\"]|\bevent\.get\(|\binput\(|"
    r"\bself\.get_(?:body_|query_)?arguments?\("
)
_ROUTED = expression(
    r"\.(?:route|get|post|put|patch|delete|websocket|api_route|websocket_route)\(|^(?:api_view|route)\("
)
_GIVEN = expression(r"^(?:fastapi\.)?(?:Query|Body|Form|Path|Header|Cookie|File)\(")
_NOT_GIVEN = frozenset({"self", "cls", "db", "session", "request", "background_tasks", "settings"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_visitors(index: Index, node: ast.expr, depth: int = 0) -> bool:
    """Whether a value comes from whoever sends the request, unchecked."""
    if depth > _MAX_STEPS:
        return False
    if node not in index.visitors:
        index.visitors[node] = False  # What a circle of names comes back to.
        index.visitors[node] = _is_visitors(index, node, depth)
    return index.visitors[node]


def _is_visitors(index: Index, node: ast.expr, depth: int) -> bool:
    if isinstance(node, ast.Subscript) and not _REQUEST.search(texts(node)):
        return is_visitors(index, node.value, depth + 1) and not _is_table(index, node.value)
    if isinstance(node, ast.Name):
        return not _is_held_against(index, node) and _named(index, node, depth)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if last_name(node.func) == "get" and _is_table(index, node.func.value):
            return False
    if _REQUEST.search(texts(node)):
        return True
    return any(
        is_visitors(index, part, depth + 1)
        for part in parts_of(node)[1:]
        if isinstance(part, ast.Name)
    )


def _named(index: Index, node: ast.Name, depth: int) -> bool:
    values = index.reaching(node)
    if values:
        return any(
            is_visitors(index, value, depth + 1) for value in values[-2:] if value is not node
        )
    return is_parameter_of_route(index, node)


def is_parameter_of_route(index: Index, node: ast.Name) -> bool:
    """Whether a name is a parameter that a request fills."""
    function = index.function_of(node)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    if node.id not in {argument.arg for argument in given} - _NOT_GIVEN:
        return False
    if _is_injected(function, node.id):
        return False
    is_told = any(_GIVEN.search(texts(d)) for d in function.args.defaults)
    return is_told or any(_ROUTED.search(texts(item)) for item in function.decorator_list)


def _is_injected(function: Function, name: str) -> bool:
    """``model=Depends(...)``: what the application itself puts in."""
    plain = [*function.args.posonlyargs, *function.args.args]
    defaults = function.args.defaults
    pairs = [*zip(plain[len(plain) - len(defaults) :], defaults, strict=True)]
    pairs += [
        (argument, value)
        for argument, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if value is not None
    ]
    return any(argument.arg == name and "Depends(" in texts(value) for argument, value in pairs)


def _is_table(index: Index, node: ast.expr) -> bool:
    """A dictionary or enumeration that the module writes."""
    if isinstance(node, ast.Dict):
        return True
    if isinstance(node, ast.Name):
        values = index.lookup(node)
        return node.id in index.classes or any(isinstance(value, ast.Dict) for value in values)
    return isinstance(node, ast.Attribute) and node.attr.isupper()


def _is_held_against(index: Index, node: ast.Name) -> bool:
    """``if name not in ALLOWED: raise`` somewhere in the function."""
    function = index.function_of(node)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    if function not in index.judged_names:
        index.judged_names[function] = frozenset(
            part.left.id
            for part in parts_of(function)
            if isinstance(part, ast.Compare)
            and isinstance(part.ops[0], (ast.In, ast.NotIn))
            and isinstance(part.left, ast.Name)
        )
    return node.id in index.judged_names[function]
