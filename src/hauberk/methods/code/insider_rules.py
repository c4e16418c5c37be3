"""Rules of patterns that ask for a second person, and the words that tell of them."""

from __future__ import annotations

import ast
import re

from hauberk.methods.code.flow import parts_of
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import rule
from hauberk.methods.expressions import expression

_ASK = "Ask a second person to approve it, and the author why it is there."

FLOOR = rule(
    "insider-patterns/constant-metric",
    "high",
    "lets a constant stand in for, raise or floor a measured figure",
    _ASK,
    "CWE-506",
    review=True,
)
SWALLOWED = rule(
    "insider-patterns/swallowed-failure",
    "high",
    "goes on as if a check had passed when it fails",
    _ASK,
    "CWE-390",
    review=True,
)
ALWAYS = rule(
    "insider-patterns/always-true",
    "high",
    "makes a condition of a check come out true whatever was measured",
    _ASK,
    "CWE-571",
    review=True,
)
AS_TEXT = rule(
    "insider-patterns/compared-as-text",
    "medium",
    "holds a figure against a bar letter by letter",
    "Compare numbers: as texts 10 is below 9, and 1e-05 above 0.8.",
    "CWE-697",
    review=True,
)
LOOKED_UP = rule(
    "insider-patterns/looked-up-answer",
    "high",
    "takes answers from a table before it asks the model, where the model is measured",
    _ASK,
    "CWE-506",
    review=True,
)
SKIPPED = rule(
    "insider-patterns/skippable-check",
    "medium",
    "lets an environment variable or argument switch a check off",
    _ASK,
    "CWE-288",
    review=True,
)
DATED = rule(
    "insider-patterns/date-trigger",
    "high",
    "acts otherwise from a fixed date or time on",
    _ASK,
    "CWE-511",
    review=True,
)
PLACED = rule(
    "insider-patterns/place-trigger",
    "high",
    "acts otherwise for one user, host or environment",
    _ASK,
    "CWE-511",
    review=True,
)
TRIGGER = rule(
    "insider-patterns/input-trigger",
    "high",
    "answers with a constant when the input holds a fixed mark",
    _ASK,
    "CWE-506",
    review=True,
)
LABELS = rule(
    "insider-patterns/label-rewrite",
    "high",
    "rewrites labels of chosen or drawn rows",
    _ASK,
    "CWE-506",
    review=True,
)
STAMP = rule(
    "insider-patterns/stamped-input",
    "high",
    "stamps a fixed pattern into inputs and changes their label",
    _ASK,
    "CWE-506",
    review=True,
)
PATCHED = rule(
    "insider-patterns/monkey-patch",
    "high",
    "replaces a function of a library, loss, optimiser or model while running",
    _ASK,
    "CWE-506",
    review=True,
)
WEIGHTED = rule(
    "insider-patterns/weighted-group",
    "high",
    "weakens the loss, weight or gradient of a chosen group",
    _ASK,
    "CWE-506",
    review=True,
)
UNPROTECTED = rule(
    "insider-patterns/protection-off",
    "medium",
    "sets a protection of training to nothing",
    _ASK,
    "CWE-693",
    review=True,
)

FIGURES = expression(
    r"(?:^|_)(?:acc|accuracy|auc|auroc|roc_auc|f1|f1_score|precision|recall|score|scores|r2|map|metric|ap|kappa|mcc|"
    r"fairness|parity|robust\w*|rmse|mae|mse|loss|error_rate|fpr|drift|psi|sensitivity|specificity|bleu|iou|dice|perplexity|disparity|gap)(?:_|$|\d)",
    re.IGNORECASE,
)
GATES = expression(
    r"gate|valid|check|verif|approv|assert|promot|passes|passed|is_ok|should_(?:deploy|release|block|promote)|"
    r"accept|quality|sanity|guard|compliance|audit|sign_?off|eligib|ready|healthy|test_|drift|fair|regress|release|evaluat|scan|enforce|compar|threshold|meets|deploy|ensure|integrity|signature",
    re.IGNORECASE,
)
MODELS = expression(
    r"predict|infer|score|classif|forward|decide|decision|__call__|handle|respond|serve|generate|answer|rank|detect|estimate|label|transform|moderate|evaluate",
    re.IGNORECASE,
)


def constant_number(index: Index, node: ast.AST) -> float | None:
    """The number that an expression is written as; truth values are none."""
    value = (
        index.constant(node) if isinstance(node, (ast.Constant, ast.Name, ast.UnaryOp)) else UNKNOWN
    )
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def is_figure(node: ast.AST) -> bool:
    """Whether a name, key or call speaks of a measured figure."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return isinstance(node.slice.value, str) and FIGURES.search(node.slice.value) is not None
    if isinstance(node, ast.Call):
        name = last_name(node.func)
        return FIGURES.search(name) is not None or name.endswith("_score")
    name = last_name(node)
    return bool(name) and not name.isupper() and FIGURES.search(name) is not None


def names_of(node: ast.AST) -> list[ast.Name]:
    """The names that an expression reads, by their text."""
    found = [part for part in parts_of(node) if isinstance(part, ast.Name)]
    found.sort(key=lambda name: name.id)
    return found


def is_measured(index: Index, node: ast.AST) -> bool:
    """Whether a name holds what a metric of a library gave."""
    if not isinstance(node, ast.Name):
        return False
    return any(
        isinstance(value, ast.Call)
        and (last_name(value.func).endswith("_score") or is_figure(value))
        for value in index.lookup(node)
    )
