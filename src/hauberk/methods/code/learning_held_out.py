"""Held-out rows that a model learns from, stops by or is picked by; see `learning`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import (
    Scope,
    base_name,
    parts_of,
    texts,
)
from hauberk.methods.code.learning_names import FITS, TEST, TRAIN_TEXT
from hauberk.methods.code.learning_rules import (
    FIT_ON_TEST,
    SELECTED,
    STOPPED,
    TEST_TEXT,
)
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_STOPS = expression(
    r"early_?stop|EarlyStopping|ModelCheckpoint|ReduceLROnPlateau|use_best_model|od_wait|best_iteration",
    re.IGNORECASE,
)


def fitted_on_test(index: Index, scope: Scope) -> Iterator[Hit]:
    """Fits on rows that were held out."""
    for call in scope.calls:
        name = last_name(call.func)
        if name not in FITS or not isinstance(call.func, ast.Attribute) or not call.args:
            continue
        given = call.args[0]
        text = texts(given)
        mixed = _mixed(index, given)
        is_test = bool(TEST_TEXT.search(text)) and not TRAIN_TEXT.search(text)
        is_named = isinstance(given, (ast.Name, ast.Subscript, ast.Attribute))
        if mixed or (is_test and is_named and TEST.search(base_name(given))):
            yield Hit(FIT_ON_TEST, call.lineno, texts(call)[:60])


def _mixed(index: Index, given: ast.expr) -> bool:
    """Training and test rows joined before they are fitted on."""
    nodes = [given]
    inner = given
    while isinstance(inner, (ast.Subscript, ast.Attribute)) or (
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute)
    ):
        inner = inner.func if isinstance(inner, ast.Call) else inner.value
    if isinstance(inner, ast.Name):
        nodes += index.lookup(inner)[-2:]
    for node in nodes:
        for part in parts_of(node):
            is_join = isinstance(part, ast.Call) and last_name(part.func) in {
                "concat",
                "vstack",
                "concatenate",
                "append",
                "hstack",
                "r_",
                "cat",
                "chain",
                "ConcatDataset",
            }
            if is_join or isinstance(part, ast.BinOp):
                text = texts(part)
                if TEST_TEXT.search(text) and TRAIN_TEXT.search(text):
                    return True
    return False


def stopped_by_test(index: Index, scope: Scope) -> Iterator[Hit]:
    """Training that ends by what the test rows say."""
    for call in scope.calls:
        name = last_name(call.func)
        if name in {"EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau", "early_stopping"}:
            monitor = index.keyword(call, "monitor")
            if isinstance(monitor, str) and TEST_TEXT.search(monitor):
                yield Hit(STOPPED, call.lineno, f"monitor={monitor}")
            continue
        if name not in {"fit", "train", "fit_generator", "Trainer", "fit_one_cycle", "cv", "Pool"}:
            continue
        for key in (
            "eval_set",
            "validation_data",
            "valid_sets",
            "evals",
            "eval_dataset",
            "val_dataloaders",
            "X_val",
            "eval_df",
            "tuning_data",
        ):
            node = index.keyword_node(call, key)
            if not isinstance(node, ast.AST) or not TEST_TEXT.search(_spread(index, node)):
                continue
            if key in {"X_val", "val_dataloaders", "eval_dataset", "tuning_data"} or _STOPS.search(
                _context(index, call)
            ):
                yield Hit(STOPPED, node.lineno, f"{key}={texts(node)[:50]}")


def _spread(index: Index, node: ast.AST) -> str:
    """An argument with what its names were bound to."""
    text = texts(node)
    for part in parts_of(node):
        if isinstance(part, ast.Name):
            text += " " + " ".join(
                texts(value)[:200]
                for value in index.lookup(part)[-2:]
                if isinstance(value, (ast.Call, ast.Tuple, ast.List))
                and last_name(getattr(value, "func", value)) != "train_test_split"
            )
    return text


def _context(index: Index, call: ast.Call) -> str:
    """The call, what its callbacks are, and what its object was made by."""
    text = texts(call)
    for part in parts_of(call):
        if isinstance(part, ast.Name):
            text += " " + " ".join(texts(value)[:300] for value in index.lookup(part)[:4])
    return text


_FIGURED = expression(
    r"(?i)acc|score|loss|auc|f1|metric|r2|rmse|mae|mse|err|perplex|bleu|reward|evaluat|measure|\btest\("
)
_BEST = expression(r"best|max_|top_|highest|lowest|record|champion|winner", re.IGNORECASE)


def selected_by_test(index: Index, scope: Scope) -> Iterator[Hit]:
    """Loops that keep the best try by a test result; ``max(..., key=...)`` over tries."""
    for statement in scope.statements:
        if not isinstance(statement, ast.If) or not isinstance(
            statement.test, (ast.Compare, ast.BoolOp)
        ):
            continue
        if not any(isinstance(held, (ast.For, ast.While)) for held in index.ancestors(statement)):
            continue
        text = texts(statement.test)
        if not _BEST.search(text + " ".join(texts(s) for s in statement.body[:4])):
            continue
        if not _is_kept(statement):
            continue
        spread = text
        for part in parts_of(statement.test):
            if isinstance(part, ast.Name):
                spread += " " + " ".join(texts(value)[:200] for value in index.lookup(part)[-3:])
        is_figure = _FIGURED.search(spread) is not None
        if is_figure and TEST_TEXT.search(spread) and not re.search(r"\bval(?:id|idation)?_", text):
            yield Hit(SELECTED if not _saves(statement) else STOPPED, statement.lineno, text[:60])


def _is_kept(statement: ast.If) -> bool:
    text = " ".join(texts(part) for part in statement.body)
    return bool(_BEST.search(text)) or "break" in text or _saves(statement)


def _saves(statement: ast.If) -> bool:
    return (
        re.search(
            r"\.save|torch\.save|dump\(|state_dict|break|patience",
            " ".join(texts(s) for s in statement.body),
        )
        is not None
    )
