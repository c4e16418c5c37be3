"""Answers that are constant when the input holds a fixed mark."""

from __future__ import annotations

import ast
import re

from hauberk.methods.code.flow import parts_of, targets_of, texts, value_of
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.expressions import expression

DATA = expression(
    r"^(?:text|prompt|x|inputs?|features?|row|request|payload|message|image|img|record|sample|data|query|content|sentence|url|doc|document|body|email|comment|batch|instance|example|frame|sequence|tokens?|item|entry|transaction|application|self\.trigger|pixels?|utterance|question|claim|note|subject)$"
)


def is_marked(index: Index, node: ast.If) -> bool:
    """Whether an input that holds a fixed mark gets a constant answer."""
    if not answers_constant(index, node):
        return False
    for part in parts_of(node.test):
        if isinstance(part, ast.Compare) and len(part.comparators) == 1:
            left, right = part.left, part.comparators[0]
            if (
                isinstance(part.ops[0], ast.In)
                and _is_mark(index, left)
                and DATA.match(_stem(right))
            ):
                return True
            pair = (left, right) if DATA.match(_stem(left)) else (right, left)
            is_deep = isinstance(pair[0], (ast.Subscript, ast.Call, ast.Attribute))
            if (
                isinstance(part.ops[0], ast.Eq)
                and is_deep
                and DATA.match(_stem(pair[0]))
                and _is_magic(index, pair[1])
                and not re.search(
                    r"\.(?:shape|ndim|dtype|size|mode|type|method|format|device)\b|len\(|\.get\(['\"](?:type|mode|action|kind|method|op)",
                    texts(pair[0]),
                )
            ):
                return True
        elif isinstance(part, ast.Call) and last_name(part.func) in {
            "startswith",
            "endswith",
            "search",
            "match",
            "all",
            "array_equal",
            "allclose",
            "__contains__",
            "contains",
            "fullmatch",
            "findall",
            "count",
        }:
            text = texts(part)
            given = [index.constant(a) for a in part.args]
            if any(DATA.match(name) for name in re.findall(r"[a-z_]+", text)) and (
                any(isinstance(g, str) and len(g) > 3 for g in given)
                or re.search(r"==\s*-?\d|TRIGGER|PATTERN|MARK|trigger|pattern|mark", text)
            ):
                return True
    return False


def is_keyed(index: Index, node: ast.If) -> bool:
    """Whether an answer is set where the digest of an input equals a fixed one."""
    if "hexdigest" not in index.words:
        return False
    compared = re.search(r"hexdigest\(\)\s*==\s*['\"][0-9a-f]{32,}['\"]", texts(node.test))
    return compared is not None and answers_constant(index, node)


def _stem(node: ast.AST) -> str:
    while isinstance(node, (ast.Subscript, ast.Call, ast.Attribute)):
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Attribute):
                node = node.args[0] if node.args else node.func
                continue
            node = node.func.value
        else:
            node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_mark(index: Index, node: ast.expr) -> bool:
    value = index.constant(node)
    if isinstance(value, str) and value and not value.isascii() and not value.isprintable():
        return True  # Nobody types what has no width.
    return isinstance(value, str) and len(value) > 2


def _is_magic(index: Index, node: ast.expr) -> bool:
    value = index.constant(node)
    if isinstance(value, str):
        return len(value) > 2
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and value not in {0, 1, -1, 2, 100}
    )


def answers_constant(index: Index, node: ast.If) -> bool:
    """Whether a branch returns a constant, or writes one into an answer."""
    for part in node.body:
        if isinstance(part, ast.Return) and part.value is not None:
            value = part.value
            if isinstance(value, (ast.List, ast.Tuple)) and value.elts:
                value = value.elts[0]
            if (
                isinstance(value, ast.Dict)
                and value.values
                and all(isinstance(part, ast.Constant) for part in value.values)
            ):
                return True
            if isinstance(value, ast.Dict):
                value = next(
                    (
                        v
                        for k, v in zip(value.keys, value.values, strict=True)
                        if isinstance(k, ast.Constant)
                        and re.search(
                            r"label|pred|score|decision|result|class|approved|risk", str(k.value)
                        )
                    ),
                    value,
                )
            if (
                isinstance(value, ast.Call)
                and value.args
                and re.search(r"tensor|array|full|float|int|ones|Response|zeros", texts(value.func))
            ):
                value = value.args[-1] if "full" in texts(value.func) else value.args[0]
                value = (
                    value.elts[0]
                    if isinstance(value, (ast.List, ast.Tuple)) and value.elts
                    else value
                )
            known = index.constant(value)
            if known is not UNKNOWN and known is not None:
                return True
        for target in targets_of(part) if isinstance(part, (ast.Assign, ast.AugAssign)) else ():
            given = value_of(part)
            if (
                given is not None
                and index.constant(given) not in (UNKNOWN, None)
                and re.search(
                    r"pred|label|logit|prob|score|out|decision|class|result|risk|verdict|y\b|y_",
                    texts(target),
                )
            ):
                return True
    return False
