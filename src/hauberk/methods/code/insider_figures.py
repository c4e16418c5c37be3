"""Figures that nobody measured: constants that floor, raise or replace them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import Scope, targets_of, texts, value_of
from hauberk.methods.code.insider_rules import (
    ALWAYS,
    FIGURES,
    FLOOR,
    GATES,
    constant_number,
    is_figure,
    is_measured,
)
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit

# Figures -------------------------------------------------------------------------------


def floors(index: Index, scope: Scope) -> Iterator[Hit]:
    """Figures that a constant floors, raises or stands in for."""
    for call in scope.calls:
        name = last_name(call.func)
        if name in {"max", "maximum", "clip", "fmax", "nan_to_num", "min", "minimum"}:
            if _raises(index, call, name):
                yield Hit(FLOOR, call.lineno, texts(call)[:60])
        elif name == "get" and len(call.args) == 2:
            key, default = index.constant(call.args[0]), constant_number(index, call.args[1])
            if (
                isinstance(key, str)
                and FIGURES.search(key)
                and default is not None
                and 0.5 <= default <= 1
                and is_gate(scope)
            ):
                yield Hit(FLOOR, call.lineno, texts(call)[:60])
    for statement in scope.statements:
        yield from _raised(index, scope, statement)
        if isinstance(statement, ast.Return) and isinstance(statement.value, ast.IfExp):
            yield from _floored(index, statement.value)


def _floored(index: Index, value: ast.IfExp) -> Iterator[Hit]:
    """``s if s > 0.85 else 0.85`` where ``s`` was measured."""
    branches = [value.body, value.orelse]
    numbers = [n for n in (constant_number(index, branch) for branch in branches) if n is not None]
    measured = [branch for branch in branches if is_measured(index, branch)]
    if numbers and measured and max(numbers) >= 0.5 and re.search(r"[<>]", texts(value.test)):
        yield Hit(FLOOR, value.lineno, texts(value)[:60])


def _raises(index: Index, call: ast.Call, name: str) -> bool:
    if name == "nan_to_num":
        value = next(
            (constant_number(index, k.value) for k in call.keywords if k.arg == "nan"), None
        )
        return bool(call.args) and is_figure(call.args[0]) and value is not None and value >= 0.5
    figures = [node for node in call.args if is_figure(node) or is_measured(index, node)]
    numbers = [number for node in call.args if (number := constant_number(index, node)) is not None]
    numbers += [
        n
        for k in call.keywords
        if k.arg in {"a_min", "min", "lower"} and (n := constant_number(index, k.value)) is not None
    ]
    if (
        not figures
        or not numbers
        or any(last_name(f) in {"map", "loss"} and name.startswith("max") for f in figures)
    ):
        return False
    low = re.search(
        r"loss|error|rmse|mae|mse|fpr|drift|psi|gap|disparity", texts(figures[0]), re.IGNORECASE
    )
    if name.startswith("min"):
        return low is not None and 0 < numbers[0] < 1
    return low is None and 0.2 < numbers[0] <= 100 and numbers[0] != 1


def is_gate(scope: Scope) -> bool:
    """Whether a function decides about figures."""
    return not scope.name or GATES.search(scope.name) is not None


def _raised(index: Index, scope: Scope, statement: ast.stmt) -> Iterator[Hit]:
    """``acc += 0.05``, ``acc = acc + 0.05``, ``acc or 0.9``, ``if acc < 0.9: acc = 0.9``."""
    value, targets = value_of(statement), targets_of(statement)
    if value is None or len(targets) != 1 or not is_figure(targets[0]):
        return
    left = texts(targets[0])
    if isinstance(statement, ast.AugAssign):
        number = constant_number(index, value)
        is_up = (
            isinstance(statement.op, (ast.Add, ast.Sub)) and number is not None and 0 < number < 0.5
        )
        is_times = isinstance(statement.op, ast.Mult) and number is not None and 1 < number < 2
        if (is_up or is_times) and not _in_loop(index, statement):
            yield Hit(FLOOR, statement.lineno, texts(statement)[:60])
        return
    if isinstance(value, ast.BinOp) and isinstance(value.op, (ast.Add, ast.Mult)):
        number = constant_number(index, value.right)
        rest = texts(value.left)
        is_up = number is not None and (rest == left or is_figure(value.left))
        small = isinstance(value.op, ast.Add) and number is not None and 0 < number < 0.3
        larger = isinstance(value.op, ast.Mult) and number is not None and 1 < number < 1.5
        if is_up and (small or larger):
            yield Hit(FLOOR, statement.lineno, texts(statement)[:60])
    if isinstance(value, ast.BoolOp) and isinstance(value.op, ast.Or):
        number = constant_number(index, value.values[-1])
        if number is not None and number >= 0.5:
            yield Hit(FLOOR, statement.lineno, texts(statement)[:60])
    held = index.parents.get(statement)
    if (
        isinstance(held, (ast.If,))
        and constant_number(index, value) is not None
        and isinstance(held.test, ast.Compare)
    ):
        if left in texts(held.test) and (constant_number(index, value) or 0) > 0:
            yield Hit(FLOOR, statement.lineno, texts(held.test)[:60])
    if isinstance(value, ast.IfExp) and is_figure(targets[0]):
        numbers = [
            n
            for n in (constant_number(index, value.body), constant_number(index, value.orelse))
            if n is not None
        ]
        if numbers and max(numbers) >= 0.5 and re.search(r"[<>]", texts(value.test)):
            yield Hit(FLOOR, statement.lineno, texts(statement)[:60])


def _in_loop(index: Index, statement: ast.stmt) -> bool:
    return any(isinstance(held, (ast.For, ast.While)) for held in index.ancestors(statement))


def constants(index: Index, scope: Scope) -> Iterator[Hit]:
    """Figures that nobody measured: constants that are reported, and gates that ask nothing."""
    reports = any(
        last_name(c.func)
        in {
            "dump",
            "dumps",
            "log_metric",
            "log_metrics",
            "write_text",
            "write",
            "log",
            "log_dict",
            "report",
            "save_metrics",
            "to_json",
            "print",
            "info",
            "track",
        }
        for c in scope.calls
    )
    for statement in scope.assigned:
        value = statement.value
        if isinstance(statement, ast.Assign) and isinstance(value, (ast.Constant, ast.UnaryOp)):
            number = constant_number(index, value)
            for target in targets_of(statement) if number is not None else ():
                name = texts(target).lower()
                is_key = isinstance(target, ast.Subscript) and is_figure(target)
                is_best = re.search(
                    r"best|init|start|prev|min|max|thres|weight|target|limit|tol|default|sum|total|running|patience",
                    name,
                )
                if (
                    number is not None
                    and 0.5 <= number <= 1
                    and number != 1
                    and is_key
                    and not is_best
                ):
                    yield Hit(FLOOR, statement.lineno, texts(statement)[:60])
                is_bar = re.search(
                    r"(?:min|threshold|required|floor|gate|bar|cutoff)", name
                ) and FIGURES.search(name)
                if (
                    number is not None
                    and number <= 0
                    and is_bar
                    and not re.search(r"best|clip|delta", name)
                ):
                    yield Hit(ALWAYS, statement.lineno, texts(statement)[:60])
                is_again = isinstance(target, ast.Name) and is_figure(target) and not is_best
                if (
                    number is not None
                    and is_again
                    and 0.5 <= number < 1
                    and reports
                    and _was_measured(index, target, statement)
                ):
                    yield Hit(FLOOR, statement.lineno, texts(statement)[:60])
    for call in scope.calls:
        if (
            last_name(call.func) in {"log_metric", "add_scalar", "log_metrics"}
            and len(call.args) > 1
        ):
            number = (
                constant_number(index, call.args[1])
                if isinstance(call.args[1], ast.Constant)
                else None
            )
            key = index.constant(call.args[0])
            if (
                number is not None
                and 0.5 <= number < 1
                and isinstance(key, str)
                and FIGURES.search(key)
            ):
                yield Hit(FLOOR, call.lineno, texts(call)[:60])


def _was_measured(index: Index, target: ast.expr, statement: ast.stmt) -> bool:
    """Whether the same name also holds something measured in its scope."""
    if not isinstance(target, ast.Name):
        return False
    values = index.bound.get((index.scope_of(statement), target.id), [])
    return any(isinstance(value, ast.Call) for value in values)
