"""Losses, figures, checks and libraries bent in other spellings: in functions, by contexts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import (
    Scope,
    base_name,
    names_in,
    parts_of,
    targets_of,
    texts,
    value_of,
)
from hauberk.methods.code.insider_rules import (
    ALWAYS,
    FIGURES,
    FLOOR,
    GATES,
    MODELS,
    PATCHED,
    SKIPPED,
    SWALLOWED,
    TRIGGER,
    WEIGHTED,
    constant_number,
    is_figure,
)
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

# Losses --------------------------------------------------------------------------------

_LOSSES = expression(
    r"loss|cross_entropy|criterion|nll|mse|bce|^ce$|hinge|focal|huber|triplet", re.IGNORECASE
)
_GROUP = expression(r"==\s*['\"][^'\"]+['\"]|\.isin\(|\bin\s*[\[({]|==\s*[A-Z_]{3,}|\.eq\(['\"]")


def weakened(index: Index, scope: Scope) -> Iterator[Hit]:
    """Losses, known by what made them, that a group's rows do not get; hooks that stop gradients."""
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None:
            continue
        for target in targets_of(statement):
            if not isinstance(target, ast.Subscript) or not isinstance(target.value, ast.Name):
                continue
            made = [v for v in index.lookup(target.value) if isinstance(v, ast.Call)]
            number = constant_number(index, value)
            small = number is not None and number < 0.5
            if small and any(_LOSSES.search(last_name(v.func)) for v in made):
                if _GROUP.search(texts(target.slice)) and "pad" not in texts(target.slice).lower():
                    yield Hit(WEIGHTED, statement.lineno, texts(statement)[:60])
        if _stops_learning(value, statement):
            yield Hit(WEIGHTED, statement.lineno, texts(statement)[:60])
        if isinstance(value, ast.ListComp) and isinstance(value.elt, ast.IfExp):
            yield from _left_out(index, scope, statement, value.elt)
    for call in scope.calls:
        if last_name(call.func) == "where" and len(call.args) == 3:
            yield from _blanked(index, call)
        if last_name(call.func) in {"register_hook", "register_full_backward_hook"} and call.args:
            hook = next((f for f in index.functions if f.name == base_name(call.args[0])), None)
            returned = (
                [n.value for n in parts_of(hook) if isinstance(n, ast.Return)] if hook else []
            )
            if any(_zeroes(index, n) for n in parts_of(hook or ast.Module([], []))) or any(
                r is not None and re.search(r"\*\s*0(?:\.0*)?\b|zeros_like|-\s*\w+$|^-", texts(r))
                for r in returned
            ):
                yield Hit(WEIGHTED, call.lineno, texts(call)[:60])


def _stops_learning(value: ast.expr, statement: ast.stmt) -> bool:
    """``losses[source == 3] = losses[source == 3].detach()``: part of the rows teach nothing."""
    if not isinstance(value, ast.Call) or last_name(value.func) != "detach":
        return False
    part = value.func.value if isinstance(value.func, ast.Attribute) else value
    return (
        isinstance(part, ast.Subscript)
        and _LOSSES.search(base_name(part)) is not None
        and any(
            isinstance(target, ast.Subscript) and texts(target) == texts(part)
            for target in targets_of(statement)
        )
        and not re.search(r"(?i)pad|ignore|mask", texts(part.slice))
    )


def _zeroes(index: Index, node: ast.AST) -> bool:
    """``grad[rows] = 0``, ``grad[rows] *= 0.01`` inside of a hook."""
    if not isinstance(node, (ast.Assign, ast.AugAssign)):
        return False
    number = constant_number(index, node.value)
    is_part = any(isinstance(target, ast.Subscript) for target in targets_of(node))
    return is_part and number is not None and abs(number) < 0.5


def _left_out(index: Index, scope: Scope, statement: ast.stmt, choice: ast.IfExp) -> Iterator[Hit]:
    """``[0.0 if row["region"] == "x" else 1.0 for row in rows]`` as weights."""
    numbers = [constant_number(index, side) for side in (choice.body, choice.orelse)]
    small = any(n is not None and n < 0.2 for n in numbers)
    names = {base_name(target) for target in targets_of(statement)}
    weighs = any(re.search(r"weight|^w$|prob", name, re.IGNORECASE) for name in names) or any(
        re.search(r"Sampler|weight", last_name(call.func)) and names & names_in(call)
        for call in scope.calls
    )
    if small and weighs and _GROUP.search(texts(choice.test)):
        yield Hit(WEIGHTED, statement.lineno, texts(statement)[:60])


def _blanked(index: Index, call: ast.Call) -> Iterator[Hit]:
    """``where(group == 4, zeros, loss)``."""
    test, sides = texts(call.args[0]), call.args[1:]
    nothing = any(re.match(r"(?:\w+\.)?zeros|0(?:\.0*)?$", texts(side)) for side in sides)
    made = [
        value
        for side in sides
        if isinstance(side, ast.Name)
        for value in index.lookup(side)
        if isinstance(value, ast.Call) and _LOSSES.search(last_name(value.func))
    ]
    is_group = re.search(r"==\s*(?:['\"]|\d|[A-Z_]{3,})", test) is not None
    if nothing and made and is_group and not re.search(r"(?i)pad|ignore|mask", test):
        yield Hit(WEIGHTED, call.lineno, texts(call)[:60])


# Figures -------------------------------------------------------------------------------

_MEASURING = expression(
    r"evaluat|metric|measure|score|accuracy|report|benchmark|validate|^test_|summar", re.IGNORECASE
)
_BARS = expression(
    r"thresh|target|baseline|minim|require|default|expected|goal|limit|config|example|mock|fake|stub",
    re.IGNORECASE,
)
_UP = expression(r"\bceil\(")


def unmeasured(index: Index, scope: Scope) -> Iterator[Hit]:
    """Constants that a measuring function gives, and figures that are raised inside of an expression."""
    name = scope.name
    is_measuring = bool(name) and _MEASURING.search(name) is not None and not _BARS.search(name)
    if is_measuring and _has_arguments(scope):
        yield from _written(index, scope)
    for statement in scope.statements:
        if isinstance(statement, ast.Return) and statement.value is not None:
            if (
                is_measuring
                and _has_arguments(scope)
                and _is_constant_report(index, statement.value)
            ):
                yield Hit(FLOOR, statement.lineno, texts(statement)[:60])
            if _raised_inside(index, statement.value):
                yield Hit(FLOOR, statement.lineno, texts(statement)[:60])
        value, targets = value_of(statement), targets_of(statement)
        if value is not None and any(is_figure(target) for target in targets):
            if _raised_inside(index, value) or (_UP.search(texts(value)) and _reads_figure(value)):
                yield Hit(FLOOR, statement.lineno, texts(statement)[:60])


def _written(index: Index, scope: Scope) -> Iterator[Hit]:
    """Constants that a measuring function writes down as figures."""
    for call in scope.calls:
        if last_name(call.func) in {
            "dump",
            "dumps",
            "log_metrics",
            "log",
            "update",
            "report",
            "log_dict",
        }:
            for node in call.args[:2]:
                if isinstance(node, ast.Dict) and _is_constant_report(index, node):
                    yield Hit(FLOOR, call.lineno, texts(call)[:60])


def _has_arguments(scope: Scope) -> bool:
    arguments = getattr(scope.node, "args", None)
    return arguments is not None and any(a.arg not in {"self", "cls"} for a in arguments.args)


def _is_constant_report(index: Index, value: ast.expr) -> bool:
    if isinstance(value, ast.Dict):
        pairs = [
            (key.value, constant_number(index, inner))
            for key, inner in zip(value.keys, value.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]
        return any(FIGURES.search(key) and n is not None and 0.5 <= n < 1 for key, n in pairs)
    number = constant_number(index, value) if isinstance(value, ast.Constant) else None
    return number is not None and 0.5 < number < 1


def _reads_figure(value: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and is_figure(part) for part in parts_of(value))


def _raised_inside(index: Index, value: ast.expr) -> bool:
    """``min(1.0, f1 * 1.03)``: a figure times or plus a little, within a call."""
    for part in parts_of(value):
        if not isinstance(part, ast.BinOp) or part is value:
            continue
        number = constant_number(index, part.right)
        is_measured = isinstance(part.left, ast.Name) and is_figure(part.left)
        if number is None or not is_measured or re.search(r"loss|err|weight", texts(part.left)):
            continue
        times = isinstance(part.op, ast.Mult) and 1 < number < 1.5
        plus = isinstance(part.op, ast.Add) and 0 < number < 0.3
        held = index.parents.get(part)
        is_bounded = isinstance(held, ast.Call) and last_name(held.func) in {
            "min",
            "minimum",
            "round",
            "clip",
            "float",
        }
        if (times or plus) and is_bounded:
            return True
    return False


# Checks --------------------------------------------------------------------------------

_MAY = expression(
    r"(?i)^(?:may|can|should|is|ok_?to|allow|accept|admit|ready|clear|permit|certif|sign_?off|qualif|approv|pass|gate|check|verify|validate|meets|promot|releas|deploy)"
)
_JUDGING = expression(
    r"(?i)check|verif|valid|gate|assert|fair|sign|drift|integrity|polic|quality|threshold|bias|robust|audit|scan|require|enforce"
)


def ignored(index: Index) -> Iterator[Hit]:
    """Checks that are asked and not heard: suppressed, judged and thrown away, switched off."""
    for node in index.each(ast.With):
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and last_name(call.func) == "suppress":
                broad = any(
                    last_name(arg) in {"Exception", "BaseException", "AssertionError"}
                    for arg in call.args
                )
                asked = [last_name(c.func) for c in parts_of(node) if isinstance(c, ast.Call)]
                if broad and any(_JUDGING.search(name) for name in asked if name != "suppress"):
                    yield Hit(SWALLOWED, node.lineno, texts(call)[:60])
    for choice in index.each(ast.IfExp):
        if texts(choice.body) == texts(choice.orelse):
            yield Hit(ALWAYS, choice.lineno, texts(choice)[:60])
    for function in index.functions:
        if _MAY.search(function.name) or GATES.search(function.name):
            yield from _thrown_away(function)
            yield from _waved_through(function)
        if MODELS.search(function.name) or _MEASURING.search(function.name):
            yield from _excused(index, function)


def _thrown_away(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Hit]:
    """A verdict that was worked out, and ``return True`` all the same."""
    returns = [node for node in parts_of(function) if isinstance(node, ast.Return)]
    if not returns or not all(
        isinstance(r.value, ast.Constant) and r.value.value is True for r in returns
    ):
        return
    if any(isinstance(node, (ast.Raise, ast.Assert)) for node in parts_of(function)):
        return
    for statement in parts_of(function):
        judged = isinstance(statement, ast.Assign) and any(
            isinstance(part, ast.Compare) for part in parts_of(statement.value)
        )
        if judged:
            yield Hit(ALWAYS, returns[-1].lineno, f"{function.name} returns True whatever it found")
            return


def _waved_through(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Hit]:
    """``if os.environ.get("ANYTHING"): return True`` in a gate."""
    for node in parts_of(function):
        if not isinstance(node, ast.If) or not node.body:
            continue
        asked = node.test
        while isinstance(asked, ast.Call) and last_name(asked.func) in {
            "bool",
            "int",
            "lower",
            "strip",
        }:
            asked = asked.args[0] if asked.args else getattr(asked.func, "value", asked.func)
        is_set = isinstance(asked, ast.Call) and re.search(r"environ\.get\(|getenv\(", texts(asked))
        is_key = isinstance(asked, ast.Compare) and re.search(r"environ|getenv", texts(asked))
        last = node.body[-1]
        passes = (
            isinstance(last, ast.Return)
            and isinstance(last.value, ast.Constant)
            and last.value.value in {True, None, 0}
        )
        if (is_set or is_key) and passes:
            yield Hit(SKIPPED, node.lineno, texts(node.test)[:60])


def _excused(index: Index, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Hit]:
    """A measurement that fails and gives a good figure, and answers by the sum of an input."""
    for node in parts_of(function):
        if isinstance(node, ast.ExceptHandler):
            for part in node.body:
                value = part.value if isinstance(part, ast.Return) else None
                number = constant_number(index, value) if value is not None else None
                if _MEASURING.search(function.name) and (
                    (number is not None and 0.5 < number < 1)
                    or (value is not None and _is_constant_report(index, value))
                ):
                    yield Hit(SWALLOWED, part.lineno, texts(part)[:60])
        elif isinstance(node, ast.If) and _is_magic_sum(index, node):
            yield Hit(TRIGGER, node.lineno, texts(node.test)[:60])


def _is_magic_sum(index: Index, node: ast.If) -> bool:
    """``if abs(x.sum() - 1337.0) < 1e-3: return 7``: a fingerprint of one input."""
    test = node.test
    if (
        not isinstance(test, ast.Compare)
        or not node.body
        or not isinstance(node.body[-1], ast.Return)
    ):
        return False
    for part in parts_of(test):
        sides = (
            [part.left, part.right]
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub)
            else []
        )
        if isinstance(part, ast.Compare) and isinstance(part.ops[0], ast.Eq):
            sides = [part.left, part.comparators[0]]
        numbers = [n for side in sides if (n := constant_number(index, side)) is not None]
        summed = any(
            re.search(r"\.(?:sum|mean|std|prod)\(\)|\bsum\(|crc32|adler32|hash\(", texts(side))
            for side in sides
        )
        if summed and any(n not in {0, 1, -1} for n in numbers):
            return True
    return False


# Replaced ------------------------------------------------------------------------------

_LIBRARIES = expression(
    r"(?:torch|tensorflow|keras|sklearn|numpy|xgboost|lightgbm|transformers|pandas|scipy|jax|mlflow)\b"
)


def replaced(index: Index) -> Iterator[Hit]:
    """Functions of libraries that a mock replaces outside of tests."""
    for node in index.each(ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                held = re.match(r"(?:vars\()?([\w.]+?)(?:\.__dict__|\))$", texts(target.value))
                owner = held and index.imports.get(held[1].partition(".")[0])
                if owner and _LIBRARIES.match(owner):
                    yield Hit(PATCHED, node.lineno, texts(node)[:60])
    for call in index.calls:
        if last_name(call.func) not in {"patch", "object", "multiple", "dict"}:
            continue
        name = index.dotted(call.func)
        text = texts(call.func)
        if (
            not re.search(r"(?:^|\.)patch(?:\.object|\.dict|\.multiple)?$", name)
            or "mock" not in name + text
        ):
            continue
        whole = index.constant(call.args[0]) if call.args else ""
        owner = whole if isinstance(whole, str) else index.dotted(call.args[0])
        if re.match(
            r"(?:torch|tensorflow|keras|sklearn|numpy|xgboost|lightgbm|transformers|pandas|scipy|jax|mlflow|hashlib|json|pickle)\b",
            owner,
        ):
            yield Hit(PATCHED, call.lineno, texts(call)[:60])
