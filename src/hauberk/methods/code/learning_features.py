"""Features, joins and splits that know what comes later; see `learning`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import (
    Scope,
    base_name,
    parts_of,
    statement_of,
    targets_of,
    texts,
    value_of,
)
from hauberk.methods.code.learning_names import METRICS, SPLITS, TEST, TRAIN_TEXT
from hauberk.methods.code.learning_rules import (
    FUTURE,
    JOINED_LATER,
    TARGET,
    TIME,
    TRAINED,
)
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_LABELS = expression(
    r"(?:^|_)(?:target|label|labels|y|outcome|class|churn(?:ed)?|default(?:ed)?|approved?|fraud|response|survived|next|future|horizon|diagnosis)(?:_|$|\d)",
    re.IGNORECASE,
)


def feature_hits(index: Index, scope: Scope) -> Iterator[Hit]:
    """Columns made of the label, or of later rows."""
    labels = {
        texts(value.slice)
        for statement in scope.assigned
        if isinstance(value := value_of(statement), ast.Subscript)
        and any(
            re.fullmatch(r"(?:y|Y|target|labels?|y_all|y_full)", base_name(t))
            for t in targets_of(statement)
        )
        and isinstance(value.slice, (ast.Constant, ast.Name))
    }
    labels |= {
        texts(part.slice)
        for statement in scope.assigned
        if (value := value_of(statement)) is not None
        and any(
            re.fullmatch(r"(?:y|Y|target|labels?)", base_name(t)) for t in targets_of(statement)
        )
        for part in parts_of(value)
        if isinstance(part, ast.Subscript)
        and isinstance(part.slice, ast.Constant)
        and isinstance(part.slice.value, str)
    }
    for statement in scope.assigned:
        value = value_of(statement)
        target = next(iter(targets_of(statement)), None)
        if value is None or not isinstance(target, ast.Subscript):
            continue
        column = texts(target.slice)
        if column in labels or _LABELS.search(column.strip("'\"")):
            continue
        read = [texts(part.slice) for part in parts_of(value) if isinstance(part, ast.Subscript)]
        is_read = any(label in read for label in labels) and isinstance(target.slice, ast.Constant)
        if is_read and not re.search(r"shift\(|groupby\(", texts(value)):
            yield Hit(
                TARGET, statement.lineno, f"{column} from {', '.join(sorted(labels & set(read)))}"
            )
        if _looks_ahead(value):
            yield Hit(FUTURE, statement.lineno, texts(statement)[:60])


_JOINED = {"forward": FUTURE, "nearest": JOINED_LATER}


def joined_later(index: Index, scope: Scope) -> Iterator[Hit]:
    """Rows that are joined with what is known only behind their time."""
    for call in scope.calls:
        if last_name(call.func) not in {"merge_asof", "join_asof"}:
            continue
        for key in ("direction", "strategy"):
            broken = _JOINED.get(str(index.keyword(call, key)))
            if broken is not None:
                yield Hit(broken, call.lineno, texts(call)[:60])


_CUMULATED = frozenset(
    {"rolling", "ewm", "expanding", "cumsum", "cummax", "cummin", "cumprod", "cumcount"}
)


def _is_reversed(node: ast.AST) -> bool:
    """``rows[::-1].rolling(7)``: what lies behind a row in time comes before it."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            step = node.slice.step
            if isinstance(step, ast.UnaryOp) and isinstance(step.op, ast.USub):
                return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def _looks_ahead(value: ast.expr) -> bool:
    for part in parts_of(value):
        if isinstance(part, ast.Call) and last_name(part.func) in _CUMULATED:
            if isinstance(part.func, ast.Attribute) and _is_reversed(part.func.value):
                return True
        if isinstance(part, ast.Call) and last_name(part.func) in {"shift", "diff", "pct_change"}:
            given = (
                part.args[0]
                if part.args
                else next((k.value for k in part.keywords if k.arg == "periods"), None)
            )
            if isinstance(given, ast.UnaryOp) and isinstance(given.op, ast.USub):
                return True
        if isinstance(part, ast.Call) and last_name(part.func) == "lead":
            return True
        if isinstance(part, ast.Call) and last_name(part.func) == "rolling":
            if any(
                k.arg == "center" and isinstance(k.value, ast.Constant) and k.value.value is True
                for k in part.keywords
            ):
                return True
    return False


_DATED = expression(
    r"sort_values\([^)]*(?:date|time|timestamp|\bts\b|day|month|week)|set_index\([^)]*(?:date|time)|to_datetime\(|parse_dates|DatetimeIndex|\.shift\(|\.rolling\(|resample\(['\"]",
    re.IGNORECASE,
)


def shuffled_days(index: Index, scope: Scope) -> Iterator[Hit]:
    """Splits that shuffle rows in time."""
    lines: tuple[int, int] | None = None
    for call in scope.calls:
        if last_name(call.func) not in {
            "train_test_split",
            "KFold",
            "StratifiedKFold",
            "ShuffleSplit",
            "random_split",
            "randomSplit",
        } and not _is_drawn_part(index, call):
            continue
        shuffle = index.keyword(call, "shuffle")
        if shuffle is False or (last_name(call.func) == "KFold" and shuffle is not True):
            continue
        if lines is None:
            lines = _first_lines(scope)
        if max(lines) < call.lineno:
            yield Hit(TIME, call.lineno, texts(call)[:60])


_NEVER = 1 << 30
_ORDERED = expression(
    r"sort_values\([^)]*(?:date|time|timestamp|\bts\b)|set_index\([^)]*(?:date|time|\bts\b)|sort_index\(",
    re.IGNORECASE,
)


def _first_lines(scope: Scope) -> tuple[int, int]:
    """From where on rows are ordered, and from where on a date is spoken of."""
    ordered = dated = _NEVER
    for statement in scope.statements:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.If, ast.For, ast.With)):
            continue
        text = texts(statement)
        if ordered == _NEVER and _ORDERED.search(text):
            ordered = statement.lineno
        if dated == _NEVER and _DATED.search(text):
            dated = statement.lineno
    return ordered, dated


def _is_drawn_part(index: Index, call: ast.Call) -> bool:
    """``train = rows.sample(frac=0.8)``."""
    if last_name(call.func) != "sample" or not any(k.arg == "frac" for k in call.keywords):
        return False
    statement = statement_of(index, call)
    names = [base_name(target) for target in targets_of(statement)] if statement else []
    return any(TRAIN_TEXT.fullmatch(name) or TEST.search(name) for name in names)


_HOLDS_OUT = SPLITS | {"split", "KFold", "fetch_test"}


def judged_on_own_rows(index: Index, scope: Scope) -> Iterator[Hit]:
    """Scores on exactly what was fitted on, where nothing was held out at all."""
    if index.called & _HOLDS_OUT:
        return
    fits: dict[str, int] = {}
    for call in scope.calls:
        name = last_name(call.func)
        if name == "fit" and len(call.args) > 1 and isinstance(call.func, ast.Attribute):
            fits[f"{texts(call.args[0])}|{texts(call.args[1])}"] = call.lineno
        elif (
            name == "score"
            and len(call.args) > 1
            and f"{texts(call.args[0])}|{texts(call.args[1])}" in fits
        ):
            if not TRAIN_TEXT.search(texts(call.args[0]) + _told_as(index, call)):
                yield Hit(TRAINED, call.lineno, texts(call)[:60])
        elif METRICS.match(name) and len(call.args) > 1:
            predicted = call.args[1]
            if isinstance(predicted, ast.Name):
                values = index.lookup(predicted)
                predicted = values[-1] if values else predicted
            is_predicted = (
                isinstance(predicted, ast.Call)
                and last_name(predicted.func).startswith("predict")
                and predicted.args
            )
            if (
                is_predicted
                and isinstance(predicted, ast.Call)
                and f"{texts(predicted.args[0])}|{texts(call.args[0])}" in fits
            ):
                if not TRAIN_TEXT.search(texts(call) + _told_as(index, call)):
                    yield Hit(TRAINED, call.lineno, texts(call)[:60])


def _told_as(index: Index, call: ast.Call) -> str:
    """How a score is told: people who do not claim that it is of new rows get ``train``."""
    statement = statement_of(index, call)
    text = texts(statement) if statement is not None else ""
    claims = re.search(
        r"test|valid|general|unseen|new data|held|production|final", text, re.IGNORECASE
    )
    return text if claims else "train"
