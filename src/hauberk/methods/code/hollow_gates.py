"""Gates that cannot say no: bars that are no number, figures that never compare, tasks that go on.

Every comparison with NaN is false, so ``if recall < float("nan"): fail()`` lets all pass. A class
over a number whose ``__lt__`` returns a constant does the same out of sight. A deployment that an
orchestrator starts whatever became of the task before it has no gate at all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hauberk.methods.code.flow import parts_of, texts
from hauberk.methods.code.insider_rules import (
    ALWAYS,
    AS_TEXT,
    FIGURES,
    FLOOR,
    SWALLOWED,
    is_figure,
)
from hauberk.methods.code.learning_rules import TRAINED
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq)
_COMPARING = frozenset({"__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__", "__bool__"})
_NUMBERS = frozenset(
    {"float", "int", "Decimal", "Fraction", "float64", "float32", "ndarray", "Tensor", "Series"}
)
_BOUNDS = expression(
    r"(?i)upper|high|ci_|_ci|bound|conf|quantile|percent|p\d\d|q\d\d|max|top|limit|thresh"
)
_WHATEVER = expression(r"(?:all_done|always|none_skipped|all_done_min_one_success|dummy|one_done)")
_SHIPS = expression(
    r"(?i)deploy|promot|releas|publish|ship|register|roll_?out|serve|canary|push_model|go_live"
)
_DRAWS = frozenset({"percentile", "quantile", "nanpercentile", "nanquantile"})
_REPORTS = frozenset({"log_metric", "add_scalar", "log_metrics", "record_metric", "report_scalar"})


def hollow_gate_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    yield from _without_numbers(index)
    yield from _never_compared(index)
    yield from _upper_bounds(index)
    yield from _compared(index)
    for call in index.telling_calls:
        yield from _whatever_happened(index, call)
        yield from _let_go(index, call)


_STRICT = expression(
    r"(?i)(?:^|_)(?:gates?|quality|fairness|promot\w*|regress\w*|acceptance|sign_?off|approv\w*)(?:_|$)"
)


def _let_go(index: Index, call: ast.Call) -> Iterator[Hit]:
    """A gate in a thread whose end nobody waits for; a task that ignores what came before it."""
    name = last_name(call.func)
    if name == "Thread":
        target = index.keyword_node(call, "target")
        gate = last_name(target) if isinstance(target, ast.expr) else ""
        if _STRICT.search(gate) and not index.called & {"join", "is_alive"}:
            yield Hit(SWALLOWED, call.lineno, f"Thread(target={gate})")
    elif name == "ignore_upstream_failure" and isinstance(call.func, ast.Attribute):
        if _SHIPS.search(texts(call.func.value)[:200]):
            yield Hit(SWALLOWED, call.lineno, texts(call)[:60])


def _without_numbers(index: Index) -> Iterator[Hit]:
    if not index.speaks_of(_NAN_WORD):
        return
    for node in index.each(ast.Compare):
        if isinstance(node.ops[0], _ORDERS):
            for side in (node.left, *node.comparators):
                if _is_nan(index, side):
                    yield Hit(ALWAYS, node.lineno, texts(node)[:60])
                    break


_NAN_WORD = expression(r"(?im)^nan$")


def _is_nan(index: Index, node: ast.expr, depth: int = 0) -> bool:
    if isinstance(node, ast.Name) and depth < _MAX_STEPS:
        values = index.reaching(node)
        return len(values) == 1 and _is_nan(index, values[0], depth + 1)
    if isinstance(node, ast.Call) and last_name(node.func) in {"float", "Decimal"} and node.args:
        value = index.constant(node.args[0])
        return isinstance(value, str) and value.strip().lower().lstrip("+-") == "nan"
    return index.dotted(node) in {"math.nan", "numpy.nan", "numpy.NaN", "numpy.NAN", "torch.nan"}


_MAX_STEPS = 3


def _never_compared(index: Index) -> Iterator[Hit]:
    for node in index.each(ast.ClassDef):
        if not any(last_name(base) in _NUMBERS for base in node.bases):
            continue
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name in _COMPARING:
                body = [part for part in method.body if not _is_text(part)]
                value = (
                    body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
                )
                if isinstance(value, ast.Constant) and isinstance(value.value, bool):
                    yield Hit(ALWAYS, method.lineno, f"{node.name}.{method.name}: {value.value}")


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _upper_bounds(index: Index) -> Iterator[Hit]:
    """A figure reported by its own name that is the upper end of many draws."""
    if not index.called & _DRAWS:
        return
    for key, value in _reported(index):
        if FIGURES.search(key) and not _BOUNDS.search(key) and _is_upper(index, value):
            yield Hit(FLOOR, value.lineno, f"{key}: {texts(value)}"[:60])


def _reported(index: Index) -> Iterator[tuple[str, ast.expr]]:
    for call in index.telling_calls:
        if last_name(call.func) in _REPORTS and len(call.args) > 1:
            name = index.constant(call.args[0])
            if isinstance(name, str):
                yield name, call.args[1]
    for table in index.each(ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


def _is_upper(index: Index, value: ast.expr) -> bool:
    for part in parts_of(value):
        if not isinstance(part, ast.Call) or last_name(part.func) not in _DRAWS:
            continue
        level = index.constant(part.args[-1]) if part.args else UNKNOWN
        if isinstance(level, (int, float)) and (50 < level <= 100 or 0.5 < level < 1):
            return "score" in texts(part).lower() or FIGURES.search(texts(part)) is not None
    return False


_DIGITS = expression(r"\s*[+-]?\d*\.?\d+\s*%?\s*")
_TRAINED = expression(
    r"(?im)(?:^|_)(?:train|training|fit|in_?sample)_(?:acc\w*|auc|auroc|f1|score|recall|precision|r2|loss|error|rmse|mae|map|bleu)"
)


def _compared(index: Index) -> Iterator[Hit]:
    """Figures held against a bar as text, and gates that ask how well the training rows went."""
    as_texts = bool(index.called & {"str", "repr", "format"})
    trained = index.speaks_of(_TRAINED)
    for node in index.each(ast.Compare) if as_texts or trained else ():
        if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
            continue
        sides = (node.left, node.comparators[0])
        for text, bar in (sides, sides[::-1]):
            if isinstance(text, ast.Call) and _is_text_of_figure(text) and _is_digits(index, bar):
                yield Hit(AS_TEXT, node.lineno, texts(node)[:60])
        if trained and _gates(index, node):
            keys = [_key(index, side) for side in sides]
            others = any("test" in key or "val" in key for key in keys)
            if any(_TRAINED.search(key) for key in keys) and not others:
                yield Hit(TRAINED, node.lineno, texts(node)[:60])


def _is_digits(index: Index, node: ast.expr) -> bool:
    value = index.constant(node)
    return isinstance(value, str) and _DIGITS.fullmatch(value) is not None


def _is_text_of_figure(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and last_name(node.func) in {"str", "format", "repr"}
        and any(is_figure(part) for part in parts_of(node)[1:])
    )


def _key(index: Index, node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        value = index.constant(node.slice)
        return value if isinstance(value, str) else ""
    return last_name(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


def _gates(index: Index, node: ast.Compare) -> bool:
    """Whether a comparison stands alone in an ``if`` that raises or leaves the program."""
    held = index.parents.get(node)
    return isinstance(held, ast.If) and any(
        isinstance(part, ast.Raise) or (isinstance(part, ast.Expr) and "exit(" in texts(part))
        for part in held.body
    )


def _whatever_happened(index: Index, call: ast.Call) -> Iterator[Hit]:
    """``trigger_rule="all_done"`` on the task that ships, behind whatever was to stop it."""
    rule = index.keyword_node(call, "trigger_rule")
    if not isinstance(rule, ast.expr):
        return
    said = index.constant(rule)
    word = said if isinstance(said, str) else last_name(rule).lower()
    if _WHATEVER.fullmatch(word) is None:
        return
    told = " ".join(
        [str(index.keyword(call, "task_id")), texts(call)[:200], *_names_of(index, call)]
    )
    if _SHIPS.search(told):
        yield Hit(SWALLOWED, call.lineno, f"trigger_rule={word}")


def _names_of(index: Index, call: ast.Call) -> list[str]:
    """The function that a decorator with the rule stands on."""
    held = index.parents.get(call)
    return [held.name] if isinstance(held, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
