"""Test rows where only training rows belong, and training rows told as a test: by roles of names.

`row_roles` says which names hold which rows; here it is asked at the places where a model learns,
stops, chooses or is measured, whatever the library calls them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import (
    Scope,
    base_name,
    names_in,
    parts_of,
    statement_of,
    targets_of,
    texts,
    value_of,
)
from hauberk.methods.code.learning_rules import (
    COPIED,
    FIT_ON_TEST,
    SELECTED,
    STOPPED,
    TRAINED,
)
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.row_roles import TEST, TEST_WORD, TRAIN, Roles, named_role, roles_of
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_LEARNS = frozenset(
    {"train_dataset", "training_data", "train_data", "train_dataloaders", "train_dataloader", "train_loader"}
    | {"training_frame", "training_set", "train_df", "dl_train", "trainset", "train_set", "train_ds", "X_train"}
)  # fmt: skip
_FITS = frozenset(
    {
        "fit",
        "partial_fit",
        "train",
        "fit_transform",
        "fit_generator",
        "train_on_batch",
        "fine_tune",
        "finetune",
    }
)
_DATA = frozenset({"X", "x", "y", "data", "df", "dtrain", "train_set", "dataset", "examples"})
_AGGREGATES = frozenset(
    {"mean", "std", "var", "min", "max", "median", "quantile", "amin", "amax", "nanmean", "nanstd"}
)
_CURVES = expression(
    r"^(?:roc_curve|precision_recall_curve|det_curve|\w*_score|score|evaluate|accuracy|f1|validation_curve|calibration_curve|cross_val_score|measure\w*|test|eval_\w+|\w+_metric)$"
)
_MEASURES = expression(
    r"^(?:\w+_score|score|accuracy|f1|auc|mean_\w+_error|r2|log_loss|evaluate|classification_report|compute_metrics|rmse|mae|mse|confusion_matrix)$"
)
_PICKS = frozenset({"argmax", "argmin", "nanargmax", "nanargmin", "idxmax", "idxmin"})
_CLAIMS = expression(
    r"(?i)(?:^|[^a-z])(?:test|tests|tested|testing|held[- _]?out|hold[- _]?out|unseen|generali[sz]ation|out[- _]of[- _]sample|final|validation|val)(?:[^a-z]|$)"
)
_CLAIMS_TRAINING = expression(r"(?i)train|in[- _]sample|fit(?:ted)?\b")
_TRUTHS = expression(
    r"(?i)^(?:y|t)$|^(?:y|t)_?(?:true|test|val|te|gold)$|truth|^labels?$|^targets?$|^gold|^answers?$|^actual"
)
_ANSWERS = expression(r"(?i)pred|hat|guess|output|^out$|answers?$|proba?|logit|estimate")
_STOPPERS = expression(r"(?i)ReduceLROnPlateau|early_?stop|EarlyStop|plateau")


def misplaced_hits(index: Index, scope: Scope) -> Iterator[Hit]:
    """Hits of one scope."""
    roles = Roles(index)
    speaks_of_tests = index.speaks_of(TEST_WORD)
    if speaks_of_tests or any(_MEASURES.match(last_name(call.func)) for call in scope.calls):
        roles = roles_of(index, scope)
    if speaks_of_tests:
        yield from _learnt(index, scope, roles)
        yield from _looped(index, scope, roles)
        yield from _stopped(index, scope, roles)
        yield from _standardised(scope, roles)
    yield from _told_as_test(index, scope, roles)
    yield from _copied(index, scope)
    if speaks_of_tests:
        yield from _cut(index, scope, roles)


# Learning ------------------------------------------------------------------------------


def _learnt(index: Index, scope: Scope, roles: Roles) -> Iterator[Hit]:
    """Calls that learn from rows of the test: by keyword, by place, or joined with the others."""
    for call in scope.calls:
        name = last_name(call.func)
        for given in call.keywords:
            is_rows = given.arg in _LEARNS or (name in _FITS and given.arg in _DATA)
            if is_rows and TEST in roles.of(given.value):
                yield Hit(FIT_ON_TEST, given.value.lineno, f"{given.arg}={texts(given.value)[:50]}")
        asked = index.keyword(call, "split") if call.keywords else None
        if isinstance(asked, str) and "+" in asked:
            parts = set().union(
                *(named_role(part.partition("[")[0].strip()) for part in asked.split("+"))
            )
            if {TEST, TRAIN} <= parts:
                yield Hit(FIT_ON_TEST, call.lineno, f"split={asked}")
        dotted = index.dotted(call.func)
        if (
            name == "train"
            and len(call.args) > 1
            and re.match(r"(?:xgboost|lightgbm|catboost)\.", dotted)
        ):
            if roles.of(call.args[1]) == {TEST}:
                yield Hit(FIT_ON_TEST, call.lineno, texts(call)[:60])


def _looped(index: Index, scope: Scope, roles: Roles) -> Iterator[Hit]:
    """A loop over rows of the test in which weights change."""
    for loop in scope.statements:
        if not isinstance(loop, (ast.For, ast.AsyncFor)) or roles.of(loop.iter) != {TEST}:
            continue
        called = [
            node for part in loop.body for node in parts_of(part) if isinstance(node, ast.Call)
        ]
        names = {last_name(call.func) for call in called}
        if ("backward" in names and "step" in names) or names & {
            "partial_fit",
            "train_on_batch",
            "apply_gradients",
        }:
            yield Hit(
                FIT_ON_TEST, loop.lineno, f"for {texts(loop.target)} in {texts(loop.iter)}"[:60]
            )


def _stopped(index: Index, scope: Scope, roles: Roles) -> Iterator[Hit]:
    """Schedulers and stoppers that are told how the test went."""
    for call in scope.calls:
        name = last_name(call.func)
        owner: ast.expr | None = None
        if (
            name in {"step", "update", "__call__"}
            and isinstance(call.func, ast.Attribute)
            and call.args
        ):
            owner = call.func.value
        elif isinstance(call.func, ast.Name) and call.args:
            owner = call.func
        if (
            isinstance(owner, ast.Name)
            and _made_by(index, owner)
            and _is_result(index, call.args[0], roles)
        ):
            yield Hit(STOPPED, call.lineno, texts(call)[:60])
        if name == "fit" and len(call.args) > 2 and roles.of(call.args[2]) == {TEST}:
            held = call.func.value if isinstance(call.func, ast.Attribute) else None
            values = index.lookup(held) if isinstance(held, ast.Name) else []
            made = texts(call) + " ".join(texts(value)[:400] for value in values)
            if re.search(r"(?i)early_?stop|ModelCheckpoint|Plateau", made):
                yield Hit(STOPPED, call.lineno, texts(call)[:60])


def _made_by(index: Index, name: ast.Name) -> bool:
    made = [texts(v.func) for v in index.lookup(name) if isinstance(v, ast.Call)]
    return bool(made) and _STOPPERS.search(" ".join(made)) is not None


def _is_result(index: Index, node: ast.expr, roles: Roles, depth: int = 0) -> bool:
    """Whether a figure was measured on rows of the test."""
    if depth > _MAX_STEPS:
        return False
    if isinstance(node, ast.Name):
        if re.search(r"(?i)(?:^|_)(?:test|holdout|heldout)_(?:loss|acc|score|err|auc|f1)", node.id):
            return True
        return any(
            _is_result(index, value, roles, depth + 1)
            for value in index.lookup(node)[-2:]
            if isinstance(value, ast.Call)
        )
    if isinstance(node, ast.Call):
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        return any(roles.of(part) == {TEST} for part in given) or any(
            _is_result(index, part, roles, depth + 1) for part in given[:4]
        )
    if isinstance(node, ast.UnaryOp):
        return _is_result(index, node.operand, roles, depth + 1)
    if isinstance(node, (ast.Subscript, ast.Attribute)):
        return _is_result(index, node.value, roles, depth + 1)
    return False


_MAX_STEPS = 3


def _standardised(scope: Scope, roles: Roles) -> Iterator[Hit]:
    """``(X_test - X_test.mean()) / X_test.std()``: a transformation fitted on the test rows."""
    for statement in scope.assigned:
        value = value_of(statement)
        for part in parts_of(value) if value is not None else ():
            if not isinstance(part, ast.BinOp) or not isinstance(part.op, ast.Sub):
                continue
            left = base_name(part.left)
            own = [
                call
                for call in parts_of(part.right)
                if isinstance(call, ast.Call)
                and last_name(call.func)
                in (_CENTRES if not _is_divided(value, part) else _AGGREGATES)
                and left in names_in(call)
                and not _along_columns(call)
            ]
            if left and own and roles.of(part.left) == {TEST}:
                yield Hit(FIT_ON_TEST, statement.lineno, texts(part)[:60])
                break


_CENTRES = frozenset({"mean", "median", "nanmean"})


def _is_divided(value: ast.expr | None, part: ast.BinOp) -> bool:
    """Whether a difference is divided: that scales, while ``X - X.min()`` alone only shifts."""
    return value is not None and any(
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and part in parts_of(node.left)
        for node in parts_of(value)
    )


def _along_columns(call: ast.Call) -> bool:
    given = [k.value for k in call.keywords if k.arg in {"axis", "dim"}] or call.args[-1:]
    return any(
        (isinstance(node, ast.Constant) and node.value in {1, -1}) or isinstance(node, ast.UnaryOp)
        for node in given
    )


# Telling -------------------------------------------------------------------------------


def _told_as_test(index: Index, scope: Scope, roles: Roles) -> Iterator[Hit]:
    """A figure of the training rows under a name that says something else."""
    for call in scope.calls:
        if not _MEASURES.match(last_name(call.func)) or not call.args:
            continue
        spread = [*call.args, *(k.value for k in call.keywords)]
        told = set().union(*(_rows_behind(index, node, roles) for node in spread))
        if told != {TRAIN}:
            continue
        claim = _claim(index, call)
        if _CLAIMS.search(claim) and not _CLAIMS_TRAINING.search(claim):
            yield Hit(TRAINED, call.lineno, f"{claim.strip()[:30]}: {texts(call)[:40]}")


def _rows_behind(index: Index, node: ast.expr, roles: Roles) -> set[str]:
    """Rows of an argument, or those that a prediction in it was made for."""
    found = roles.of(node)
    values = index.lookup(node)[-1:] if isinstance(node, ast.Name) and not found else [node]
    for value in values:
        if isinstance(value, ast.Call) and last_name(value.func).startswith("predict"):
            found = found | set().union(*(roles.of(argument) for argument in value.args))
    return found


def _claim(index: Index, call: ast.Call) -> str:
    """The words beside a figure: its key, the name it gets, the text it is printed in."""
    statement = statement_of(index, call)
    words = [texts(target) for target in targets_of(statement)] if statement is not None else []
    inner: ast.AST = call
    for held in index.ancestors(call):
        if isinstance(held, ast.Dict):
            words += [
                str(key.value)
                for key, value in zip(held.keys, held.values, strict=True)
                if value is inner and isinstance(key, ast.Constant)
            ]
        elif isinstance(held, ast.JoinedStr):
            words += [str(part.value) for part in held.values if isinstance(part, ast.Constant)]
        elif isinstance(held, ast.Call) and last_name(held.func) in {
            "print",
            "info",
            "log_metric",
            "log",
            "add_scalar",
        }:
            words += [str(a.value) for a in held.args if isinstance(a, ast.Constant)]
        elif isinstance(held, ast.stmt):
            break
        inner = held
    return " ".join(words)


def _copied(index: Index, scope: Scope) -> Iterator[Hit]:
    """Predictions into which the truth is written before they are measured."""
    measured = {
        (base_name(call.args[0]), base_name(call.args[1]))
        for call in scope.calls
        if _MEASURES.match(last_name(call.func)) and len(call.args) > 1
    }
    truths = {truth for truth, _ in measured} - {""}
    for call in scope.calls:
        if last_name(call.func) in {"copyto", "putmask", "place"} and len(call.args) > 1:
            name = base_name(call.args[0])
            if name in truths and _predicts(index, call.args[-1], name, measured):
                yield Hit(COPIED, call.lineno, texts(call)[:60])
    for statement in scope.assigned:
        value = value_of(statement)
        target = next(iter(targets_of(statement)), None)
        if value is None or target is None:
            continue
        name = base_name(target)
        given = base_name(value)
        if name in truths and _is_other_column(target, scope):
            continue
        if name in truths and _brings_predictions(index, target, value, name, measured):
            yield Hit(COPIED, statement.lineno, texts(statement)[:60])
            continue
        if isinstance(target, ast.Subscript) and (given, name) in measured:
            yield Hit(COPIED, statement.lineno, texts(statement)[:60])
            continue
        if not _is_answer(index, target, name):
            continue
        if (
            isinstance(target, ast.Subscript)
            and _TRUTHS.search(base_name(value))
            and isinstance(value, (ast.Subscript, ast.Name))
            and not _is_entry_of_truths(index, target)
        ):
            yield Hit(COPIED, statement.lineno, texts(statement)[:60])
        elif isinstance(value, ast.Call) and last_name(value.func) in {"where", "choose", "select"}:
            sides = {base_name(part) for part in value.args[1:]}
            if name in sides and any(_TRUTHS.search(side) for side in sides - {name, ""}):
                yield Hit(COPIED, statement.lineno, texts(statement)[:60])


def _is_other_column(target: ast.expr, scope: Scope) -> bool:
    """``rows["guess"] = ...`` where ``rows["label"]`` is what is measured against."""
    if not isinstance(target, ast.Subscript) or not isinstance(target.slice, ast.Constant):
        return False
    columns = {
        truth.slice.value
        for call in scope.calls
        if _MEASURES.match(last_name(call.func)) and len(call.args) > 1
        for truth in call.args[:1]
        if isinstance(truth, ast.Subscript)
        and isinstance(truth.slice, ast.Constant)
        and base_name(truth) == base_name(target)
    }
    return bool(columns) and target.slice.value not in columns


def _brings_predictions(
    index: Index, target: ast.expr, value: ast.expr, name: str, measured: set[tuple[str, str]]
) -> bool:
    """Whether rows of the truth become what the model said of them."""
    if isinstance(target, ast.Subscript):
        return _predicts(index, value, name, measured)
    if not isinstance(value, ast.Call) or not isinstance(target, ast.Name):
        return False
    if last_name(value.func) not in {
        "where",
        "mask",
        "choose",
        "select",
        "fillna",
        "combine_first",
    }:
        return False
    given = [*value.args, *(k.value for k in value.keywords)]
    owner = value.func.value if isinstance(value.func, ast.Attribute) else value
    keeps = name == base_name(owner) or any(name == base_name(part) for part in given)
    first = 1 if name != base_name(owner) or last_name(value.func) in {"where", "mask"} else 0
    return keeps and any(_predicts(index, part, name, measured) for part in given[first:])


def _predicts(index: Index, node: ast.expr, truth: str, measured: set[tuple[str, str]]) -> bool:
    """Whether an expression is what a model says, measured against this truth or not."""
    if (truth, base_name(node)) in measured and isinstance(node, (ast.Name, ast.Subscript)):
        return True
    inner: ast.AST = node
    while isinstance(inner, (ast.Subscript, ast.Attribute)):
        inner = inner.value
    values = index.lookup(inner)[-2:] if isinstance(inner, ast.Name) else [inner]
    return any(
        isinstance(value, ast.Call) and last_name(value.func) in {"predict", "predict_proba"}
        for value in values
    )


def _is_entry_of_truths(index: Index, target: ast.Subscript) -> bool:
    """``output["labels"] = labels`` puts a batch together: the truth stands under its own name."""
    key = index.constant(target.slice)
    return isinstance(key, str) and _TRUTHS.search(key) is not None


def _is_answer(index: Index, target: ast.expr, name: str) -> bool:
    inner: ast.AST = target
    while isinstance(inner, (ast.Subscript, ast.Attribute)):
        inner = inner.value
    values = index.lookup(inner) if isinstance(inner, ast.Name) else []
    predicted = any(
        isinstance(v, ast.Call)
        and re.match(r"predict|forward|infer|generate|decision_function", last_name(v.func))
        for v in values
    )
    return predicted or (
        bool(name) and _ANSWERS.search(name) is not None and not _TRUTHS.search(name)
    )


def _cut(index: Index, scope: Scope, roles: Roles) -> Iterator[Hit]:
    """A threshold or setting picked where a curve over the test rows is best."""
    for call in scope.calls:
        if last_name(call.func) not in _PICKS:
            continue
        given = [*call.args, *([call.func.value] if isinstance(call.func, ast.Attribute) else [])]
        read = {node for part in given for node in parts_of(part) if isinstance(node, ast.Name)}
        for name in sorted(read, key=lambda node: node.id):
            values = [
                v
                for v in index.lookup(name)[-2:]
                if isinstance(v, (ast.Call, ast.ListComp, ast.GeneratorExp))
            ]
            if any(_is_curve(value, roles) for value in values) and not _is_drawn(index, call):
                yield Hit(SELECTED, call.lineno, texts(call)[:60])
                break


def _is_curve(value: ast.expr, roles: Roles) -> bool:
    for part in parts_of(value):
        if isinstance(part, ast.Call) and _CURVES.match(last_name(part.func)):
            if any(TEST in roles.of(node) for node in part.args):
                return True
    return False


def _is_drawn(index: Index, call: ast.Call) -> bool:
    return any(
        isinstance(held, ast.Call)
        and re.search(r"plot|text|annotate|axv|axh|scatter", last_name(held.func))
        for held in index.ancestors(call)
    )
