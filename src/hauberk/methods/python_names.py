"""What names stand for in one module: scopes, constants, and who is whose parent.

A plain reading without running anything: every name of a scope keeps what any assignment
in that scope gave it, so order and branches do not matter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from hauberk.formats.python_source import children

MAX_DEPTH = 12
"""Nesting of expressions that is followed; deeper ones count as unknown."""

MAX_VALUES = 10_000
MAX_BINDINGS = 16
"""Assignments to one name that are looked at."""

Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COLLECTING = frozenset({"dict", "frozenset", "list", "set", "sorted", "tuple", "array", "Series"})


@dataclass(slots=True)
class Names:
    """Parents, scopes and constants of one module.

    Attributes:
        parents: Node to the node that holds it.
        bound: Scope and name to the expressions that were assigned to it.
        uses: Name to where it is read or called.
        grades: Answers of `identity_triggers.identity`, so that each node is asked once.
        known: Answers of `values`, for the same reason; both bound the time.
    """

    tree: ast.Module
    nodes: list[ast.AST] = field(default_factory=list)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    scopes: dict[ast.AST, ast.AST] = field(default_factory=dict)
    bound: dict[tuple[ast.AST, str], list[ast.expr]] = field(default_factory=dict)
    uses: dict[str, list[ast.AST]] = field(default_factory=dict)
    grades: dict[ast.AST, int] = field(default_factory=dict)
    known: dict[ast.AST, tuple[object, ...]] = field(default_factory=dict)

    def scope_of(self, node: ast.AST) -> ast.AST:
        """The function, class, lambda or module in which ``node`` stands."""
        return self.scopes.get(node, self.tree)

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        """The statement that ``node`` belongs to."""
        held: ast.AST | None = node
        while held is not None and not isinstance(held, ast.stmt):
            held = self.parents.get(held)
        return held

    def lookup(self, name: ast.Name) -> list[ast.expr]:
        """Expressions that a name may stand for, from the innermost scope that binds it."""
        scope: ast.AST | None = self.scope_of(name)
        while scope is not None:
            found = self.bound.get((scope, name.id))
            if found:
                return found[:MAX_BINDINGS]
            scope = self.scopes.get(scope, self.tree) if scope is not self.tree else None
        return []

    def values(self, node: ast.AST, depth: int = 0) -> tuple[object, ...]:
        """The constants that ``node`` consists of, of a dictionary its keys; else nothing."""
        if isinstance(node, ast.Constant):
            return (node.value,)
        if node not in self.known:
            self.known[node] = ()  # What a circle of names comes back to.
            self.known[node] = self._values(node, depth)[:MAX_VALUES]
        return self.known[node]

    def _values(self, node: ast.AST, depth: int) -> tuple[object, ...]:
        if depth > MAX_DEPTH:
            return ()
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return self._joined(node.elts, depth)
        if isinstance(node, ast.Dict):
            return self._joined([key for key in node.keys if key is not None], depth)
        return self._computed(node, depth)

    def _computed(self, node: ast.AST, depth: int) -> tuple[object, ...]:
        if isinstance(node, ast.Name):
            return self._joined(self.lookup(node), depth)
        if isinstance(node, ast.BinOp):
            return self._of_operation(node, depth)
        if isinstance(node, ast.Call):
            return self._of_call(node, depth)
        if isinstance(node, ast.JoinedStr):
            texts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            return ("".join(map(str, texts)),) if len(texts) == len(node.values) else ()
        return ()

    def _of_operation(self, node: ast.BinOp, depth: int) -> tuple[object, ...]:
        left, right = (self.values(side, depth + 1) for side in (node.left, node.right))
        if isinstance(node.op, ast.Add) and len(left) == len(right) == 1:
            if isinstance(left[0], str) and isinstance(right[0], str):
                return (left[0] + right[0],)
            return ()
        return (*left, *right) if isinstance(node.op, (ast.BitOr, ast.Sub, ast.Add)) else ()

    def _of_call(self, node: ast.Call, depth: int) -> tuple[object, ...]:
        name = called(node)
        if name in _COLLECTING and node.args:
            return self.values(node.args[0], depth + 1)
        if isinstance(node.func, ast.Attribute) and name in ("split", "splitlines", "encode"):
            texts = self.values(node.func.value, depth + 1)
            words = [text.split() for text in texts if isinstance(text, str)]
            return tuple(word for part in words for word in part)
        if isinstance(node.func, ast.Attribute) and name in ("items", "keys"):
            return self.values(node.func.value, depth + 1)
        if name == "join" and len(node.args) == 1:
            return ("".join(map(str, self.values(node.args[0], depth + 1))),)
        return ()

    def _joined(self, nodes: list[ast.expr], depth: int) -> tuple[object, ...]:
        found: list[object] = []
        for node in nodes[:MAX_VALUES]:
            found += self.values(node, depth + 1)
            if len(found) > MAX_VALUES:
                break
        return tuple(found)


def names_of(tree: ast.Module) -> Names:
    """Read a module once."""
    names = Names(tree=tree)
    waiting: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
    while waiting:
        node, scope = waiting.pop()
        names.nodes.append(node)
        names.scopes[node] = scope
        inner = node if isinstance(node, _SCOPES) else scope
        for child in children(node):
            names.parents[child] = node
            waiting.append((child, inner))
        if node.__class__ in _BINDING:
            for target, value in _bindings(node):
                names.bound.setdefault((inner, target), []).append(value)
        if isinstance(node, ast.Call) or _is_read(node):
            used = called(node) if isinstance(node, ast.Call) else last_name(node)
            names.uses.setdefault(used, []).append(node)
    return names


_BINDING = frozenset(
    {ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.For, ast.AsyncFor, ast.comprehension}
    | {ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda}
)


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names and what this node binds them to."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _pairs(target, node.value)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        yield from _pairs(node.target, node.value)
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield from _items(node.target, node.iter)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        yield from _defaults(node.args)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner, part in zip(target.elts, value.elts, strict=False):
            yield from _pairs(inner, part)


def _items(target: ast.expr, source: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """What a loop binds: items of what it runs over, seen through ``zip`` and ``enumerate``."""
    name = called(source) if isinstance(source, ast.Call) else ""
    if isinstance(target, ast.Name):
        yield target.id, source
    elif isinstance(target, ast.Tuple) and isinstance(source, ast.Call):
        parts = list(source.args)
        if name == "enumerate":
            parts = [ast.Constant(value=None), *parts]
        if name == "items":
            parts = [source]
        for inner, part in zip(target.elts, parts, strict=False):
            yield from _items(inner, part)


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = arguments.defaults
    for argument, value in zip(plain[len(plain) - len(defaults) :], defaults, strict=True):
        yield argument.arg, value
    for argument, given in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if given is not None:
            yield argument.arg, given


def called(node: ast.Call) -> str:
    """The last name of what is called, or nothing.

    >>> called(ast.parse("np.isin(a, b)", mode="eval").body)
    'isin'
    """
    return last_name(node.func)


def last_name(node: ast.AST) -> str:
    """The last part of a dotted name, or nothing."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
