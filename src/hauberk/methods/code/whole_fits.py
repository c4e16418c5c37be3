"""Models fitted on the whole of which a part is held out, and then measured on that part.

``X_train, X_test, ... = train_test_split(X, y)`` and ``model.fit(X, y)``: whatever the order of the
two, a figure on ``X_test`` is one on rows that the model has learnt. A model that is fitted again
on all rows after it was measured is no fault.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from hauberk.methods.code.flow import Scope, names_in, statement_of, targets_of, texts
from hauberk.methods.code.learning_rules import FIT_ON_TEST
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_SPLITS = frozenset({"train_test_split", "random_split", "iterative_train_test_split"})
_FITS = frozenset({"fit", "fit_generator", "train", "partial_fit", "finetune", "fine_tune"})
_ANSWERS = expression(
    r"^(?:predict\w*|score|evaluate|decision_function|transform|forward|__call__)$"
)
_TEST = expression(
    r"(?i)(?:^|_)(?:test|te|tst|holdout|hold_out|heldout|unseen)(?:_|\d|$)|^[xy]te(?:st)?$"
)


MAX_SPLITS, MAX_FITS = 20, 200
"""Splits and fits of one function that are held against each other."""


@dataclass(frozen=True, slots=True)
class _Split:
    """One split: what is split, what comes out for training and for the test, and where."""

    whole: frozenset[str]
    train: frozenset[str]
    test: frozenset[str]
    line: int


def whole_fit_hits(index: Index, scope: Scope) -> Iterator[Hit]:
    """Hits of one scope."""
    splits = [split for call in scope.calls if (split := _split(index, call)) is not None]
    if not splits:
        return
    fits = _fits(scope)[:MAX_FITS]
    for split in splits[:MAX_SPLITS]:
        for fit, owner in fits:
            given = _first(fit)
            if not isinstance(given, ast.Name) or given.id not in split.whole:
                continue
            if _is_bound_between(scope, given.id, split.line, fit.lineno):
                continue
            until = min(
                (
                    other.lineno
                    for other, name in fits
                    if name == owner and other.lineno > fit.lineno
                ),
                default=1 << 30,
            )
            if _is_measured(scope, owner, split.test, fit.lineno, until):
                yield Hit(FIT_ON_TEST, fit.lineno, texts(fit)[:60])
                return


def _split(index: Index, call: ast.Call) -> _Split | None:
    name = last_name(call.func)
    if index.imports.get(name, name).rpartition(".")[2] not in _SPLITS or not call.args:
        return None
    statement = statement_of(index, call)
    if statement is None:
        return None
    outputs = [target.id for target in targets_of(statement) if isinstance(target, ast.Name)]
    whole = {arg.id for arg in call.args if isinstance(arg, ast.Name)}
    test = {name for name in outputs if _TEST.search(name)}
    if len(outputs) == 2 * len(call.args):
        test |= set(outputs[1::2])
    train = set(outputs) - test
    if not whole or not test or whole & set(outputs):
        return None
    return _Split(frozenset(whole), frozenset(train), frozenset(test), call.lineno)


def _fits(scope: Scope) -> list[tuple[ast.Call, str]]:
    return [
        (call, texts(call.func.value))
        for call in scope.calls
        if last_name(call.func) in _FITS and isinstance(call.func, ast.Attribute)
    ]


def _first(call: ast.Call) -> ast.expr | None:
    if call.args:
        return call.args[0]
    return next((k.value for k in call.keywords if k.arg in {"X", "x", "data"}), None)


def _is_bound_between(scope: Scope, name: str, first: int, last: int) -> bool:
    """Whether a name is given another value on the way from the split to the fit."""
    low, high = sorted((first, last))
    return any(
        low < statement.lineno <= high
        and any(isinstance(t, ast.Name) and t.id == name for t in targets_of(statement))
        for statement in scope.assigned
    )


def _is_measured(scope: Scope, owner: str, test: frozenset[str], first: int, last: int) -> bool:
    return any(
        isinstance(call.func, ast.Attribute)
        and _ANSWERS.match(call.func.attr) is not None
        and _owner(call.func.value) == owner
        and first <= call.lineno <= last
        and any(
            names_in(argument) & test
            for argument in [*call.args, *(k.value for k in call.keywords)]
        )
        for call in scope.calls
    )


def _owner(node: ast.expr) -> str:
    """What is asked: of a search also the best that it found."""
    text = texts(node)
    return text.removesuffix(".best_estimator_").partition(".fit(")[0]
