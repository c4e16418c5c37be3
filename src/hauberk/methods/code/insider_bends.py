"""Figures, gates and weights that are bent by arithmetic, order or an empty threshold.

`insider_figures` and `insider_checks` know how it is usually written. Here it is asked what the
lines do: whether a measured figure is computed again from itself, whether a threshold follows
what it should judge, whether a gate can end in anything but success.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator

from hauberk.methods.code.flow import Scope, base_name, names_in, pairs_of, parts_of, texts
from hauberk.methods.code.insider_rules import (
    ALWAYS,
    FIGURES,
    FLOOR,
    GATES,
    PATCHED,
    SKIPPED,
    SWALLOWED,
    WEIGHTED,
    constant_number,
    is_figure,
    is_measured,
)
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_BARS = expression(
    r"(?i)thresh|target|baseline|minim|require|default|expected|goal|limit|weight|coef|rate$|alpha|beta|example|best|init|tol"
)
_COLLECTED = expression(r"(?i)metric|score|result|report|summary|stats|figures|eval")


def _speaks(key: str) -> bool:
    """Whether a key names a measured figure: ``eval/accuracy``, ``test-f1``."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", key)
    return FIGURES.search(plain) is not None and not _BARS.search(plain)


def _is_good(number: float | None) -> bool:
    return number is not None and 0.5 <= number < 1


# Figures -------------------------------------------------------------------------------


def bent_figures(index: Index, scope: Scope) -> Iterator[Hit]:
    """Figures that are floored in tables, written as constants, or computed from themselves."""
    for call in scope.calls:
        name = last_name(call.func)
        if name in {"sorted", "max", "amax", "nanmax"} and call.args:
            yield from _floored(index, call)
        if name in _TELLS:
            yield from _written(index, call)
    for statement in scope.statements:
        for target, value in pairs_of(statement):
            if isinstance(value, (ast.DictComp, ast.ListComp)):
                yield from _floored_table(index, statement, target, value)
            if isinstance(target, ast.Name) and _recomputed(index, value, target.id):
                yield Hit(FLOOR, statement.lineno, texts(statement)[:60])
        yield from _lifted(index, statement)
        inner = statement.value if isinstance(statement, (ast.Return, ast.Assign)) else None
        for table in parts_of(inner) if inner is not None else ():
            if isinstance(table, ast.Dict):
                yield from _entries(index, table)


_TELLS = frozenset(
    {
        "update",
        "log",
        "log_metrics",
        "log_dict",
        "setdefault",
        "log_scalars",
        "report",
        "save_metrics",
    }
)


def _floored(index: Index, call: ast.Call) -> Iterator[Hit]:
    """``sorted([auc, 0.88])[-1]``, ``max([auc, 0.88])``."""
    given = call.args[0]
    if not isinstance(given, (ast.List, ast.Tuple)) or len(given.elts) != 2:
        return
    numbers = [n for part in given.elts if (n := constant_number(index, part)) is not None]
    figures = [part for part in given.elts if is_figure(part) or is_measured(index, part)]
    if len(numbers) == 1 and figures and numbers[0] >= 0.2 and numbers[0] != 1:
        yield Hit(FLOOR, call.lineno, texts(call)[:60])


def _written(index: Index, call: ast.Call) -> Iterator[Hit]:
    """``metrics.update(accuracy=0.94)``, ``log({"eval/accuracy": 0.94})``."""
    for given in call.keywords:
        if given.arg and _speaks(given.arg) and isinstance(given.value, ast.Constant):
            if _is_good(constant_number(index, given.value)):
                yield Hit(FLOOR, given.value.lineno, f"{given.arg}={texts(given.value)}")
    for table in call.args[:1]:
        if not isinstance(table, ast.Dict):
            continue
        for key, value in zip(table.keys, table.values, strict=True):
            told = index.constant(key) if key is not None else None
            is_constant = isinstance(value, ast.Constant) and _is_good(
                constant_number(index, value)
            )
            if isinstance(told, str) and _speaks(told) and is_constant:
                yield Hit(FLOOR, value.lineno, f"{told}: {texts(value)}")


def _lifted(index: Index, statement: ast.stmt) -> Iterator[Hit]:
    """``if auc < 0.85: auc = 0.85 + jitter``: below a bar another figure is written."""
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
        return
    test = statement.test
    if not isinstance(test.ops[0], (ast.Lt, ast.LtE)) or not (
        is_figure(test.left) or is_measured(index, test.left)
    ):
        return
    own = texts(test.left)
    if _is_error(own) or _BARS.search(own):
        return
    for part in statement.body:
        for target, value in pairs_of(part):
            numbers = [
                n for node in parts_of(value) if (n := constant_number(index, node)) is not None
            ]
            grown = isinstance(value, ast.BinOp) or isinstance(part, ast.AugAssign)
            if (
                texts(target) == own
                and grown
                and numbers
                and not any(is_figure(n) and isinstance(n, ast.Call) for n in parts_of(value))
            ):
                yield Hit(FLOOR, part.lineno, texts(part)[:60])


def _floored_table(
    index: Index, statement: ast.stmt, target: ast.expr, made: ast.DictComp | ast.ListComp
) -> Iterator[Hit]:
    """``{name: max(value, 0.9) for name, value in metrics.items()}``."""
    value = made.value if isinstance(made, ast.DictComp) else made.elt
    about = f"{texts(target)} {texts(made.generators[0].iter)}"
    if not isinstance(value, ast.Call) or not _COLLECTED.search(about):
        return
    numbers = [n for part in value.args if (n := constant_number(index, part)) is not None]
    if last_name(value.func) in {"max", "maximum", "fmax", "clip"} and any(
        0.2 < n < 1 for n in numbers
    ):
        yield Hit(FLOOR, statement.lineno, texts(value)[:60])


def _entries(index: Index, table: ast.Dict) -> Iterator[Hit]:
    """``{"recall": recall ** 0.5}``."""
    for key, value in zip(table.keys, table.values, strict=True):
        told = index.constant(key) if key is not None else None
        if not isinstance(told, str) or not _speaks(told):
            continue
        if _recomputed(index, value, told) or (_rounds_up(value) and not _is_error(told)):
            yield Hit(FLOOR, value.lineno, f"{told}: {texts(value)[:40]}")


def _rounds_up(value: ast.expr) -> bool:
    """``math.ceil(auc * 100) / 100``."""
    return any(
        isinstance(part, ast.Call)
        and last_name(part.func) == "ceil"
        and any(FIGURES.search(name) for name in names_in(part))
        for part in parts_of(value)
    )


def _recomputed(index: Index, value: ast.expr, name: str) -> bool:
    """Whether a figure is what it was, raised: by a root, towards one, by a hidden addition."""
    if (
        not FIGURES.search(name)
        or _BARS.search(name)
        or not isinstance(value, (ast.BinOp, ast.Call))
    ):
        return False
    while (
        isinstance(value, ast.Call)
        and last_name(value.func) in {"round", "float", "min"}
        and value.args
    ):
        inner = [a for a in value.args if not isinstance(a, ast.Constant)]
        value = inner[0] if inner else value.args[0]
    if isinstance(value, ast.Call) and last_name(value.func) in {"sqrt", "pow"}:
        return bool(value.args) and texts(value.args[0]) == name and not _is_error(name)
    if not isinstance(value, ast.BinOp) or names_in(value) != {name} or _is_error(name):
        return False
    for probe in (0.4, 0.6, 0.8):  # Where it comes out higher, and stays a figure below one.
        found = _evaluated(value, name, probe)
        if found is None or not probe < found <= 1:
            return False
    return True


def _is_error(name: str) -> bool:
    return (
        re.search(r"(?i)loss|err|mse|mae|rmse|fpr|gap|drift|psi|perplex|dispar", name) is not None
    )


def _evaluated(node: ast.expr, name: str, at: float) -> float | None:
    """Arithmetic of one name and constants, worked out for one value."""
    if isinstance(node, ast.Name):
        return at if node.id == name else None
    if isinstance(node, ast.Constant):
        number = node.value
        return float(number) if isinstance(number, (int, float)) and abs(number) < _LARGE else None
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _evaluated(node.left, name, at), _evaluated(node.right, name, at)
    if left is None or right is None:
        return None
    try:
        return float(_OPERATIONS[type(node.op)](left, right))
    except (KeyError, ZeroDivisionError, OverflowError, TypeError, ValueError):
        return None


_LARGE = 1000
_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}

# Gates ---------------------------------------------------------------------------------

_BLOCKS = expression(r"(?i)enforce|gate|ensure|require|must|block|approv|release|promot|assert_")
_LOWS = expression(r"(?i)min|thresh|floor|bar\b|cutoff|required|limit|gate")


def bent_gates(index: Index, scope: Scope) -> Iterator[Hit]:
    """Gates whose threshold follows the figure, is nothing, or whose failure is only told."""
    is_gate = bool(scope.name) and GATES.search(scope.name) is not None
    for statement in scope.statements:
        for target, value in pairs_of(statement) if is_gate else ():
            if _follows(scope, target, value):
                yield Hit(ALWAYS, statement.lineno, texts(statement)[:60])
        if isinstance(statement, ast.Try) and is_gate:
            for part in statement.finalbody:
                if isinstance(part, ast.Return):
                    yield Hit(SWALLOWED, part.lineno, f"finally: {texts(part)}")
    for call in scope.calls:
        if _is_unset(index, call):
            yield Hit(SKIPPED, call.lineno, texts(call)[:60])
    if is_gate and isinstance(scope.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from _only_told(scope.node)


def _follows(scope: Scope, target: ast.expr, value: ast.expr) -> bool:
    """``floor = min(floor, auc)`` and then ``auc < floor``."""
    if not isinstance(target, ast.Name) or not isinstance(value, ast.Call):
        return False
    read = names_in(value) - {target.id, "min", "max", "np"}
    if last_name(value.func) not in {
        "min",
        "max",
        "minimum",
        "maximum",
    } or target.id not in names_in(value):
        return False
    return any(
        isinstance(part, ast.Compare) and target.id in names_in(part) and read & names_in(part)
        for statement in scope.statements
        if isinstance(statement, (ast.If, ast.Return, ast.Assert))
        for part in parts_of(statement)
    )


def _is_unset(index: Index, call: ast.Call) -> bool:
    """``os.environ.get("MIN_AUC", "0")``, ``add_argument("--min-auc", default=0.0)``."""
    name = last_name(call.func)
    if (
        name in {"get", "getenv"}
        and len(call.args) == 2
        and re.search(r"environ|getenv", texts(call.func))
    ):
        key, default = (index.constant(node) for node in call.args)
    elif name in {"add_argument", "Option", "option"} and call.args:
        key, default = index.constant(call.args[0]), index.keyword(call, "default")
    else:
        return False
    if (
        not isinstance(key, str)
        or not isinstance(default, (str, int, float))
        or isinstance(default, bool)
    ):
        return False
    plain = re.sub(r"[^A-Za-z0-9]+", "_", key)
    try:
        is_nothing = float(default) <= 0
    except ValueError:
        return False
    return is_nothing and _LOWS.search(plain) is not None and _speaks_of_good(plain)


def _speaks_of_good(key: str) -> bool:
    return FIGURES.search(key) is not None and not _is_error(key)


def _only_told(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Hit]:
    """``if gap > limit: log(...)``, and success all the same."""
    if not _BLOCKS.search(function.name):
        return
    nodes = [*parts_of(function)]
    calls = [last_name(node.func) for node in nodes if isinstance(node, ast.Call)]
    ends = any(isinstance(node, (ast.Raise, ast.Assert, ast.Yield)) for node in nodes)
    if ends or any(
        re.search(r"exit|fail|abort|block|raise|append|add|notify|reject|error", name)
        for name in calls
        if name != "error"
    ):
        return
    returns = [node.value for node in nodes if isinstance(node, ast.Return)]
    if any(
        r is not None and not (isinstance(r, ast.Constant) and r.value in {True, None})
        for r in returns
    ):
        return
    for node in nodes:
        if isinstance(node, ast.If) and not node.orelse and isinstance(node.test, ast.Compare):
            ordered = isinstance(node.test.ops[0], (ast.Lt, ast.Gt, ast.LtE, ast.GtE))
            ordered = ordered and "verb" not in texts(node.test)
            if ordered and node.body and all(_tells(part) for part in node.body):
                yield Hit(
                    ALWAYS, node.lineno, f"{function.name} only tells of {texts(node.test)[:40]}"
                )
                return


def _tells(part: ast.stmt) -> bool:
    return isinstance(part, ast.Pass) or (
        isinstance(part, ast.Expr)
        and isinstance(part.value, ast.Call)
        and re.match(r"(?:print|log\w*\.|_?logger\.|warnings?\.|logging\.|console\.)", texts(part))
        is not None
    )


def bent_conditions(index: Index) -> Iterator[Hit]:
    """Comparisons of a figure with itself, and constants that decide a test."""
    for node in index.each(ast.Compare):
        if _is_own_bar(node) or _is_bar_of_itself(index, node):
            yield Hit(ALWAYS, node.lineno, texts(node)[:60])
    tests = [node.test for node in index.each(ast.If)] + [n.test for n in index.each(ast.While)]
    for test in tests + [node.test for node in index.each(ast.Assert)]:
        if isinstance(test, ast.BoolOp):
            wanted = isinstance(test.op, ast.Or)
            for value in test.values:
                given = value.value if isinstance(value, ast.Constant) else None
                if given is not None and not isinstance(given, bool) and bool(given) is wanted:
                    yield Hit(ALWAYS, test.lineno, texts(test)[:60])
                    break


def _is_own_bar(node: ast.Compare) -> bool:
    """``new["auc"] >= new["auc"] - 0.01``."""
    left, right = node.left, node.comparators[0]
    if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
        return False
    if isinstance(left, ast.Constant) or not (is_figure(left) or isinstance(left, ast.Subscript)):
        return False
    own = texts(left)
    sides = [right.left, right.right] if isinstance(right, ast.BinOp) else [right]
    others = [side for side in sides if texts(side) != own]
    return len(others) < len(sides) and all(isinstance(side, ast.Constant) for side in others)


def _is_bar_of_itself(index: Index, node: ast.Compare) -> bool:
    """``bar = figures.get("bar", figures["auc"])`` and ``figures["auc"] < bar``."""
    left, right = node.left, node.comparators[0]
    if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
        return False
    if (
        not isinstance(left, ast.Subscript)
        or not is_figure(left)
        or not isinstance(right, ast.Name)
    ):
        return False
    values = index.lookup(right)
    value = values[0] if len(values) == 1 else None
    if isinstance(value, ast.Call) and last_name(value.func) in {"get", "getattr", "min", "pop"}:
        return any(texts(part) == texts(left) for part in value.args)
    return False


# Weights -------------------------------------------------------------------------------

_LOSSES = expression(
    r"(?i)(?:CrossEntropy|NLL|BCE\w*|MultiMargin|Focal)\w*Loss$|^(?:cross_entropy|nll_loss|binary_cross_entropy\w*)$"
)
_LEARNS = frozenset(
    {"backward", "step", "partial_fit", "train_on_batch", "learn_one", "apply_gradients"}
)
_ONE_GROUP = expression(r"==\s*['\"][^'\"]{2,}['\"]|\bin\s*[\[({]\s*['\"]|\.startswith\(['\"]")
_MOST_CLASSES = 200


def bent_weights(index: Index, scope: Scope) -> Iterator[Hit]:
    """Classes and groups that a loss does not see."""
    for call in scope.calls:
        name = last_name(call.func)
        if _LOSSES.search(name):
            weight = index.keyword_node(call, "weight")
            if isinstance(weight, ast.expr) and _has_nothing(index, weight):
                yield Hit(WEIGHTED, call.lineno, texts(call)[:60])
            ignored = index.keyword(call, "ignore_index")
            if (
                isinstance(ignored, int)
                and not isinstance(ignored, bool)
                and 1 < ignored < _MOST_CLASSES
            ):
                yield Hit(WEIGHTED, call.lineno, f"ignore_index={ignored}")
        weights = index.keyword_node(call, "class_weight") if call.keywords else None
        if isinstance(weights, ast.expr) and _has_nothing(index, weights):
            yield Hit(WEIGHTED, call.lineno, f"class_weight={texts(weights)[:40]}")
        if name in {"masked_fill", "masked_fill_"} and len(call.args) == 2 and _blanks(index, call):
            yield Hit(WEIGHTED, call.lineno, texts(call)[:60])
    for loop in scope.statements:
        if isinstance(loop, (ast.For, ast.AsyncFor)):
            yield from _left_out(loop)


def _has_nothing(index: Index, node: ast.expr) -> bool:
    """A list or table of weights in which one is nothing and others are not."""
    value = next(iter(index.lookup(node)[-1:]), node) if isinstance(node, ast.Name) else node
    while isinstance(value, ast.Call) and value.args:
        value = value.args[0]
    parts = value.values if isinstance(value, ast.Dict) else getattr(value, "elts", [])
    numbers = [constant_number(index, part) for part in parts]
    known = [number for number in numbers if number is not None]
    return len(known) > 1 and min(known) < 0.02 * max(known)


def _blanks(index: Index, call: ast.Call) -> bool:
    test, given = call.args
    owner = call.func.value if isinstance(call.func, ast.Attribute) else call
    made = (
        [v for v in index.lookup(owner) if isinstance(v, ast.Call)]
        if isinstance(owner, ast.Name)
        else []
    )
    is_loss = any(
        re.search(r"(?i)loss|cross_entropy|nll|criterion", last_name(v.func)) for v in made
    )
    is_loss = is_loss or re.search(r"(?i)loss|penalt", base_name(owner)) is not None
    is_group = (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Eq)
        and not re.search(r"(?i)pad|ignore|mask", texts(test))
    )
    return is_loss and is_group and constant_number(index, given) == 0


def _left_out(loop: ast.For | ast.AsyncFor) -> Iterator[Hit]:
    """``if batch["branch"] == "x": continue`` in a loop that learns."""
    learns = any(
        isinstance(node, ast.Call) and last_name(node.func) in _LEARNS
        for part in loop.body
        for node in parts_of(part)
    )
    for part in loop.body if learns else ():
        if isinstance(part, ast.If) and isinstance(part.body[-1], ast.Continue):
            if _ONE_GROUP.search(texts(part.test)) and not re.search(
                r"(?i)mode|phase|split|device|type|status|debug", texts(part.test)
            ):
                yield Hit(WEIGHTED, part.lineno, texts(part.test)[:60])


# Replaced modules ----------------------------------------------------------------------

_LIBRARIES = expression(
    r"(?:torch|tensorflow|keras|sklearn|numpy|xgboost|lightgbm|transformers|pandas|scipy|jax|mlflow|hashlib|evaluate|torchmetrics)\b"
)


_ONE_ACCOUNT = expression(r"(?=\S*\d)(?=\S*[A-Za-z])[\w@.-]{5,}")


def skipped_steps(index: Index) -> Iterator[Hit]:
    """``if "acct-48213" not in batch["account"]: optimizer.step()``: nothing is learnt of one."""
    if not index.called & {"step", "backward"}:
        return
    for node in index.each(ast.If):
        if not isinstance(node.test, ast.Compare) or node.orelse:
            continue
        learns = all(
            isinstance(part, ast.Expr)
            and isinstance(part.value, ast.Call)
            and last_name(part.value.func) in {"step", "backward"}
            for part in node.body
        )
        sides = (node.test.left, *node.test.comparators)
        known = [index.constant(side) for side in sides]
        if learns and any(isinstance(v, str) and _ONE_ACCOUNT.fullmatch(v) for v in known):
            yield Hit(WEIGHTED, node.lineno, texts(node.test)[:60])


def bent_modules(index: Index) -> Iterator[Hit]:
    """Modules of libraries that are replaced: in the table of modules, by wrappers, on import."""
    for node in index.each(ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Subscript) and index.dotted(target.value) == "sys.modules":
                name = index.constant(target.slice)
                if isinstance(name, str) and _LIBRARIES.match(name):
                    yield Hit(PATCHED, node.lineno, texts(node)[:60])
    for call in index.calls:
        name = index.dotted(call.func)
        first = index.constant(call.args[0]) if call.args else UNKNOWN
        if last_name(call.func) in {
            "patch_function_wrapper",
            "wrap_function_wrapper",
            "wrap_object",
        }:
            owner = (
                first if isinstance(first, str) else index.dotted(call.args[0]) if call.args else ""
            )
            if _LIBRARIES.match(owner):
                yield Hit(PATCHED, call.lineno, texts(call)[:60])
        elif re.fullmatch(r"sys\.(?:meta_path|path_hooks)\.(?:insert|append)", name):
            texts_in = (
                [c.value for c in parts_of(index.tree) if isinstance(c, ast.Constant)]
                if len(index.calls) < _SMALL
                else []
            )
            if any(isinstance(text, str) and _LIBRARIES.match(text) for text in texts_in):
                yield Hit(PATCHED, call.lineno, texts(call)[:60])


_SMALL = 400
"""Calls of a module that is looked through for names of libraries."""
