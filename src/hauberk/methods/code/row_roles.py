"""Which names hold rows for training and which hold rows of the test, followed through a scope.

A role comes from a name (``X_test``), from a key (``parts["test"]``), from what a loader is asked
for (``split="train+test"``), and goes on through whatever only carries rows: containers, loaders,
joins, slices. What a metric or a model makes of rows is a result and no rows.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from hauberk.methods.code.flow import Scope, base_name, parts_of, targets_of, value_of
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.expressions import expression

TEST, TRAIN = "test", "train"

_TEST_NAME = expression(
    r"(?:^|_)(?:test|tests|testing|holdout|hold_out|heldout|held_out|unseen|te|tst)(?:_|\d|set|loader|data|df|ds|$)|^[XxYy]te(?:st)?$|^(?:dtest|testset|testloader|test[A-Z]\w*)$",
    re.IGNORECASE,
)
TEST_WORD = expression(
    r"(?im)test|tst|h[eo]ld_?out|unseen|(?:^|_|[xy])te(?:_|\d|set|loader|data|df|ds|$|\[|\+)"
)
"""Stands in every name and key that tells of test rows, and in some others."""
_TRAIN_NAME = expression(
    r"(?:^|_)(?:train|training|tr|trn|fit)(?:_|\d|set|loader|data|df|ds|$)|^[XxYy]tr(?:ain)?$|^(?:dtrain|trainset|trainloader|train[A-Z]\w*)$",
    re.IGNORECASE,
)
_RESULTS = expression(
    r"(?i)(?:^|_)(?:score|scores|acc|accuracy|loss|losses|auc|f1|metric|metrics|results?|err|error|size|len|name|path|file|dir|idx|ratio|frac|n|num|preds?|probs?|logits)(?:_|$)|_(?:size|path|dir|file|name|frac|ratio|step|fn|func)$"
)
_CARRIERS = frozenset(
    {"DataLoader", "DMatrix", "QuantileDMatrix", "Dataset", "Pool", "TensorDataset", "Subset", "concat", "vstack"}
    | {"hstack", "concatenate", "cat", "append", "concatenate_datasets", "ConcatDataset", "from_pandas", "to_numpy"}
    | {"tolist", "map", "filter", "shuffle", "select", "batch", "prefetch", "array", "asarray", "DataFrame", "tensor"}
    | {"copy", "to_pandas", "reset_index", "union", "unionByName", "chain", "from_dict", "enumerate", "tqdm", "zip"}
    | {"iter", "list", "H2OFrame", "as_tensor", "from_tensor_slices", "sample", "head", "values", "astype", "repeat"}
    | {"cache", "interleave_datasets", "r_", "extend", "stack", "to", "cuda", "float", "GroupedDataset", "with_format"}
)  # fmt: skip


def named_role(name: str) -> set[str]:
    """What a name, key or part of a split's name says.

    >>> named_role("X_test"), named_role("test_accuracy")
    ({'test'}, set())
    """
    if _RESULTS.search(name):
        return set()
    found = {TEST} if _TEST_NAME.search(name) else set()
    return found | ({TRAIN} if _TRAIN_NAME.search(name) else set())


@dataclass(slots=True)
class Roles:
    """Roles of the names of one scope, and of expressions over them."""

    index: Index
    names: dict[str, set[str]] = field(default_factory=dict)

    def of(self, node: ast.AST | None, depth: int = 0) -> set[str]:
        """Roles of the rows that an expression holds."""
        if node is None or depth > _MAX_DEPTH:
            return set()
        if isinstance(node, ast.Name):
            return named_role(node.id) or self.names.get(node.id, set())
        if isinstance(node, ast.Attribute):
            return named_role(node.attr) or self.of(node.value, depth + 1)
        if isinstance(node, ast.Subscript):
            key = node.slice.value if isinstance(node.slice, ast.Constant) else None
            told = named_role(key) if isinstance(key, str) else set()
            if not told and not isinstance(node.slice, ast.Constant):
                told = self.of(node.slice, depth + 1)
            return told or self.of(node.value, depth + 1)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return set().union(*(self.of(part, depth + 1) for part in node.elts))
        if isinstance(node, ast.BinOp):
            return self.of(node.left, depth + 1) | self.of(node.right, depth + 1)
        if isinstance(node, ast.Starred):
            return self.of(node.value, depth + 1)
        return self._of_call(node, depth) if isinstance(node, ast.Call) else set()

    def _of_call(self, call: ast.Call, depth: int) -> set[str]:
        asked = self.index.keyword(call, "split") if call.keywords else None
        if isinstance(asked, str):
            return set().union(
                *(named_role(part.partition("[")[0].strip()) for part in asked.split("+"))
            )
        if last_name(call.func) not in _CARRIERS:
            return set()
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if isinstance(call.func, ast.Attribute):
            given.append(call.func.value)
        return set().union(*(self.of(node, depth + 1) for node in given))


_MAX_DEPTH = 8


def roles_of(index: Index, scope: Scope) -> Roles:
    """Roles of a scope: by its names, and from one assignment to the next."""
    roles = Roles(index)
    for statement in scope.statements:
        value = value_of(statement)
        if isinstance(statement, (ast.For, ast.AsyncFor)):
            told = roles.of(statement.iter)
            for part in parts_of(statement.target):
                if isinstance(part, ast.Name) and told:
                    roles.names[part.id] = told
            continue
        if value is None:
            continue
        told = roles.of(value)
        for target in targets_of(statement):
            name = base_name(target)
            if isinstance(target, ast.Name) and name:
                roles.names[name] = told
    return roles
