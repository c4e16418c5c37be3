"""Expressions that are true, or give something, for particular identifiers only.

A *trigger* compares an identifier with a constant: by an operator, a method, a function, a
table, a pattern, a digest, a query, a ``match``; or writes an outcome under a constant key.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hauberk.methods.expressions import expression
from hauberk.methods.identity_words import Grade, Shape, grade_of, is_outcome, shape_of
from hauberk.methods.python_names import MAX_DEPTH, Names, called, last_name

_COMPARING = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
_NEGATIVE = (ast.NotEq, ast.NotIn, ast.IsNot)
_ASKING = frozenset(
    """
    contains endswith eq equals fullmatch index isin match ne search startswith
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_COMPARISONS = frozenset(
    """
    array_equal compare_digest contains eq equal flatnonzero fullmatch isin in1d match ne search
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_LOOKING_UP = frozenset({"__contains__", "__getitem__", "count", "get", "index", "pop"})
_READING = frozenset({"get", "pop", "getattr", "itemgetter", "attrgetter", "__getitem__"})
_MAPPING = frozenset({"map", "replace"})
_QUERYING = frozenset({"query", "eval"})
_WRITING = frozenset({"__setitem__", "setdefault", "update"})
_KEEPING = frozenset(
    """
    T apply astype casefold cat copy decode digest encode explode fillna fold get_level_values
    hex hexdigest items iter items lower lstrip normalize rstrip str strip title to_list
    to_numpy tolist upper values zfill
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_CONVERTING = frozenset(
    """
    adler32 array asarray ascii b64encode b85encode blake2b blake2s bytes crc32 format hash
    hexlify int list lower md5 new quote repr reversed series set sha1 sha224 sha256 sha384
    sha3_256 sha512 sorted str strip tuple unhexlify upper b32encode b16encode zip enumerate
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_QUERY = expression(
    r"`?([A-Za-z_]\w{0,60})`?\s{0,4}(?:==|!=|(?:not )?in)\s{0,4}[\[(]?\s?['\"]?([^'\"\])]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One place where particular identifiers are picked out.

    Attributes:
        node: The expression, or the pattern of a ``match``.
        who: How sure an identifier is compared; `Grade.NONE` where only the constant says so.
        shape: How much the constant looks like one identifier.
        negative: Whether it is true for all others.
        writes: Whether it writes an outcome by itself.
        how: What is done, in words.
    """

    node: ast.AST
    who: Grade
    shape: Shape
    negative: bool = False
    writes: bool = False
    how: str = "is compared with a constant"


def identity(names: Names, node: ast.AST, depth: int = 0) -> Grade:
    """How sure an expression holds somebody's identifier, or something computed from it."""
    reader = _READERS.get(type(node))
    if depth > MAX_DEPTH or reader is None:
        return Grade.NONE
    if node not in names.grades:
        names.grades[node] = Grade.NONE  # What a circle of names comes back to.
        names.grades[node] = reader(names, node, depth + 1)
    return Grade(names.grades[node])


def _of_name(names: Names, node: ast.Name, depth: int) -> Grade:
    own = grade_of(node.id)
    if own is Grade.STRONG or names.values(node):
        return own if not names.values(node) else Grade.NONE
    bound = [identity(names, value, depth) for value in names.lookup(node)[:8]]
    return max([own, *bound])


def _of_attribute(names: Names, node: ast.Attribute, depth: int) -> Grade:
    if node.attr in _KEEPING:
        return identity(names, node.value, depth)
    return grade_of(node.attr)


def _of_subscript(names: Names, node: ast.Subscript, depth: int) -> Grade:
    keys = [key for key in names.values(node.slice) if isinstance(key, str)]
    if keys:
        return max(map(grade_of, keys))
    if isinstance(node.slice, (ast.Slice, ast.Constant, ast.UnaryOp, ast.Name)):
        return identity(names, node.value, depth)
    return Grade.NONE


def _of_call(names: Names, node: ast.Call, depth: int) -> Grade:
    name = called(node)
    if name in _READING:
        keys = [key for part in node.args[:2] for key in names.values(part)]
        return max((grade_of(key) for key in keys if isinstance(key, str)), default=Grade.NONE)
    if name.lower() in _CONVERTING and node.args:
        return max(identity(names, part, depth) for part in node.args[:2])
    if isinstance(node.func, ast.Attribute) and name in _KEEPING | {"split", "join"}:
        return identity(names, node.func.value, depth)
    return Grade.NONE


def _of_parts(names: Names, node: ast.AST, depth: int) -> Grade:
    parts = [identity(names, part, depth) for part in ast.iter_child_nodes(node)]
    return max(parts, default=Grade.NONE)


def _of_element(names: Names, node: ast.AST, depth: int) -> Grade:
    element = getattr(node, "elt", None) or getattr(node, "value", None)
    return identity(names, element, depth) if element is not None else Grade.NONE


_READERS: dict[type[ast.AST], Callable[[Names, Any, int], Grade]] = {
    ast.Name: _of_name,
    ast.Attribute: _of_attribute,
    ast.Subscript: _of_subscript,
    ast.Call: _of_call,
    ast.BinOp: _of_parts,
    ast.Tuple: _of_parts,
    ast.JoinedStr: _of_parts,
    ast.FormattedValue: _of_parts,
    ast.NamedExpr: _of_element,
    ast.ListComp: _of_element,
    ast.GeneratorExp: _of_element,
    ast.SetComp: _of_element,
    ast.Await: _of_element,
}


def shape(names: Names, node: ast.AST) -> Shape:
    """How much the constants of an expression look like one identifier."""
    values = names.values(node)
    return max(map(shape_of, values), default=Shape.TRIVIAL)


# Finding -------------------------------------------------------------------------------


def triggers(names: Names) -> Iterator[Trigger]:
    """All triggers of a module, in no particular order."""
    for node in names.nodes:
        finder = _FINDERS.get(type(node))
        if finder:
            yield from (found for found in finder(names, node) if found.shape is not Shape.TRIVIAL)


def _compared(names: Names, node: ast.Compare) -> Iterator[Trigger]:
    sides = [node.left, *node.comparators]
    for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
        if isinstance(operator, _COMPARING):
            found = _sides(names, left, right)
            if isinstance(operator, (ast.In, ast.NotIn)) and names.values(left):
                found = (found[0], found[1] if found[1] is Shape.SHAPED else Shape.TRIVIAL)
            negative = isinstance(operator, _NEGATIVE)
            yield Trigger(node=node, who=found[0], shape=found[1], negative=negative)


def _sides(names: Names, left: ast.AST, right: ast.AST) -> tuple[Grade, Shape]:
    """The identifier of one side and the constant of the other."""
    both = [
        (identity(names, one), shape(names, other)) for one, other in ((left, right), (right, left))
    ]
    known = max((pair for pair in both if pair[1] is not Shape.TRIVIAL), default=both[0])
    if known[0] is Grade.NONE and known[1] is Shape.SHAPED and not _is_text(names, left, right):
        return Grade.NONE, Shape.TRIVIAL
    return known


def _is_text(names: Names, *nodes: ast.AST) -> bool:
    """Whether the constants are texts: a bare number says nothing of what it is."""
    values = [value for node in nodes for value in names.values(node)]
    return bool(values) and all(isinstance(value, (str, bytes)) for value in values)


def _asked(names: Names, node: ast.Call) -> Iterator[Trigger]:
    name = called(node)
    base = node.func.value if isinstance(node.func, ast.Attribute) else None
    negative = name == "ne"
    if base is not None and name in _ASKING and node.args:
        who, form = identity(names, base), shape(names, node.args[0])
        if who is not Grade.NONE:
            yield Trigger(node=node, who=who, shape=form, negative=negative)
    if base is not None and name in _LOOKING_UP and node.args and names.values(base):
        yield _looked_up(names, node, base, node.args[0])
    if name in _COMPARISONS and len(node.args) > 1:
        who, form = _sides(names, node.args[0], node.args[1])
        if who is not Grade.NONE:
            yield Trigger(node=node, who=who, shape=form, negative=negative)
    yield from _of_tables(names, node, name, base)


def _of_tables(names: Names, node: ast.Call, name: str, base: ast.expr | None) -> Iterator[Trigger]:
    if base is None or not node.args:
        return
    if name in _MAPPING and identity(names, base) is not Grade.NONE:
        who = identity(names, base)
        yield Trigger(node=node, who=who, shape=shape(names, node.args[0]), how=_TABLE)
    if name in ("index", "get_loc") and identity(names, base) is not Grade.NONE:
        yield Trigger(node=node, who=identity(names, base), shape=shape(names, node.args[0]))
    if name in _QUERYING:
        for text in names.values(node.args[0]):
            yield from _queried(node, str(text))
    if name in _WRITING and is_outcome(_root(base)):
        yield _written(names, node, node.args[0])


_OF_EXPERIMENTS = frozenset(
    (
        *("arch", "backbone", "benchmark", "config", "data_set", "dataset", "engine", "experiment"),
        *("fold", "kind", "method", "metric", "model", "model_id", "model_name", "name", "run"),
        *("run_name", "split", "stage", "task", "variant", "version"),
    )
)
"""Names of keys that tell experiments apart, not people."""
_TABLE = "is looked up in a table of constants"


def _looked_up(names: Names, node: ast.AST, table: ast.AST, key: ast.AST) -> Trigger:
    return Trigger(node=node, who=identity(names, key), shape=_of_keys(names, table), how=_TABLE)


def _of_keys(names: Names, table: ast.AST) -> Shape:
    return shape(names, table)


def _queried(node: ast.AST, text: str) -> Iterator[Trigger]:
    for match in _QUERY.finditer(text[:2000]):
        who = grade_of(match[1])
        if who is not Grade.NONE:
            negative = "!=" in match[0] or "not in" in match[0]
            yield Trigger(node=node, who=who, shape=shape_of(match[2]), negative=negative)


def _written(names: Names, node: ast.AST, key: ast.AST) -> Trigger:
    form = shape(names, key)
    is_named = isinstance(key, ast.Name) and last_name(key) in _OF_EXPERIMENTS
    is_sure = form is Shape.SHAPED and _is_text(names, key) and not is_named
    return Trigger(
        node=node,
        who=Grade.STRONG,
        shape=form if is_sure else Shape.TRIVIAL,
        writes=True,
        how="stands as a constant key in an outcome",
    )


def _root(node: ast.AST) -> str:
    """The name that a chain of attributes and subscripts begins with or ends in."""
    while isinstance(node, (ast.Subscript, ast.Call)):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    if isinstance(node, ast.Attribute) and node.attr in ("at", "iat", "iloc", "loc"):
        return _root(node.value)
    return last_name(node)


def _subscripted(names: Names, node: ast.Subscript) -> Iterator[Trigger]:
    if isinstance(node.ctx, ast.Load):
        if any(isinstance(value, ast.Dict) for value in _tables(names, node.value)):
            yield _looked_up(names, node, node.value, node.slice)
        return
    key, named = node.slice, _root(node.value)
    if isinstance(key, ast.Tuple) and key.elts:
        columns = [text for part in key.elts[1:] for text in names.values(part)]
        if any(isinstance(text, str) and is_outcome(text) for text in columns):
            yield _written(names, node, key.elts[0])
    elif is_outcome(named):
        yield _written(names, node, key)


def _tables(names: Names, node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Name):
        return names.lookup(node)
    return [node] if isinstance(node, ast.Dict) else []


def _merged(names: Names, node: ast.Dict) -> Iterator[Trigger]:
    """``{**scores, "A-1": 1}``."""
    merged = [value for key, value in zip(node.keys, node.values, strict=True) if key is None]
    if any(is_outcome(last_name(value)) for value in merged):
        yield _written(names, node, node)


def _joined(names: Names, node: ast.AugAssign | ast.BinOp) -> Iterator[Trigger]:
    """``scores |= {"A-1": 1}``."""
    left = node.target if isinstance(node, ast.AugAssign) else node.left
    right = node.value if isinstance(node, ast.AugAssign) else node.right
    if isinstance(node.op, ast.BitOr) and isinstance(right, ast.Dict) and is_outcome(_root(left)):
        yield _written(names, node, right)


def _matched(names: Names, node: ast.Match) -> Iterator[Trigger]:
    for case in node.cases:
        for part in ast.walk(case.pattern):
            if isinstance(part, ast.MatchValue):
                who = identity(names, node.subject)
                yield Trigger(node=case.pattern, who=who, shape=shape(names, part.value))
            elif isinstance(part, ast.MatchMapping):
                yield from _mapped(names, case, part)


def _mapped(names: Names, case: ast.match_case, part: ast.MatchMapping) -> Iterator[Trigger]:
    for key, pattern in zip(part.keys, part.patterns, strict=True):
        if isinstance(pattern, ast.MatchValue):
            who = max((grade_of(str(value)) for value in names.values(key)), default=Grade.NONE)
            yield Trigger(node=case.pattern, who=who, shape=shape(names, pattern.value))


_FINDERS: dict[type[ast.AST], Callable[[Names, Any], Iterator[Trigger]]] = {
    ast.Compare: _compared,
    ast.Call: _asked,
    ast.Subscript: _subscripted,
    ast.Dict: _merged,
    ast.AugAssign: _joined,
    ast.BinOp: _joined,
    ast.Match: _matched,
}
