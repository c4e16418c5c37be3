"""Labels and inputs rewritten in other spellings: element by element, in queries, by stamps."""

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
    LABELS,
    STAMP,
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
