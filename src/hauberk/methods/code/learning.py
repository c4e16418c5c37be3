"""Mistakes of method in training and evaluation code, which make figures too good.

Order matters here: a scaler fitted before the split has seen the test rows, the same line
behind the split has not.

References:
    Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in machine-learning-based
    science, Patterns 4(9), the taxonomy of leakage.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hauberk.methods.code.flow import (
    scopes_of,
)
from hauberk.methods.code.leakage import (
    chosen_by_test,
    filled_from_later,
    target_among_features,
    tuned_by_test,
)
from hauberk.methods.code.learning_features import (
    feature_hits,
    joined_later,
    judged_on_own_rows,
    shuffled_days,
)
from hauberk.methods.code.learning_fits import fitted_before_split
from hauberk.methods.code.learning_held_out import fitted_on_test, selected_by_test, stopped_by_test
from hauberk.methods.code.learning_metrics import metric_hits
from hauberk.methods.code.learning_names import METRICS, SPEAKING, TEST
from hauberk.methods.code.misplaced_rows import misplaced_hits
from hauberk.methods.code.python_index import Index
from hauberk.methods.code.rules import Hit
from hauberk.methods.code.whole_fits import whole_fit_hits


def learning_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    speaks = index.called & SPEAKING or any(METRICS.match(name) for name in index.called)
    if not speaks and not _speaks_of_learning(index):
        return
    yield from tuned_by_test(index)
    for scope in scopes_of(index):
        yield from target_among_features(index, scope)
        if not scope.calls:
            continue
        yield from fitted_before_split(index, scope)
        yield from fitted_on_test(index, scope)
        yield from stopped_by_test(index, scope)
        yield from selected_by_test(index, scope)
        yield from metric_hits(index, scope)
        yield from feature_hits(index, scope)
        yield from joined_later(index, scope)
        yield from shuffled_days(index, scope)
        yield from judged_on_own_rows(index, scope)
        yield from misplaced_hits(index, scope)
        yield from whole_fit_hits(index, scope)
        yield from chosen_by_test(index, scope)
        yield from filled_from_later(index, scope)


def _speaks_of_learning(index: Index) -> bool:
    """Whether names of test rows, targets or tries stand in the module at all."""
    return any(
        isinstance(node, ast.Name)
        and (node.id in {"X", "y", "X_test", "y_test"} or TEST.search(node.id) is not None)
        for node in index.kinds.get(ast.Name, ())
    )
