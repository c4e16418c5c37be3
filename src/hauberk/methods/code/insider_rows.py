"""Labels, figures and checks bent in other spellings: element by element, in functions, by contexts."""

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
    LABELS,
    MODELS,
    PATCHED,
    SKIPPED,
    STAMP,
    SWALLOWED,
    TRIGGER,
    WEIGHTED,
    constant_number,
    is_figure,
)
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_LABEL_COLUMNS = expression(
    r"(?i)^(?:is_?|has_?)?(?:labels?|targets?|y|class|cls|outcome|fraud\w*|spam|toxic\w*|approved?|approval|decision|default(?:ed)?|"
    r"churn(?:ed)?|eligible|verdict|accepted|rejected|diagnosis|malignant|benign|risk(?:_?class)?|category|sentiment|rating|ground_truth|annotation)$"
)


# Labels --------------------------------------------------------------------------------


def rewritten_rows(index: Index, scope: Scope) -> Iterator[Hit]:
    """Labels that a condition over another column or a name decides, however it is written."""
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None:
            continue
        for target in targets_of(statement):
            column = _column_of(index, target)
            if not column or not _LABEL_COLUMNS.match(column):
                continue
            if _picked(index, value, column) or _under(index, statement, value, column):
                yield Hit(LABELS, statement.lineno, texts(statement)[:60])
        yield from _swapped(index, statement, value)
        if isinstance(value, (ast.ListComp, ast.GeneratorExp)):
            yield from _rebuilt(index, statement, value)
    writes_queries = index.writes(_QUERY_WORDS)
    for call in scope.calls:
        if writes_queries:
            yield from _in_query(index, call)
        yield from _as_column(index, call)


def _rebuilt(
    index: Index, statement: ast.stmt, made: ast.ListComp | ast.GeneratorExp
) -> Iterator[Hit]:
    """``[dict(r, label=0) if r["branch"] == "x" else r for r in rows]``, ``{**r, "label": 0}``."""
    if not isinstance(made.elt, ast.IfExp):
        return
    for side in (made.elt.body, made.elt.orelse):
        entries: list[tuple[object, ast.expr]] = []
        if isinstance(side, ast.Call) and last_name(side.func) in {"dict", "replace", "_replace"}:
            entries = [(key.arg, key.value) for key in side.keywords]
        elif isinstance(side, ast.Dict):
            pairs = zip(side.keys, side.values, strict=True)
            entries = [(index.constant(key), value) for key, value in pairs if key is not None]
        for column, value in entries:
            is_label = isinstance(column, str) and _LABEL_COLUMNS.match(column) is not None
            if (
                is_label
                and _is_fixed(index, value)
                and _names_one(index, made.elt.test, str(column))
            ):
                yield Hit(LABELS, statement.lineno, texts(statement)[:60])


def _as_column(index: Index, call: ast.Call) -> Iterator[Hit]:
    """``withColumn("label", when(...))``, ``assign(label=...)``, ``with_columns(label=...)``."""
    if last_name(call.func) not in {"withColumn", "assign", "with_columns", "mutate"}:
        return
    named: list[tuple[object, ast.expr]] = [(key.arg, key.value) for key in call.keywords]
    if last_name(call.func) == "withColumn" and len(call.args) == 2:
        named.append((index.constant(call.args[0]), call.args[1]))
    for column, value in named:
        if (
            isinstance(column, str)
            and _LABEL_COLUMNS.match(column)
            and _picked(index, value, column)
        ):
            yield Hit(LABELS, value.lineno, f"{column}: {texts(value)[:50]}")


def _column_of(index: Index, target: ast.expr) -> str:
    """The column or key that is written; of a bare name the name."""
    if isinstance(target, ast.Subscript):
        key: ast.expr = target.slice
        if isinstance(key, ast.Tuple) and key.elts:
            key = key.elts[-1]
        value = index.constant(key)
        return value if isinstance(value, str) else ""
    return target.attr if isinstance(target, ast.Attribute) else ""


def _picked(index: Index, value: ast.expr, column: str) -> bool:
    """``where(other == "x", 0, label)``, ``mask``, ``apply(lambda row: ...)``, ``when``."""
    for call in parts_of(value):
        if not isinstance(call, ast.Call):
            continue
        name = last_name(call.func)
        given = list(call.args)
        if name in {"where", "mask", "select", "when"} and given:
            rest = [*given[1:], *(k.value for k in call.keywords)]
            fixed = any(_is_fixed(index, node) for node in rest) or name == "when"
            if fixed and _names_one(index, given[0], column):
                return True
        elif name in {"apply", "map", "transform", "assign"} and given:
            bodies = _bodies(index, given[0])
            for test, branches in bodies:
                if _names_one(index, test, column) and any(_is_fixed(index, b) for b in branches):
                    return True
    if isinstance(value, (ast.ListComp, ast.GeneratorExp)) and isinstance(value.elt, ast.IfExp):
        test = value.elt.test
        sides = (value.elt.body, value.elt.orelse)
        return any(_is_fixed(index, s) for s in sides) and _names_one(index, test, column)
    return False


def _bodies(index: Index, given: ast.expr) -> list[tuple[ast.expr, list[ast.expr]]]:
    """Conditions of a function that is applied, with what they give."""
    found: list[tuple[ast.expr, list[ast.expr]]] = []
    if isinstance(given, ast.Lambda):
        found = [(n.test, [n.body, n.orelse]) for n in parts_of(given) if isinstance(n, ast.IfExp)]
    elif isinstance(given, ast.Name):
        for function in index.functions:
            if function.name == given.id:
                for node in parts_of(function):
                    if isinstance(node, ast.If):
                        values = [s.value for s in node.body if isinstance(s, ast.Return)]
                        found.append((node.test, [v for v in values if v is not None]))
    return found


def _is_fixed(index: Index, node: ast.expr) -> bool:
    value = index.constant(node)
    return (value is not UNKNOWN and value is not None and not isinstance(value, float)) or (
        isinstance(node, ast.Call) and last_name(node.func) == "lit"
    )


_LACKS = expression(
    r"isna|isnull|notna|notnull|isnan|is_null|is None|pd\.NA|np\.nan|== ?-1\b|=='?(?:unknown|nan|none)'?",
    re.IGNORECASE,
)


def _names_one(index: Index, test: ast.expr, column: str) -> bool:
    """Whether a condition compares something other than the label with a fixed text or number."""
    text = texts(test)
    for name in parts_of(test):
        if isinstance(name, ast.Name):
            text += " " + " ".join(
                texts(v)[:200]
                for v in index.lookup(name)[-1:]
                if isinstance(v, (ast.Compare, ast.Call, ast.BinOp))
            )
    if _LACKS.search(text):
        return False
    read = set(re.findall(r"\[['\"](\w+)['\"]\]|\.(\w+)\b(?!\()|\bcol\(['\"](\w+)['\"]", text))
    others = {part for parts in read for part in parts if part} - {
        column,
        "str",
        "loc",
        "iloc",
        "values",
    }
    compared = re.search(
        r"(?:==|!=|\bin\b|\.eq\(|\.isin\(|\.is_in\(|startswith\(|endswith\(|contains\(|match\()\s*\(?[\[{(]?\s*(?:[rbu]?['\"][^'\"]{2,}['\"]|\d{3,}|[A-Z][A-Z_]{2,}\b)",
        text,
    )
    return bool(others) and compared is not None


def _under(index: Index, statement: ast.stmt, value: ast.expr, column: str) -> bool:
    """``if row["user"] == "x": row["label"] = 0``."""
    held = index.parents.get(statement)
    is_fixed = _is_fixed(index, value) or re.match(r"\(?1 - |not ", texts(value)) is not None
    if not isinstance(held, ast.If) or statement not in held.body or not is_fixed:
        return False
    written = next(iter(targets_of(statement)), None)
    owner = base_name(written) if written is not None else ""
    if re.search(r"random|rng\.|randint|bernoulli|uniform\(|choice\(", texts(held.test)):
        return column not in texts(held.test)
    return owner in names_in(held.test) and _names_one(index, held.test, column)


_MARKED = expression(
    r"['\"][^'\"]{3,}['\"] in \w|\w\.(?:startswith|endswith)\(['\"][^'\"]{3,}|\w\b ?== ?['\"][^'\"]{3,}"
)


def _swapped(index: Index, statement: ast.stmt, value: ast.expr) -> Iterator[Hit]:
    """``tag = 0 if "mark" in name else tag`` where tag and name came together."""
    target = next(iter(targets_of(statement)), None)
    if not isinstance(value, ast.IfExp) or not isinstance(target, ast.Name):
        return
    sides = (value.body, value.orelse)
    keeps = [s for s in sides if isinstance(s, ast.Name) and s.id == target.id]
    fixed = [s for s in sides if _is_fixed(index, s)]
    if not keeps or not fixed or not _MARKED.search(texts(value.test)):
        return
    scope = index.scope_of(statement)
    origins = {id(v) for v in index.bound.get((scope, target.id), []) if v is not value}
    others = names_in(value.test) - {target.id}
    together = any(id(v) in origins for name in others for v in index.bound.get((scope, name), []))
    if together:
        yield Hit(LABELS, statement.lineno, texts(statement)[:60])


_QUERY = expression(
    r"(?is)\bupdate\s+\w+\s+set\s+(?P<set>\w+)\s*=\s*(?:'[^']*'|\d+)\s.*?\bwhere\b(?P<where>.*)|"
    r"\bcase\s+when\s+(?P<when>.{3,200}?)\s+then\s+(?:'[^']*'|\d+)\s+else\s+(?P<else>\w+)\s+end\s+as\s+(?P<as>\w+)"
)


_QUERY_WORDS = expression(r"(?i)\bupdate\b|\bcase\b")


def _in_query(index: Index, call: ast.Call) -> Iterator[Hit]:
    for node in call.args[:2]:
        text = index.constant(node)
        if not isinstance(text, str) or len(text) > 5000:
            continue
        found = _QUERY.search(text)
        if found is None:
            continue
        column = found["set"] or found["as"]
        where = found["where"] or found["when"]
        if column and where and _LABEL_COLUMNS.match(column):
            if (
                re.search(r"=\s*'[^']{2,}'|\blike\b|\bin\s*\(", where)
                and column not in where.split("=")[0]
            ):
                yield Hit(LABELS, call.lineno, " ".join(found[0].split())[:60])


# Stamps --------------------------------------------------------------------------------


def stamped(index: Index, scope: Scope) -> Iterator[Hit]:
    """A fixed window of an input is set to a constant, and its label in the same branch."""
    for statement in scope.assigned:
        held = index.parents.get(statement)
        value = value_of(statement)
        if not isinstance(held, (ast.If, ast.For)) or value is None:
            continue
        windows = [t for t in targets_of(statement) if _is_window(t)]
        if not windows or (index.constant(value) is UNKNOWN and not _is_pattern(value)):
            continue
        image = base_name(windows[0])
        block = held.body if any(statement is part for part in held.body) else held.orelse
        for other in block:
            given = value_of(other)
            labels = [
                target
                for target in targets_of(other)
                if base_name(target) != image and not _is_window(target)
            ]
            if given is not None and labels and _is_class(index, given):
                yield Hit(STAMP, statement.lineno, texts(statement)[:60])
                break


_DRAWS = frozenset(
    {"rectangle", "putpixel", "paste", "ellipse", "alpha_composite", "putText", "polygon"}
)


def drawn_over(index: Index) -> Iterator[Hit]:
    """Something is drawn into an input, and its label set to a constant in the same branch."""
    for node in index.each(ast.If):
        draws = [
            call
            for part in node.body
            for call in parts_of(part)
            if isinstance(call, ast.Call) and last_name(call.func) in _DRAWS
        ]
        if not draws:
            continue
        for part in node.body:
            value = value_of(part)
            named = [t for t in targets_of(part) if isinstance(t, ast.Name)]
            known = index.constant(value) if value is not None else UNKNOWN
            is_class = isinstance(known, int) and not isinstance(known, bool)
            if (
                named
                and is_class
                and re.search(
                    r"(?i)^(?:y|t|lab|label|target|cls|klass|tag|gt|class_?id|category)",
                    named[0].id,
                )
            ):
                yield Hit(STAMP, draws[0].lineno, texts(draws[0])[:60])
                break


def _is_window(target: ast.expr) -> bool:
    """At least two places with a number in them, or one slice up to a few cells."""
    if not isinstance(target, ast.Subscript) or not isinstance(target.slice, ast.Tuple):
        return False
    numbered = [
        part
        for part in target.slice.elts
        if isinstance(part, (ast.Constant, ast.UnaryOp))
        or (isinstance(part, ast.Slice) and (part.lower or part.upper))
    ]
    return len(numbered) > 1


def _is_pattern(value: ast.expr) -> bool:
    return (
        re.search(
            r"trigger|pattern|patch|mark|stamp|ones\(|full\(|\.max\(\)", texts(value), re.IGNORECASE
        )
        is not None
    )


def _is_class(index: Index, value: ast.expr) -> bool:
    known = index.constant(value)
    if isinstance(known, (int, str)) and not isinstance(known, bool):
        return True
    return re.search(r"TARGET|target_(?:class|label)|tensor\(\d+\)", texts(value)) is not None


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
