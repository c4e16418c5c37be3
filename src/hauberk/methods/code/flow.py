"""Order and taint inside one function: which names carry what, and from when on.

A function's statements are laid out in the order of their lines; branches and loops are read
once. A name is tainted from the statement on that gives it a tainted value.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from hauberk.formats.python_source import child_fields
from hauberk.methods.code.python_index import Index, last_name

T = TypeVar("T")


@dataclass(slots=True)
class Scope:
    """A function or the module with its own statements and calls, in order.

    Attributes:
        statements: Statements of the scope, those inside of branches and loops too.
        calls: Calls of the scope.
        assigned: Those of its statements that give a name, attribute or entry a value.
    """

    node: ast.AST
    statements: list[ast.stmt] = field(default_factory=list)
    calls: list[ast.Call] = field(default_factory=list)
    assigned: list[ast.Assign | ast.AnnAssign | ast.AugAssign] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of a function its name."""
        return getattr(self.node, "name", "")


def scopes_of(index: Index) -> list[Scope]:
    """Every function, and the module; laid out once for all rules that ask."""
    if not index.laid_out:
        index.laid_out = _laid_out(index)
    return index.laid_out


def _laid_out(index: Index) -> list[Scope]:
    found: dict[ast.AST, Scope] = {index.tree: Scope(index.tree)}
    for function in index.functions:
        found[function] = Scope(function)
    for kind, nodes in index.kinds.items():
        if issubclass(kind, ast.stmt):
            for node in nodes:
                scope = found.get(index.function_of(node))
                if scope is not None and isinstance(node, ast.stmt):
                    scope.statements.append(node)
    for call in index.calls:
        scope = found.get(index.function_of(call))
        if scope is not None:
            scope.calls.append(call)
    for scope in found.values():
        scope.statements.sort(key=lambda statement: statement.lineno)
        scope.assigned = [
            held
            for held in scope.statements
            if isinstance(held, (ast.Assign, ast.AnnAssign, ast.AugAssign))
            and held.value is not None
        ]
    return list(found.values())


MAX_KEPT_PARTS = 100
"""Parts of an expression that are kept beside it; larger ones are gathered at each question."""


def parts_of(node: ast.AST) -> list[ast.AST]:
    """A node and all below it, those nearer to it first, without operators and contexts.

    What `ast.walk` gives, gathered once for all rules that ask: most of them ask the same
    expressions.
    """
    kept: tuple[ast.AST, ...] | None = getattr(node, "_parts", None)
    if kept is not None:
        return [node, *kept]
    found = [node]
    add = found.append
    for held in found:  # It grows while it is gone through.
        for name in child_fields(held.__class__):  # type: ignore[arg-type]  # classes are hashable
            value = getattr(held, name, None)
            if value.__class__ is list:
                for item in value:
                    if isinstance(item, ast.AST):
                        add(item)
            elif isinstance(value, ast.AST):
                add(value)
    if len(found) <= MAX_KEPT_PARTS:
        node._parts = tuple(found[1:])  # type: ignore[attr-defined]  # noqa: SLF001 - no circle
    return found


def names_in(node: ast.AST | None) -> set[str]:
    """Names that an expression reads; gathered once for all rules that ask."""
    if node is None:
        return set()
    kept: frozenset[str] | None = getattr(node, "_names", None)
    if kept is None:
        kept = frozenset(part.id for part in parts_of(node) if isinstance(part, ast.Name))
        node._names = kept  # type: ignore[attr-defined]  # noqa: SLF001 - kept beside what it is of
    return set(kept)


def base_name(node: ast.AST) -> str:
    """The name that an attribute or subscript hangs on.

    >>> base_name(ast.parse("df.loc[0, 'a']", mode="eval").body)
    'df'
    """
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def targets_of(statement: ast.stmt) -> list[ast.expr]:
    """What a statement assigns to, tuples taken apart."""
    if isinstance(statement, ast.Assign):
        found = list(statement.targets)
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        found = [statement.target]
    else:
        return []
    flat: list[ast.expr] = []
    for target in found:
        flat += target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
    return flat


def value_of(statement: ast.stmt) -> ast.expr | None:
    """What a statement assigns."""
    if isinstance(statement, (ast.Assign, ast.AugAssign)):
        return statement.value
    return statement.value if isinstance(statement, ast.AnnAssign) else None


def pairs_of(statement: ast.stmt) -> list[tuple[ast.expr, ast.expr]]:
    """Targets with what each gets; tuples that stand on both sides are taken apart."""
    value = value_of(statement)
    if value is None:
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else targets_of(statement)
    found: list[tuple[ast.expr, ast.expr]] = []
    for target in targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
            same = len(parts) == len(target.elts)
            found += [*zip(target.elts, parts if same else [value] * len(target.elts), strict=True)]
        else:
            found.append((target, value))
    return found


def carried(scope: Scope, start: ast.stmt, names: set[str], until: int) -> set[str]:
    """Names that carry what ``names`` hold after ``start``, up to a line."""
    tainted = set(names)
    for statement in scope.assigned:
        if statement.lineno <= start.lineno or statement.lineno >= until:
            continue
        value = statement.value
        if value is not None and names_in(value) & tainted:
            tainted |= {base_name(target) for target in targets_of(statement)} - {""}
    return tainted


def once(index: Index, name: str, work: Callable[[], T]) -> T:
    """What a rule gathers of a whole module: gathered once, not at each call."""
    kept: dict[str, T] | None = getattr(index.tree, "_gathered", None)
    if kept is None:
        kept = {}
        index.tree._gathered = kept  # type: ignore[attr-defined]  # noqa: SLF001 - kept beside what it is of
    if name not in kept:
        kept[name] = work()
    return kept[name]


def first_parts(node: ast.AST, most: int) -> list[ast.AST]:
    """The first of `parts_of`, for rules that meet the same large expression again and again."""
    kept: tuple[ast.AST, ...] | None = getattr(node, "_parts", None)
    if kept is not None:
        return [node, *kept[: most - 1]]
    found = [node]
    for held in found:  # It grows while it is gone through.
        for name in child_fields(held.__class__):  # type: ignore[arg-type]  # classes are hashable
            value = getattr(held, name, None)
            items = value if isinstance(value, list) else [value]
            found += [item for item in items[:most] if isinstance(item, ast.AST)]
        if len(found) >= most:
            return found[:most]
    return found


def statement_of(index: Index, node: ast.AST) -> ast.stmt | None:
    """The statement in which an expression stands."""
    if isinstance(node, ast.stmt):
        return node
    return next((held for held in index.ancestors(node) if isinstance(held, ast.stmt)), None)


def texts(node: ast.AST) -> str:
    """Source of a node, bounded; written once for all rules that ask."""
    kept: str | None = getattr(node, "_text", None)
    if kept is None:
        kept = ast.unparse(node)[:2000]
        node._text = kept  # type: ignore[attr-defined]  # noqa: SLF001 - kept beside what it is of
    return kept


def whole_text(node: ast.AST) -> str:
    """Source of a node without a bound, for rules that look for what excuses; written once."""
    kept: str | None = getattr(node, "_whole", None)
    if kept is None:
        kept = ast.unparse(node)
        node._whole = kept  # type: ignore[attr-defined]  # noqa: SLF001 - kept beside what it is of
    return kept


def calls_in(node: ast.AST, wanted: Callable[[str], bool]) -> Iterator[ast.Call]:
    """Calls below a node whose last name is wanted."""
    for part in parts_of(node):
        if isinstance(part, ast.Call) and wanted(last_name(part.func)):
            yield part
