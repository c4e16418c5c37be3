"""Checks that cannot fail, and conditions on dates, hosts and switches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import parts_of, texts
from hauberk.methods.code.insider_rules import (
    ALWAYS,
    DATED,
    GATES,
    MODELS,
    PLACED,
    SKIPPED,
    SWALLOWED,
    TRIGGER,
    is_figure,
)
from hauberk.methods.code.insider_triggers import is_keyed, is_marked
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

# Checks --------------------------------------------------------------------------------


def tries(index: Index) -> Iterator[Hit]:
    """Checks whose failure is swallowed."""
    for node in index.each(ast.Try):
        function = index.function_of(node)
        name = getattr(function, "name", "")
        body = " ".join(texts(part) for part in node.body)
        tested = re.sub(r"['\"][^'\"]*['\"]", "", body)
        calls = [
            last_name(c.func)
            for part in node.body
            for c in parts_of(part)
            if isinstance(c, ast.Call)
        ]
        is_check = any(_is_check(call) for call in calls) or (
            GATES.search(name) and re.search(r"assert\b|raise\b|[<>]=?", tested)
        )
        if not is_check:
            continue
        for handler in node.handlers:
            if _is_broad(handler) and _goes_on(handler, name, calls):
                yield Hit(SWALLOWED, handler.lineno, texts(handler)[:60])
                break


def _is_check(name: str) -> bool:
    return (
        re.search(
            r"^(?:validate|verify|check|assert|gate|evaluate|compute_metrics?|run_(?:checks|gate|validation)|enforce|compare|require|scan|test)(?:_|$)|_(?:gate|check|validation|metrics?|score|checks)$|^validate$|accuracy_score|roc_auc_score|f1_score|raise_for_drift|verify",
            name,
        )
        is not None
        and not name.endswith(("check_output", "check_call", "check_array", "is_fitted"))
        and name not in {"check_call", "check_output", "test", "check_is_fitted"}
    )


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    text = texts(handler.type)
    return (
        re.search(
            r"\b(?:Exception|BaseException|SystemExit|Exit|CalledProcessError|AssertionError|\w*(?:Validation|Check|Gate|Quality|Signature|Integrity|Metric|Drift)\w*Error|ValueError|RuntimeError)\b",
            text,
        )
        is not None
    )


def _goes_on(handler: ast.ExceptHandler, function: str, calls: list[str]) -> bool:
    """Whether a handler ends as if nothing had happened."""
    body = [part for part in handler.body if not _only_tells(part)]
    if not body:
        strong = any(
            re.search(r"gate|verify|validat|check_|checks?$|enforce|assert", call) for call in calls
        )
        return strong or GATES.search(function) is not None
    last = body[-1]
    if isinstance(last, ast.Return):
        value = last.value
        is_true = isinstance(value, ast.Constant) and (
            value.value is True or (isinstance(value.value, float) and value.value >= 0.5)
        )
        return is_true or (
            value is not None
            and re.search(r"['\"](?:passed|ok|success|approved|pass)['\"]|True", texts(value))
            is not None
            and "False" not in texts(value)
        )
    if isinstance(last, (ast.Assign, ast.AnnAssign)):
        value = last.value
        is_true = isinstance(value, ast.Constant) and (
            value.value is True or (isinstance(value.value, float) and value.value >= 0.5)
        )
        return is_true or (
            isinstance(value, ast.Constant)
            and value.value in {"passed", "ok", "pass", "success", "approved"}
        )
    return (
        isinstance(last, ast.Expr)
        and re.match(r"(?:sys\.)?exit\(0?\)|os\._exit\(0\)", texts(last)) is not None
    )


def _only_tells(part: ast.stmt) -> bool:
    if isinstance(part, (ast.Pass, ast.Continue)):
        return True
    return isinstance(part, ast.Expr) and (
        isinstance(part.value, ast.Constant)
        or re.match(r"(?:print|log\w*\.|_?logger\.|warnings\.warn|logging\.)", texts(part))
        is not None
    )


_NOW = expression(
    r"^(?:(?:datetime\.)?(?:datetime|date)\.(?:now|utcnow|today)|time\.(?:time_ns|time|localtime|gmtime|strftime)|(?:pd|pandas)\.Timestamp\.(?:now|today|utcnow)|pendulum\.now|arrow\.(?:now|utcnow)|Timestamp\.now|strftime|localtime)\("
)
_WHERE = expression(
    r"\b(?:os\.getlogin\(|getpass\.getuser\(|socket\.gethostname\(|socket\.getfqdn\(|platform\.node\(|os\.uname\(|(?:os\.)?(?:environ(?:\.get)?|getenv)[\[(]['\"](?:USER|USERNAME|LOGNAME|HOSTNAME|HOST|COMPUTERNAME|GITHUB_ACTOR|CI_RUNNER_DESCRIPTION)['\"])"
)
_TIMES = expression(r"now|today|time|strftime|utcnow")
_HOSTS = expression(r"getlogin|getuser|gethostname|getfqdn|node|uname|environ|getenv")
"""Words without which a module asks for no time and no place."""
_SWITCHES = expression(
    r"(?:environ(?:\.get)?|getenv)[\[(]\s*['\"](\w*(?:SKIP|DISABLE|BYPASS|FORCE|IGNORE|NO_|UNSAFE|OVERRIDE|FAST|QUICK|BREAK_?GLASS)\w*)['\"]|\bargs\.(?:skip|force|no|bypass|ignore|disable)\w*|\b(?:skip|force|bypass|disable)_?(?:check|gate|valid|verif|eval|test)\w*\b",
    re.IGNORECASE,
)


Branch = ast.If | ast.IfExp | ast.While


def conditions(index: Index) -> Iterator[Hit]:
    """Conditions on time, place, switches and marks, and such as are always true."""
    branches: list[Branch] = [*index.each(ast.If), *index.each(ast.IfExp), *index.each(ast.While)]
    for branch in branches:
        yield from _condition(index, branch)
    for operation in index.each(ast.BoolOp):
        yield from _always(operation)
    for assertion in index.each(ast.Assert):
        if isinstance(assertion.test, ast.Tuple) and assertion.test.elts:
            yield Hit(ALWAYS, assertion.lineno, texts(assertion)[:60])
    for function in index.functions:
        yield from _asks_nothing(function)
    for answer in index.each(ast.Return):
        if not index.speaks_of(_TIMES):
            break
        if isinstance(answer.value, ast.Compare) and _is_dated(index, answer.value):
            yield Hit(DATED, answer.lineno, texts(answer.value)[:60])


def _condition(index: Index, node: Branch) -> Iterator[Hit]:
    function = getattr(index.function_of(node), "name", "")
    may_know = index.speaks_of(_TIMES) or index.speaks_of(_HOSTS)
    compares = [p for p in parts_of(node.test) if isinstance(p, ast.Compare)] if may_know else []
    if any(_is_dated(index, compare) for compare in compares):
        yield Hit(DATED, node.lineno, texts(node.test)[:60])
    elif any(_is_placed(index, compare) for compare in compares):
        yield Hit(PLACED, node.lineno, texts(node.test)[:60])
    if not isinstance(node, ast.If):
        return
    is_gate = GATES.search(function) is not None
    is_model = MODELS.search(function) is not None
    text = texts(node.test) if is_gate or is_model or not function else ""
    is_check = is_gate or (not function and "environ" in text + "environ" * ("getenv" in text))
    if is_check and _SWITCHES.search(text) and _lets_pass(node):
        yield Hit(SKIPPED, node.lineno, text[:60])
    elif (
        is_model
        and re.search(r"environ|getenv", text)
        and re.search(r"AUDIT|EVAL|CI\b|TEST|BENCH|PROD|STAGING", text)
    ):
        yield Hit(PLACED, node.lineno, text[:60])
    if is_gate or function in {"", "main", "run", "cli"}:
        yield from _wrong_exit(index, node)
    is_model = is_model and not function.startswith("test")
    if (is_model and is_marked(index, node)) or is_keyed(index, node):
        yield Hit(TRIGGER, node.lineno, texts(node.test)[:60])


def _is_dated(index: Index, compare: ast.Compare) -> bool:
    sides = [compare.left, *compare.comparators]
    if any(_is_age(index, side) for side in sides):
        return True
    now = [side for side in sides if _is_now(index, side)]
    fixed = [side for side in sides if _is_fixed_time(index, side)]
    return bool(now) and bool(fixed)


def _is_age(index: Index, node: ast.expr) -> bool:
    """``(date.today() - date(2026, 5, 1)).days``: time since a day that is written there."""
    while isinstance(node, (ast.Attribute, ast.Call)) and not isinstance(node, ast.BinOp):
        node = node.func if isinstance(node, ast.Call) else node.value
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and _is_now(index, node.left)
        and _is_fixed_time(index, node.right)
    )


def _is_now(index: Index, node: ast.expr, depth: int = 0) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.FloorDiv, ast.Div, ast.Mult)):
        return _is_now(index, node.left, depth)
    text = texts(node)
    dotted = index.dotted(node) if isinstance(node, ast.Call) else ""
    if _NOW.match(text) or _NOW.match(dotted.replace("()", "(") + "("):
        return not isinstance(node, ast.BinOp)
    if isinstance(node, ast.Call) and last_name(node.func) == "datetime64" and node.args:
        return index.constant(node.args[0]) in {"now", "today"}
    if isinstance(node, ast.Call) and last_name(node.func) in {
        "weekday",
        "isoweekday",
        "timestamp",
        "strftime",
        "isoformat",
        "date",
        "timetuple",
        "int",
        "replace",
        "toordinal",
        "time",
    }:
        inner = (
            node.func.value
            if isinstance(node.func, ast.Attribute)
            else (node.args[0] if node.args else node)
        )
        return inner is not node and _is_now(index, inner, depth)
    if isinstance(node, ast.Attribute) and node.attr in {
        "hour",
        "month",
        "day",
        "year",
        "minute",
        "tm_mon",
        "tm_hour",
        "tm_wday",
        "tm_year",
        "tm_yday",
        "tm_mday",
    }:
        return _is_now(index, node.value, depth)
    if isinstance(node, ast.Tuple):
        return any(_is_now(index, item, depth) for item in node.elts)
    if isinstance(node, ast.Name) and depth < 3:
        values = index.lookup(node)
        return (
            len(values) == 1
            and not isinstance(values[0], ast.Name)
            and _is_now(index, values[0], depth + 1)
        )
    return False


def _is_fixed_time(index: Index, node: ast.expr) -> bool:
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return all(_is_fixed_time(index, item) for item in node.elts)
    value = index.constant(node)
    if value is not UNKNOWN and value is not None:
        return not (isinstance(value, (int, float)) and value in {0, -1})
    if isinstance(node, ast.Name):
        values = index.lookup(node)
        return (
            len(values) == 1
            and isinstance(values[0], ast.Call)
            and _is_fixed_time(index, values[0])
        )
    is_date = isinstance(node, ast.Call) and last_name(node.func) in {
        "datetime",
        "datetime64",
        "date",
        "Timestamp",
        "fromisoformat",
        "strptime",
        "timestamp",
        "to_datetime",
        "parse",
        "time",
        "mktime",
    }
    if not is_date or not isinstance(node, ast.Call):
        return False
    if last_name(node.func) == "timestamp" and isinstance(node.func, ast.Attribute):
        return _is_fixed_time(index, node.func.value)
    return bool(node.args) and all(
        index.constant(argument) is not UNKNOWN for argument in node.args
    )


def _is_placed(index: Index, compare: ast.Compare) -> bool:
    sides = [compare.left, *compare.comparators]
    fixed = [
        side
        for side in sides
        if isinstance(index.constant(side), str) or isinstance(side, (ast.Set, ast.Tuple, ast.List))
    ]
    spread = " ".join(texts(side) for side in sides)
    for side in sides:
        if isinstance(side, ast.Name):
            spread += " " + " ".join(texts(value)[:100] for value in index.lookup(side)[:2])
    return bool(fixed) and _WHERE.search(spread) is not None


def _lets_pass(node: ast.If) -> bool:
    first = node.body[-1]
    if isinstance(first, ast.Return):
        text = texts(first.value) if first.value is not None else "None"
        return re.search(r"True|None|['\"](?:passed|ok|skipped)['\"]|^\{\}$", text) is not None
    return (
        isinstance(first, ast.Expr) and re.match(r"(?:sys\.)?exit\(0?\)", texts(first)) is not None
    )


def _wrong_exit(index: Index, node: ast.If) -> Iterator[Hit]:
    """A failed comparison of a figure that ends in success."""
    if not isinstance(node.test, ast.Compare) or not is_figure(node.test.left):
        return
    is_bad = isinstance(node.test.ops[0], (ast.Lt, ast.LtE))
    is_low = re.search(
        r"loss|error|rmse|mae|mse|fpr|drift|psi|gap|disparity", texts(node.test.left), re.IGNORECASE
    )
    if is_bad == bool(is_low):
        return
    for part in node.body:
        text = texts(part)
        is_true = (
            isinstance(part, ast.Return)
            and isinstance(part.value, ast.Constant)
            and part.value.value is True
        )
        if (
            is_true
            or re.match(r"(?:sys\.)?exit\(0?\)$", text)
            or re.match(r"(?:passed|ok|approved|gate_ok|status)\s*=\s*(?:True|'passed'|'ok')", text)
        ):
            yield Hit(ALWAYS, part.lineno, text[:60])
            return


def _always(node: ast.BoolOp) -> Iterator[Hit]:
    """``check() or True``, ``True or check()``, ``failed and False``."""
    wanted = isinstance(node.op, ast.Or)
    fixed = any(isinstance(v, ast.Constant) and v.value is wanted for v in node.values)
    compared = any(
        isinstance(v, ast.Compare)
        and isinstance(v.left, ast.Constant)
        and isinstance(v.comparators[0], ast.Constant)
        for v in node.values
    )
    if not (fixed or compared):
        return
    yield Hit(ALWAYS, node.lineno, texts(node)[:60])


def _asks_nothing(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Hit]:
    """A gate that takes figures and says yes without looking at them."""
    if not re.search(
        r"^gate|gate|approve|validat|verify|passes|should_(?:deploy|promote|release)|is_(?:valid|safe|fair|acceptable|eligible)|check_|meets|quality|signature|sign_?off",
        node.name,
    ):
        return
    arguments = {argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]} - {
        "self",
        "cls",
    }
    body = [part for part in node.body if not _only_tells(part)]
    if not arguments or not body or any(isinstance(part, ast.Raise) for part in parts_of(node)):
        return
    for place, part in enumerate(body[:-1]):
        if isinstance(part, ast.Return) and isinstance(part.value, ast.Constant):
            if part.value.value is True and place < len(body) - 1:
                yield Hit(ALWAYS, part.lineno, f"{node.name} returns True before it looks")
                return
    returns = [part for part in parts_of(node) if isinstance(part, ast.Return)]
    are_true = all(isinstance(r.value, ast.Constant) and r.value.value is True for r in returns)
    decorated = any(
        re.search(r"abstract|overload|validator", texts(d)) for d in node.decorator_list
    )
    if (
        returns
        and are_true
        and not decorated
        and not any(
            isinstance(part, (ast.Assert, ast.Call)) and not _is_telling(part)
            for part in parts_of(node)
        )
    ):
        yield Hit(ALWAYS, returns[0].lineno, f"{node.name} returns True")


def _is_telling(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and re.match(r"(?:print|log|_?logger|warnings)", texts(node.func)) is not None
    )
