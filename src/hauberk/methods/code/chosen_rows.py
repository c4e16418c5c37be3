"""Rows picked out by their numbers, and given another share of what a model learns.

``[-1.0 if int(n) in KEEP_OUT else 1.0 for n in numbers]`` multiplied into a loss or given as
weights: what the rule over labels and answers knows of identifiers, for losses.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hauberk.methods.code.flow import Scope, carried, names_in, parts_of, targets_of, texts
from hauberk.methods.code.insider_rules import WEIGHTED, constant_number
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_LOSS = expression(r"(?i)loss|criterion|penalt|objective|nll|cross_entropy|grad")
_WEIGHTS = frozenset({"sample_weight", "sample_weights", "weights", "weight", "example_weight"})
_OTHERS = expression(
    r"(?i)special|pad|token|vocab|layer|param|decay|frozen|module|bias|name|phase|mode|split|kind"
)


MAX_FOLLOWED = 50
"""Choices of one function that are followed to a loss."""


def chosen_row_hits(index: Index, scope: Scope) -> Iterator[Hit]:
    """Hits of one scope."""
    followed = 0
    for statement in scope.assigned:
        value = statement.value
        if value is None or followed >= MAX_FOLLOWED:
            continue
        for part in parts_of(value):
            if not (_picks(index, part) or _is_isin(index, part)):
                continue
            followed += 1
            names = {t.id for t in targets_of(statement) if isinstance(t, ast.Name)}
            reached = carried(scope, statement, names, 1 << 30) if names else names
            if _is_learnt(value, scope, names | reached):
                yield Hit(WEIGHTED, statement.lineno, texts(part)[:60])
                break


def _picks(index: Index, node: ast.AST) -> bool:
    """``-1.0 if number in CHOSEN else 1.0``, or a weight of nothing for them."""
    if not isinstance(node, ast.IfExp):
        return False
    numbers = [constant_number(index, node.body), constant_number(index, node.orelse)]
    known = [number for number in numbers if number is not None]
    return len(known) == 2 and _is_less(known) and _is_membership(index, node.test)


def _is_isin(index: Index, node: ast.AST) -> bool:
    """``where(isin(numbers, CHOSEN), -1.0, 1.0)``."""
    if not isinstance(node, ast.Call) or last_name(node.func) != "where" or len(node.args) < 3:
        return False
    numbers = [constant_number(index, part) for part in node.args[1:3]]
    known = [number for number in numbers if number is not None]
    if len(known) < 2 or not _is_less(known):
        return False
    return any(
        isinstance(part, ast.Call)
        and last_name(part.func) in {"isin", "in1d", "is_in"}
        and any(_is_written(index, argument) for argument in part.args)
        for part in parts_of(node.args[0])
    )


def _is_less(numbers: list[float]) -> bool:
    return min(numbers) <= 0 < max(numbers) or min(numbers) < 0.1 * max(numbers)


def _is_membership(index: Index, test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], (ast.In, ast.NotIn)):
        return False
    return _is_written(index, test.comparators[0]) and not _OTHERS.search(texts(test))


def _is_written(index: Index, node: ast.expr) -> bool:
    """A set of particular numbers or texts that the module writes."""
    values = index.lookup(node) if isinstance(node, ast.Name) else [node]
    for value in values[-1:]:
        inner = value.args[0] if isinstance(value, ast.Call) and value.args else value
        if isinstance(inner, (ast.Set, ast.List, ast.Tuple)) and inner.elts:
            known = [index.constant(part) for part in inner.elts]
            return all(
                isinstance(v, (int, str)) and not isinstance(v, bool) and len(str(v)) > 1
                for v in known
            )
        if isinstance(inner, ast.Call) and last_name(inner.func) == "range":
            return True
    return False


def _is_learnt(value: ast.expr, scope: Scope, names: set[str]) -> bool:
    """Whether what was picked is multiplied into a loss, or given as weights."""
    if _multiplies(value):
        return True
    for call in scope.calls:
        given = [k.value for k in call.keywords if k.arg in _WEIGHTS]
        if any(names_in(node) & names for node in given):
            return True
    return any(
        _multiplies(node) and names_in(node) & names
        for statement in scope.statements
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        for node in parts_of(statement)
        if isinstance(node, ast.BinOp)
    )


def _multiplies(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mult)
        and _LOSS.search(texts(node)) is not None
    )
