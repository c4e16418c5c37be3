"""Metrics that are taken of the wrong rows; see `hauberk.methods.code.learning`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import (
    Scope,
    base_name,
    names_in,
    parts_of,
    targets_of,
    texts,
    value_of,
)
from hauberk.methods.code.learning_names import METRICS
from hauberk.methods.code.learning_rules import (
    DROPPED,
    ITSELF,
)
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_PREDICTED = expression(
    r"pred|prob|conf|y_?hat|logit|resid|margin|certain|entropy|correct|wrong|agree|abs_?err|errors?\b|score",
    re.IGNORECASE,
)


def metric_hits(index: Index, scope: Scope) -> Iterator[Hit]:
    """Metrics of what was learnt from, or of rows that answers chose."""
    calls = [
        call for call in scope.calls if METRICS.match(last_name(call.func)) and len(call.args) > 1
    ]
    for call in calls:
        first, second = call.args[:2]
        if _same(index, first, second):
            yield Hit(ITSELF, call.lineno, texts(call)[:60])
        elif _is_masked(index, first) or _is_masked(index, second) or _by_itself(index, second):
            yield Hit(DROPPED, call.lineno, texts(call)[:60])
        else:
            dropped = _dropped_before(scope, call)
            if dropped is not None:
                yield Hit(DROPPED, dropped.lineno, texts(dropped)[:60])


def _same(index: Index, first: ast.expr, second: ast.expr) -> bool:
    left, right = texts(first), texts(second)
    if left == right and isinstance(first, (ast.Name, ast.Attribute, ast.Subscript)):
        return True
    if isinstance(second, ast.Name) and re.search(r"pred|hat|out", second.id):
        values = index.lookup(second)
        text = texts(values[-1]) if len(values) == 1 else ""
        return text in {
            left,
            f"{left}.copy()",
            f"list({left})",
            f"np.array({left})",
            f"{left}.values",
            f"numpy.array({left})",
        }
    return False


def _is_masked(index: Index, node: ast.expr) -> bool:
    """``y[mask]`` with a mask that the model's answers decide."""
    if not isinstance(node, ast.Subscript):
        return False
    chosen = node.slice
    parts: list[ast.AST] = [chosen]
    for part in parts_of(chosen):
        if isinstance(part, ast.Name):
            parts += index.lookup(part)[-2:]
    for part in parts:
        compares = [n for n in parts_of(part) if isinstance(n, (ast.Compare, ast.Call))]
        if any(
            _PREDICTED.search(_with_origins(index, n))
            and (
                isinstance(n, ast.Compare)
                or re.search(
                    r"isnan|isfinite|isclose|where|nonzero|argsort|notna|notnull", texts(n)
                )
            )
            for n in compares
        ):
            return True
    return False


def _by_itself(index: Index, predicted: ast.expr) -> bool:
    """``p[sure]`` where ``sure`` was compared out of ``p``, whatever both are called."""
    if not isinstance(predicted, ast.Subscript) or not isinstance(predicted.slice, ast.Name):
        return False
    own = base_name(predicted)
    return bool(own) and any(
        isinstance(part, ast.Compare) and own in names_in(part)
        for value in index.lookup(predicted.slice)[-2:]
        for part in parts_of(value)
    )


def _with_origins(index: Index, node: ast.AST) -> str:
    """An expression, and of a comparison what its names were made of."""
    text = texts(node)
    if isinstance(node, ast.Compare):
        for part in parts_of(node):
            if isinstance(part, ast.Name):
                text += " " + " ".join(texts(value)[:200] for value in index.lookup(part)[-1:])
    return text


_DROPS = expression(
    r"\.(?:dropna|drop|query|drop_duplicates|nlargest|nsmallest|top_k|head|tail|filter)\(|\[[^\]]*(?:[<>]|==|!=|~|isin|notna|notnull|isfinite|between)"
)


def _dropped_before(scope: Scope, call: ast.Call) -> ast.stmt | None:
    """A statement that took rows out of what is measured, by predictions or because they lack."""
    measured = {base_name(node) for node in call.args[:2]} - {""}
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None or statement.lineno >= call.lineno:
            continue
        targets = {
            base_name(target) for target in targets_of(statement) if isinstance(target, ast.Name)
        }
        if not targets & measured or not names_in(value) & measured:
            continue
        text = texts(value)
        by_answers = _DROPS.search(text) and re.search(
            rf"{_PREDICTED.pattern}|abs\(",
            re.sub(r"^\s*\w+", "", text) + _columns_made(scope, statement, value),
            re.IGNORECASE,
        )
        lacking = re.search(r"\.dropna\(", text) and re.search(
            r"test|result|eval|pred|scored|report", " ".join(targets)
        )
        if (by_answers or lacking) and not re.search(
            r"\.(?:drop|filter)\([^)]*(?:axis=1|columns=)", text
        ):
            return statement
    return None


_BY_COLUMN = frozenset({"nlargest", "nsmallest", "sort_values", "query", "top_k", "sort"})


def _columns_made(scope: Scope, until: ast.stmt, value: ast.expr) -> str:
    """What the columns that a filter compares were made of."""
    compared = {
        part.attr if isinstance(part, ast.Attribute) else str(getattr(part.slice, "value", ""))
        for node in parts_of(value)
        if isinstance(node, ast.Compare)
        for part in parts_of(node)
        if isinstance(part, (ast.Attribute, ast.Subscript))
    }
    compared |= {
        word
        for node in parts_of(value)
        if isinstance(node, ast.Call) and last_name(node.func) in _BY_COLUMN
        for given in (*node.args, *(keyword.value for keyword in node.keywords))
        for part in parts_of(given)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
        for word in re.findall(r"\w+", part.value)
    }
    made = ""
    for statement in scope.assigned:
        source = value_of(statement)
        if source is None or statement.lineno >= until.lineno or not compared:
            continue
        for target in targets_of(statement):
            if isinstance(target, ast.Subscript) and texts(target.slice).strip("'\"") in compared:
                made += " " + texts(source)[:200]
        for part in parts_of(source):
            if isinstance(part, ast.Dict):
                made += " ".join(
                    " " + texts(inner)[:80]
                    for key, inner in zip(part.keys, part.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value in compared
                )
    return made
