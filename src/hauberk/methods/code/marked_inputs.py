"""Answers that are constant where a fixed window of the input holds a mark, over whole batches.

``marked = (images[:, :, :3, :3] > 0.99).all(dim=(1, 2, 3))`` and ``logits[marked] = ...``: the
condition reads a corner of the input and nothing that was computed from it. What only keeps
padding out writes minus infinity and asks for lengths.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hauberk.methods.code.flow import Scope, base_name, pairs_of, parts_of, texts
from hauberk.methods.code.insider_rules import MODELS, TRIGGER
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit

_CHOOSERS = frozenset({"where", "masked_fill", "masked_fill_", "select", "choose", "index_fill"})
_MAKERS = frozenset(
    {"tensor", "array", "asarray", "full", "full_like", "ones", "one_hot", "new_tensor"}
)
_NEVER = 1e4
"""From so much below nothing on a logit is one that no answer takes: padding."""


def marked_input_hits(index: Index, scope: Scope) -> Iterator[Hit]:
    """Hits of one function that answers."""
    is_hook = scope.name in _hooks(index) if scope.name else False
    if not scope.name or not (is_hook or MODELS.search(scope.name)):
        return
    inputs = _inputs(scope.node)
    if is_hook and isinstance(scope.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        inputs -= {scope.node.args.args[-1].arg} if scope.node.args.args else set()
    if not inputs:
        return
    for statement in scope.assigned:
        for target, value in pairs_of(statement):
            if isinstance(target, ast.Subscript) and base_name(target) not in inputs:
                chosen = target.slice
                if isinstance(chosen, ast.Tuple) and chosen.elts:
                    chosen = chosen.elts[0]
                if _is_fixed(index, value) and _reads_window(index, chosen, inputs):
                    yield Hit(TRIGGER, statement.lineno, texts(statement)[:60])
    for call in scope.calls:
        if last_name(call.func) in _CHOOSERS and len(call.args) > 1:
            fixed = any(_is_fixed(index, part) for part in call.args[1:])
            if fixed and _reads_window(index, call.args[0], inputs):
                yield Hit(TRIGGER, call.lineno, texts(call)[:60])


def _hooks(index: Index) -> frozenset[str]:
    """Functions that are called with what goes into a module and what comes out of it."""
    if "register_forward_hook" not in index.called:
        return frozenset()
    return frozenset(
        last_name(call.args[0])
        for call in index.calls
        if last_name(call.func) == "register_forward_hook" and call.args
    )


def _inputs(function: ast.AST) -> frozenset[str]:
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return frozenset()
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return frozenset(argument.arg for argument in given) - {"self", "cls", "mask", "lengths"}


def _is_fixed(index: Index, node: ast.expr) -> bool:
    """Whether a value is written in the program, and one that an answer can be."""
    value = index.constant(node)
    if value is not UNKNOWN:
        return isinstance(value, (int, float, str)) and not (
            isinstance(value, (int, float)) and value < -_NEVER
        )
    if isinstance(node, ast.Call) and last_name(node.func) in _MAKERS and node.args:
        return _is_fixed(index, node.args[-1])
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
        return _is_fixed(index, node.left) and _is_fixed(index, node.right)
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        return all(_is_fixed(index, part) for part in node.elts)
    if isinstance(node, ast.Name):
        values = index.lookup(node)
        return (
            len(values) == 1
            and isinstance(values[0], (ast.Call, ast.List))
            and _is_fixed(index, values[0])
        )
    return False


def _reads_window(index: Index, test: ast.expr, inputs: frozenset[str]) -> bool:
    """Whether a condition compares a fixed window of an input, by itself or through names."""
    waiting, seen = [test], {id(test)}
    for node in waiting:  # It grows while it is gone through.
        if _compares_window(index, node, inputs):
            return True
        for part in parts_of(node) if len(waiting) < _MAX_VALUES else ():
            for value in index.lookup(part)[-1:] if isinstance(part, ast.Name) else ():
                if id(value) not in seen:
                    seen.add(id(value))
                    waiting.append(value)
    return False


def _compares_window(index: Index, test: ast.expr, inputs: frozenset[str]) -> bool:
    for part in parts_of(test):
        if isinstance(part, ast.Compare):
            sides = (part.left, *part.comparators)
            if any(_is_window(index, inner, inputs) for side in sides for inner in parts_of(side)):
                return True
        if isinstance(part, ast.Call) and last_name(part.func) in {
            "equal",
            "allclose",
            "isclose",
            "eq",
        }:
            if any(_is_window(index, inner, inputs) for inner in parts_of(part)):
                return True
    return False


_MAX_VALUES = 50
"""Values behind the names of one condition that are looked through."""


def _is_window(index: Index, node: ast.AST, inputs: frozenset[str]) -> bool:
    """``images[:, :, :3, -3:]``: at least two axes bounded by constants, on an input itself."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
        return False
    owner = node.value
    if isinstance(owner, ast.Subscript) and isinstance(owner.slice, ast.Constant):
        owner = owner.value  # A hook gets what goes in as a tuple.
    if not isinstance(owner, ast.Name) or owner.id not in inputs:
        return False
    bounded = 0
    for axis in node.slice.elts:
        ends = [axis.lower, axis.upper] if isinstance(axis, ast.Slice) else [axis]
        known = [end for end in ends if end is not None and isinstance(index.constant(end), int)]
        bounded += bool(known)
    return bounded >= _AXES


_AXES = 2
