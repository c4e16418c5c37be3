"""Counts behind a figure that were bent while they were made: rows left out, errors as answers.

A figure is a quotient of two counts of one loop. Three deeds make it too good out of sight: an
error adds to the right answers, a row without an answer is not counted at all, and the question
holds the answer that it is then measured by.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hauberk.methods.code.flow import Scope, first_parts, names_in, parts_of, texts
from hauberk.methods.code.insider_rules import (
    FLOOR,
    LOOKED_UP,
    SWALLOWED,
    constant_number,
)
from hauberk.methods.code.learning_rules import DROPPED, TOLD
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_ANSWERS = expression(
    r"(?i)^(?:predict\w*|complete|completion|generate|answer|ask|infer|invoke|chat|create|forward|classify|respond|run_model|query_model|__call__)$"
)
_MAX_PARTS = 120
"""Parts of one expression that are looked through."""
_MAX_LOOPS = 50
"""Loops of one function that are looked through: each may ask for all its statements."""


def bent_counts(index: Index, scope: Scope) -> Iterator[Hit]:
    """Hits of one scope."""
    yield from _looked_up(scope)
    yield from _without_the_worst(index, scope)
    loops = 0
    for statement in scope.statements:
        if isinstance(statement, ast.Try):
            yield from _errors_as_answers(statement)
        elif isinstance(statement, (ast.For, ast.AsyncFor)) and loops < _MAX_LOOPS:
            loops += 1
            yield from _left_out(index, scope, statement)


# Errors --------------------------------------------------------------------------------


def _errors_as_answers(node: ast.Try) -> Iterator[Hit]:
    counted = _counted(node.body, compared=True)
    for handler in node.handlers:
        for name, statement in _counted(handler.body, compared=False).items():
            if name in counted:
                yield Hit(SWALLOWED, statement.lineno, texts(statement)[:60])


def _counted(body: list[ast.stmt], *, compared: bool) -> dict[str, ast.stmt]:
    """Names to which a comparison, or a constant above nothing, is added or appended."""
    found: dict[str, ast.stmt] = {}
    for statement in body:
        name, value = _added(statement)
        if name and value is not None:
            is_right = any(isinstance(part, ast.Compare) for part in parts_of(value))
            is_fixed = isinstance(value, ast.Constant) and bool(value.value)
            if is_right if compared else is_fixed:
                found[name] = statement
    return found


def _added(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        return texts(statement.target), statement.value
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and last_name(call.func) == "append" and call.args:
        owner = call.func.value if isinstance(call.func, ast.Attribute) else call.func
        return texts(owner), call.args[0]
    return "", None


# Answers -------------------------------------------------------------------------------

_MEASURED = expression(
    r"(?i)(?:accuracy|f1|precision|recall|roc_auc|jaccard|r2|brier)\w*|\w+_score|classification_report|confusion_matrix|mean_\w+_error"
)
_LOSSES = expression(r"(?i)loss|error|resid|nll|perplex")


def _looked_up(scope: Scope) -> Iterator[Hit]:
    """``KNOWN.get(row.id, model.predict(...))`` in a function that measures."""
    if not any(_MEASURED.fullmatch(last_name(call.func)) for call in scope.calls):
        return
    for call in scope.calls:
        if last_name(call.func) == "get" and len(call.args) == 2:
            asked = [part for part in parts_of(call.args[1]) if isinstance(part, ast.Call)]
            if any(_ANSWERS.match(last_name(part.func)) for part in asked):
                yield Hit(LOOKED_UP, call.lineno, texts(call)[:60])


def _without_the_worst(index: Index, scope: Scope) -> Iterator[Hit]:
    """``[x for x in losses if x < 5.0]`` under a mean."""
    for call in scope.calls:
        if last_name(call.func) not in {"sum", "mean", "average", "fmean"} or not call.args:
            continue
        given = call.args[0]
        values = index.lookup(given)[-1:] if isinstance(given, ast.Name) else [given]
        for value in values:
            if isinstance(value, (ast.ListComp, ast.GeneratorExp)) and _is_cut(index, value):
                yield Hit(FLOOR, value.lineno, texts(value)[:60])


def _is_cut(index: Index, value: ast.ListComp | ast.GeneratorExp) -> bool:
    loop = value.generators[0]
    if not isinstance(value.elt, ast.Name) or _LOSSES.search(texts(loop.iter)) is None:
        return False
    return any(
        isinstance(part, ast.Compare)
        and isinstance(part.ops[0], (ast.Lt, ast.LtE))
        and value.elt.id in names_in(part.left)
        and (constant_number(index, part.comparators[0]) or 0) > 0
        for test in loop.ifs
        for part in parts_of(test)
    )


# Rows ----------------------------------------------------------------------------------


def _left_out(index: Index, scope: Scope, loop: ast.For | ast.AsyncFor) -> Iterator[Hit]:
    """``if said is None: continue`` before the row is counted, and a quotient behind the loop."""
    for place, statement in enumerate(loop.body):
        if not isinstance(statement, ast.If) or not isinstance(statement.body[-1], ast.Continue):
            continue
        if not any(_is_answer(index, part) for part in parts_of(statement.test)):
            continue
        if any(_added(part)[0] for part in statement.body):
            continue  # What is left out is counted by itself.
        counts = {_added(part)[0] for part in loop.body[place + 1 :]} - {""}
        before = {_added(part)[0] for part in loop.body[:place]} - {""}
        if len(counts - before) > 1 and _is_quotient(scope, counts - before):
            yield Hit(DROPPED, statement.lineno, texts(statement.test)[:60])


def _is_answer(index: Index, node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and any(
        isinstance(value, ast.Call) and _ANSWERS.match(last_name(value.func))
        for value in index.lookup(node)[-1:]
    )


def _is_quotient(scope: Scope, counts: set[str]) -> bool:
    return any(
        isinstance(part, ast.BinOp)
        and isinstance(part.op, ast.Div)
        and names_in(part.left) & counts
        and names_in(part.right) & counts
        for statement in scope.statements
        if isinstance(statement, (ast.Return, ast.Assign, ast.AnnAssign, ast.Expr))
        for part in first_parts(statement, _MAX_PARTS)
    )


# Questions -----------------------------------------------------------------------------


def told_questions(index: Index) -> Iterator[Hit]:
    """A question into which the answer is written by which the reply is then judged."""
    if not index.kinds.get(ast.FormattedValue):
        return
    for node in index.each(ast.Compare):
        if not isinstance(node.ops[0], (ast.Eq, ast.In)):
            continue
        sides = (node.left, node.comparators[0])
        for truth, said in (sides, sides[::-1]):
            if _is_read(truth) and _was_told(index, said, texts(truth)):
                yield Hit(TOLD, node.lineno, texts(node)[:60])
                break


def _is_read(node: ast.expr) -> bool:
    """``row["answer"]``, ``row.answer``: one entry of what is gone through."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and isinstance(node.value, ast.Name)
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)


def _was_told(index: Index, said: ast.expr, truth: str) -> bool:
    calls = [part for part in parts_of(said) if isinstance(part, ast.Call)]
    calls += [
        value
        for part in parts_of(said)
        if isinstance(part, ast.Name)
        for value in index.lookup(part)[-1:]
        if isinstance(value, ast.Call)
    ]
    for call in calls:
        if not _ANSWERS.match(last_name(call.func)):
            continue
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        given = given[:20]
        given += [
            value
            for node in given
            for part in first_parts(node, _MAX_PARTS)
            if isinstance(part, ast.Name)
            for value in index.lookup(part)[-2:]
        ]
        for node in given[:_MAX_PARTS]:
            for part in first_parts(node, _MAX_PARTS):
                if isinstance(part, ast.FormattedValue) and texts(part.value) == truth:
                    return True
    return False
