"""Calls, names and constants of one Python module, by what they finally stand for.

``import numpy as np; load = np.load`` makes both ``np.load`` and ``load`` the call
``numpy.load``. ``getattr(pickle, "load")``, ``__import__("pickle").load`` and
``importlib.import_module("pickle").load`` are followed too. Nothing is imported or run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeVar

from hauberk.formats.python_source import child_fields
from hauberk.methods.expressions import expression

MAX_DEPTH = 12
"""Steps from a name to what it stands for; longer chains count as unknown."""

MAX_TEXT = 100_000
"""Letters of a text put together of constants; longer ones count as unknown."""

MAX_WORD = 300
"""Letters up to which a text counts among the words of a module."""

MAX_ASKED = 200_000
"""Names of dictionaries that are followed in one module; what comes after counts as unknown."""


N = TypeVar("N", bound=ast.AST)


class Unknown:
    """A value that is not written in the module."""


UNKNOWN = Unknown()
ABSENT = Unknown()
"""Stands for a keyword that is not given."""

RISKY_MODULES = frozenset({"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"})
"""Where a table holds several modules, these count."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_SCOPES = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef})
_IMPORTERS = frozenset({"__import__", "importlib.import_module", "import_module"})


@dataclass(slots=True)
class Index:
    """One module, walked once.

    Attributes:
        kinds: Type to the nodes of that type.
        calls: All calls in the order of their lines.
        parents: Node to the node that holds it.
        scopes: Node to the function, class or module in which it stands.
        bound: Scope and name to the assignments to it, in order.
        imports: Scope and name to the dotted name that an import gave it.
        attributes: Name of an attribute of a class to what it is bound to.
    """

    tree: ast.Module
    kinds: dict[type, list[ast.AST]] = field(default_factory=dict)
    calls: list[ast.Call] = field(default_factory=list)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    scopes: dict[ast.AST, ast.AST] = field(default_factory=dict)
    bound: dict[tuple[ast.AST, str], list[ast.expr]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, list[ast.expr]] = field(default_factory=dict)
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    _dotted: dict[ast.AST, str] = field(default_factory=dict)
    _constants: dict[ast.AST, object] = field(default_factory=dict)
    _texts: dict[ast.AST, str] = field(default_factory=dict)
    _partials: bool | None = None
    _asked: int = 0
    _telling: list[ast.Call] | None = None
    _named: list[tuple[ast.Call, str, str]] | None = None
    _called: frozenset[str] | None = None
    _words: frozenset[str] | None = None
    _said: dict[str, bool] = field(default_factory=dict)

    # Names ---------------------------------------------------------------------------

    def dotted(self, node: ast.AST, depth: int = 0) -> str:
        """The full dotted name of an expression; empty where it has none.

        A name that nothing in the module explains stands for itself.
        """
        if node in self._dotted:
            return self._dotted[node]
        self._dotted[node] = ""  # What a circle of names comes back to.
        found = self._name(node, depth) if depth <= MAX_DEPTH else ""
        self._dotted[node] = found
        return found

    def _name(self, node: ast.AST, depth: int) -> str:
        if isinstance(node, ast.Attribute):
            held = self._held(node, depth)
            base = self.dotted(node.value, depth + 1)
            return held or (f"{base}.{node.attr}" if base else "")
        if isinstance(node, ast.Subscript):
            return self._of_table(node, depth)
        if isinstance(node, ast.Name):
            return self._of_name(node, depth)
        if isinstance(node, ast.Call):
            return self._of_call(node, depth)
        return ""

    def _held(self, node: ast.Attribute, depth: int) -> str:
        """What ``self.name`` or ``Class.name`` stands for where a class binds it to a module."""
        if not isinstance(node.value, ast.Name) or not (
            node.value.id in {"self", "cls"} or node.value.id in self.classes
        ):
            return ""
        for value in self.attributes.get(node.attr, ()):
            is_name = isinstance(value, (ast.Name, ast.Attribute)) or self._gives_module(value)
            if is_name and value is not node:
                found = self.dotted(value, depth + 1)
                if (
                    found in self.imports.values()
                    or found.partition(".")[0] in self.imports.values()
                ):
                    return found
        return ""

    def _of_table(self, node: ast.Subscript, depth: int) -> str:
        """``sys.modules["name"]``, and an entry of a table of modules, the first that is one."""
        if self.dotted(node.value, depth + 1) == "sys.modules":
            name = self.constant(node.slice)
            return name if isinstance(name, str) else ""
        entries = self.entries(node.value) if isinstance(node.value, (ast.Name, ast.Dict)) else None
        wanted = self.constant(node.slice)
        if entries and isinstance(wanted, str) and wanted in entries:
            return self.dotted(entries[wanted], depth + 1)
        names = [self.dotted(value, depth + 1) for value in (entries or {}).values()]
        known = [name for name in names if name in self.imports.values()]
        return min(known, key=lambda name: (name not in RISKY_MODULES, name), default="")

    def _of_name(self, node: ast.Name, depth: int) -> str:
        values = self.lookup(node)
        for value in values:
            if isinstance(value, (ast.Attribute, ast.Name)) or self._gives_module(value):
                found = self.dotted(value, depth + 1)
                if "." in found or found in self.imports.values() or isinstance(value, ast.Call):
                    return found
        if values and node.id not in self.imports:
            return node.id
        return self.imports.get(node.id, node.id)

    def _gives_module(self, value: ast.expr) -> bool:
        if not isinstance(value, ast.Call):
            return False
        name = last_name(value.func)
        return name in {"getattr", "__import__", "import_module", "partial", "staticmethod"}

    def _of_call(self, node: ast.Call, depth: int) -> str:
        """Names that calls give: ``getattr``, imports at run time, ``partial``; ``X()`` else."""
        name = self.dotted(node.func, depth + 1)
        if name == "getattr" and len(node.args) > 1:
            base, attribute = self.dotted(node.args[0], depth + 1), self.constant(node.args[1])
            return f"{base}.{attribute}" if base and isinstance(attribute, str) else ""
        if name in _IMPORTERS and node.args:
            module = self.constant(node.args[0])
            return module if isinstance(module, str) else ""
        if name in {"functools.partial", "partial", "staticmethod"} and node.args:
            return self.dotted(node.args[0], depth + 1)
        return f"{name}()" if name else ""

    def is_builtin(self, name: ast.Name) -> bool:
        """Whether a name stands for the built-in: nothing binds, imports, defines or takes it."""
        if name.id in self.imports or self.lookup(name) or name.id in self.classes:
            return False
        if any(function.name == name.id for function in self.functions):
            return False
        return not any(
            isinstance(held, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            and name.id in _parameters(held)
            for held in self.ancestors(name)
        )

    # Values --------------------------------------------------------------------------

    def scope_of(self, node: ast.AST) -> ast.AST:
        """The function, class or module in which ``node`` stands."""
        return self.scopes.get(node, self.tree)

    def lookup(self, name: ast.Name) -> list[ast.expr]:
        """What a name was bound to, from the innermost scope that binds it."""
        scope = self.scope_of(name)
        for _ in range(64):
            found = self.bound.get((scope, name.id))
            if found:
                return found
            if scope is self.tree:
                break
            scope = self.scopes.get(scope, self.tree)
        return []

    def reaching(self, name: ast.Name) -> list[ast.expr]:
        """What a name may be bound to where it stands: order and branches are looked at.

        A parameter that is only bound later, or in a branch that has left, is its caller's.
        """
        values = self.lookup(name)
        scope = self.scope_of(name)
        if not values or not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return values
        around = list(self.ancestors(name))
        loops = (ast.For, ast.AsyncFor, ast.While)
        if self.bound.get((scope, name.id)) is not values or any(
            isinstance(node, loops) for node in around[: around.index(scope)]
        ):
            return values
        held = {id(name), *map(id, around)}
        before = [v for v in values if _place(v) <= _place(name) and not self._left(v, held)]
        return before if before or name.id in _parameters(scope) else values

    def _left(self, value: ast.AST, held: set[int]) -> bool:
        """Whether the branch that binds a value never comes to the place that ``held`` is."""
        inner: ast.AST = value
        for node in self.ancestors(value):
            if id(node) in held and not isinstance(node, ast.If):
                return False
            if isinstance(node, ast.If) and inner is not node.test:
                block = node.body if any(inner is item for item in node.body) else node.orelse
                if any(id(item) in held for item in block):
                    return False
                if id(node) in held or isinstance(block[-1], _LEAVING):
                    return True
            inner = node
        return False

    def constant(self, node: ast.AST | None, depth: int = 0) -> object:
        """The constant that an expression stands for, or `UNKNOWN`.

        Every expression is worked out once: names that stand for names that stand for several
        others would take exponential time otherwise.
        """
        if isinstance(node, ast.Constant):
            return node.value
        if depth > MAX_DEPTH or node is None:
            return UNKNOWN
        if node not in self._constants:
            self._constants[node] = UNKNOWN  # What a circle of names comes back to.
            value = self._constant(node, depth)
            if isinstance(value, str) and len(value) > MAX_TEXT:
                value = UNKNOWN
            self._constants[node] = value
        return self._constants[node]

    def _constant(self, node: ast.AST, depth: int) -> object:
        if isinstance(node, ast.Name):
            values = self.reaching(node)
            return self.constant(values[-1], depth + 1) if len(values) == 1 else UNKNOWN
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            value = self.constant(node.operand, depth + 1)
            return UNKNOWN if value is UNKNOWN else not value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self.constant(node.operand, depth + 1)
            return -value if isinstance(value, (int, float)) else UNKNOWN
        if isinstance(node, ast.Call) and last_name(node.func) == "bool" and node.args:
            value = self.constant(node.args[0], depth + 1)
            return UNKNOWN if value is UNKNOWN else bool(value)
        return self._text(node, depth)

    def _text(self, node: ast.AST, depth: int) -> object:
        """Texts put together of constants."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [self.constant(side, depth + 1) for side in (node.left, node.right)]
            return "".join(map(str, parts)) if all(isinstance(p, str) for p in parts) else UNKNOWN
        if isinstance(node, ast.JoinedStr):
            texts = [
                self.constant(v.value if isinstance(v, ast.FormattedValue) else v, depth + 1)
                for v in node.values
            ]
            return UNKNOWN if UNKNOWN in texts else "".join(map(str, texts))
        return UNKNOWN

    def text_of(self, node: ast.AST | None, depth: int = 0) -> str:
        """The literal beginning of a text, through names and formats; empty if unknown."""
        if node is None:
            return ""
        if node not in self._texts:
            self._texts[node] = ""  # What a circle of names comes back to.
            self._texts[node] = self._text_of(node, depth)
        return self._texts[node]

    def _text_of(self, node: ast.AST, depth: int) -> str:
        value = self.constant(node)
        if isinstance(value, str) or depth > MAX_DEPTH:
            return value if isinstance(value, str) else ""
        inner: ast.AST | None = None
        if isinstance(node, ast.JoinedStr) and node.values:
            first = node.values[0]
            inner = first.value if isinstance(first, ast.FormattedValue) else first
        elif isinstance(node, ast.BinOp):
            inner = node.left
        elif isinstance(node, ast.Call):
            inner = _first_text(node)
        elif isinstance(node, ast.Name):
            values = [v for v in self.lookup(node)[:4] if not isinstance(v, ast.Name)]
            return next((text for v in values if (text := self.text_of(v, depth + 1))), "")
        return self.text_of(inner, depth + 1) if inner is not None else ""

    def keyword(self, call: ast.Call, name: str) -> object:
        """The value of a keyword: a constant, `UNKNOWN`, or `ABSENT`.

        Dictionaries given by ``**`` are looked into where the module builds them.
        """
        if not call.keywords and call.func.__class__ is not ast.Name:
            return ABSENT
        node = self.keyword_node(call, name)
        if node is ABSENT:
            return ABSENT
        return self.constant(node) if isinstance(node, ast.AST) else UNKNOWN

    def keyword_node(self, call: ast.Call, name: str) -> ast.expr | Unknown:
        """The expression of a keyword, `UNKNOWN` behind an unknown ``**``, or `ABSENT`."""
        opaque = False
        for given in call.keywords:
            if given.arg == name:
                return given.value
            if given.arg is None:
                entries = self.entries(given.value)
                if entries is None:
                    opaque = True
                elif name in entries:
                    return entries[name]
        if isinstance(call.func, ast.Name) and self.has_partials:
            for value in self.lookup(call.func):
                if isinstance(value, ast.Call) and last_name(value.func) == "partial":
                    return self.keyword_node(value, name)
        return UNKNOWN if opaque else ABSENT

    @property
    def telling_calls(self) -> list[ast.Call]:
        """Calls that may do something: not those of plain built-ins and methods of values.

        A name that the module binds or imports is never taken for the built-in.
        """
        if self._telling is None:
            bound = {name for _, name in self.bound} | self.imports.keys()
            self._telling = [call for call in self.calls if not _is_plain(call, bound)]
        return self._telling

    @property
    def named_calls(self) -> list[tuple[ast.Call, str, str]]:
        """Those calls with what they stand for and the last part of what is written there."""
        if self._named is None:
            self._named = [
                (call, self.dotted(call.func), last_name(call.func)) for call in self.telling_calls
            ]
        return self._named

    @property
    def called(self) -> frozenset[str]:
        """The last parts of all that is called."""
        if self._called is None:
            self._called = frozenset(last_name(call.func) for call in self.calls)
        return self._called

    @property
    def words(self) -> frozenset[str]:
        """Names, attributes, parameters, parts of imported names, and short texts of a module."""
        if self._words is None:
            found = {node.id for node in self.each(ast.Name)}
            found |= {node.attr for node in self.each(ast.Attribute)}
            found |= {node.arg for node in self.each(ast.arg)}
            found |= {node.arg for node in self.each(ast.keyword) if node.arg}
            found |= {part for name in self.imports.values() for part in name.split(".")}
            found |= {
                node.value
                for node in self.each(ast.Constant)
                if isinstance(node.value, str) and len(node.value) <= MAX_WORD
            }
            self._words = frozenset(found)
        return self._words

    def speaks_of(self, pattern: re.Pattern[str]) -> bool:
        """Whether any of the words of the module holds a pattern; each pattern is asked once.

        Rules that need such a word leave a module alone that has none.
        """
        if pattern.pattern not in self._said:
            self._said[pattern.pattern] = pattern.search("\n".join(self.words)) is not None
        return self._said[pattern.pattern]

    def writes(self, pattern: re.Pattern[str]) -> bool:
        """Whether a text that is no description holds a pattern; each pattern is asked once."""
        if pattern.pattern not in self._said:
            self._said[pattern.pattern] = any(
                isinstance(node.value, str)
                and not isinstance(self.parents.get(node), ast.Expr)
                and pattern.search(node.value) is not None
                for node in self.each(ast.Constant)
            )
        return self._said[pattern.pattern]

    def may_say(self, call: ast.Call, keys: frozenset[str]) -> bool:
        """Whether one of these keywords may be given; asked before rules look at a call."""
        for given in call.keywords:
            if given.arg is None or given.arg in keys:
                return True
        return call.func.__class__ is ast.Name and self.has_partials

    @property
    def has_partials(self) -> bool:
        """Whether ``functools.partial`` gives calls their keywords anywhere in the module."""
        if self._partials is None:
            self._partials = "partial" in self.called
        return self._partials

    def entries(self, node: ast.expr, depth: int = 0) -> dict[str, ast.expr] | None:
        """A dictionary of keywords as the module builds it; ``None`` where it does not."""
        if depth > MAX_DEPTH:
            return None
        if isinstance(node, ast.Dict):
            return self._of_dict(node, depth)
        if isinstance(node, ast.Call) and last_name(node.func) == "dict":
            return {k.arg: k.value for k in node.keywords if k.arg}
        if isinstance(node, ast.Name):
            found: dict[str, ast.expr] = {}
            values = self.lookup(node)
            self._asked += 1
            if self._asked > MAX_ASKED:
                return None
            for value in values[:20]:
                inner = None if isinstance(value, ast.Name) else self.entries(value, depth + 1)
                if inner is None:
                    return None
                found |= inner
            return found | self._stored(node) if values else None
        return None

    def _of_dict(self, node: ast.Dict, depth: int) -> dict[str, ast.expr]:
        found: dict[str, ast.expr] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found |= self.entries(value, depth + 1) or {}
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                found[key.value] = value
        return found

    def _stored(self, name: ast.Name) -> dict[str, ast.expr]:
        """Keys that are set later: ``options["key"] = value``."""
        return {
            target.slice.value: value
            for target, value in self.stores.get(name.id, [])
            if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str)
        }

    stores: dict[str, list[tuple[ast.Subscript, ast.expr]]] = field(default_factory=dict)
    visitors: dict[ast.AST, bool] = field(default_factory=dict)
    """Answers of `visitors.is_visitors`, so that each node is asked once."""
    judged_names: dict[ast.AST, frozenset[str]] = field(default_factory=dict)
    """Function to the names that it holds against a list, once that was asked."""
    laid_out: list[Any] = field(default_factory=list)
    """Functions with their statements, once `flow.scopes_of` was asked for them."""

    def each(self, *kinds: type[N]) -> list[N]:
        """Nodes of some types, those of one type in the order of their lines."""
        return [node for kind in kinds for node in self.kinds.get(kind, ())]  # type: ignore[misc]  # sorted by type

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """What holds ``node``, from the inside out."""
        held = self.parents.get(node)
        while held is not None:
            yield held
            held = self.parents.get(held)

    def function_of(self, node: ast.AST) -> ast.AST:
        """The innermost function, or the module."""
        scope = self.scope_of(node)
        while isinstance(scope, (ast.ClassDef, ast.Lambda)):
            scope = self.scopes.get(scope, self.tree)
        return scope


_PLAIN_FUNCTIONS = frozenset(
    {"len", "range", "isinstance", "issubclass", "zip", "enumerate", "list", "dict", "set", "tuple"}
    | {
        "int",
        "float",
        "str",
        "bool",
        "abs",
        "round",
        "super",
        "type",
        "hasattr",
        "repr",
        "reversed",
    }
    | {
        "ValueError",
        "TypeError",
        "KeyError",
        "RuntimeError",
        "AttributeError",
        "NotImplementedError",
    }
    | {"frozenset", "id", "callable", "divmod", "ord", "chr", "slice", "iter", "IndexError", "hash"}
)
_PLAIN_METHODS = frozenset(
    {"append", "extend", "items", "keys", "values", "startswith", "endswith", "lower", "upper"}
    | {"strip", "sort", "astype", "reshape", "sum", "mean", "std", "ravel", "argsort", "dot", "any"}
    | {
        "all",
        "max",
        "min",
        "insert",
        "count",
        "zeros",
        "ones",
        "arange",
        "empty",
        "shape",
        "unique",
    }
    | {
        "asarray",
        "randn",
        "full_like",
        "zeros_like",
        "ones_like",
        "sqrt",
        "exp",
        "log2",
        "transpose",
    }
)


def _is_plain(call: ast.Call, bound: set[str]) -> bool:
    func = call.func
    if func.__class__ is ast.Name:
        name = last_name(func)
        return name in _PLAIN_FUNCTIONS and name not in bound
    if func.__class__ is ast.Attribute and not call.keywords:
        is_search_path = last_name(func.value) == "path"
        return last_name(func) in _PLAIN_METHODS and not is_search_path
    return False


_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def _parameters(function: Function) -> set[str]:
    args = function.args
    return {item.arg for item in (*args.posonlyargs, *args.args, *args.kwonlyargs)}


def _first_text(node: ast.Call) -> ast.AST | None:
    """What a call puts first into the text that it makes."""
    name = last_name(node.func)
    if name == "Request" and node.args:
        return node.args[0]
    is_text = name in {"format", "join"} and isinstance(node.func, ast.Attribute)
    return node.func.value if is_text and isinstance(node.func, ast.Attribute) else None


def last_name(node: ast.AST) -> str:
    """The last part of a dotted name, or nothing."""
    kind = node.__class__
    if kind is ast.Attribute:
        return str(node.attr)  # type: ignore[attr-defined]  # by its kind
    return str(node.id) if kind is ast.Name else ""  # type: ignore[attr-defined]  # by its kind


_FIRST_PARTS = ("subprocess", "os", "asyncio", "pexpect", "sh", "invoke", "plumbum", "sys", "Popen", "check_")  # fmt: skip
_STARTERS = expression(
    r"^(?:subprocess|os|asyncio|pexpect|sh|invoke|plumbum|sys)\b|^(?:Popen|check_call|check_output)$"
)


def command_text(index: Index, call: ast.Call, name: str) -> str:
    """The command line of a call that starts a program; empty where it starts none.

    Args:
        name: What the call finally stands for.
    """
    if not call.args or not name.startswith(_FIRST_PARTS) or not _STARTERS.search(name):
        return ""
    first = call.args[0]
    values = index.lookup(first) if isinstance(first, ast.Name) else [first]
    given = values[-1] if values else first
    if isinstance(given, (ast.List, ast.Tuple)):
        words = [index.constant(part) for part in given.elts]
    else:
        words = [index.constant(part) for part in call.args]
    return " ".join(word if isinstance(word, str) else "_" for word in words)


# Building ------------------------------------------------------------------------------


def index_of(tree: ast.Module) -> Index:
    """Walk a module once."""
    index = Index(tree)
    parents, scopes, kinds = index.parents, index.scopes, index.kinds
    waiting: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
    take, give = waiting.pop, waiting.append
    while waiting:
        node, scope = take()
        scopes[node] = scope
        kind = type(node)
        held = kinds.get(kind)
        if held is None:
            held = kinds[kind] = []
        held.append(node)
        inner = node if kind in _SCOPES else scope
        for name in child_fields(kind):  # type: ignore[arg-type]  # classes are hashable
            value = getattr(node, name, None)
            if value.__class__ is list:
                for item in value:
                    if isinstance(item, ast.AST):
                        parents[item] = node
                        give((item, inner))
            elif isinstance(value, ast.AST):
                parents[value] = node
                give((value, inner))
        if kind in _NOTED:
            _note(index, node, scope)
        elif kind is ast.ClassDef:
            index.classes.add(node.name)  # type: ignore[attr-defined]  # by its kind
    for found in kinds.values():
        found.sort(key=_PLACED if hasattr(found[0], "lineno") else _place)
    index.calls = kinds.get(ast.Call, [])  # type: ignore[assignment]  # sorted by type
    index.functions.sort(key=_PLACED)
    for values in index.bound.values():
        if len(values) > 1:
            values.sort(key=_place)
    return index


_NOTED = frozenset(
    {ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign}
    | {ast.NamedExpr, ast.With, ast.AsyncWith, ast.For, ast.AsyncFor, ast.comprehension}
)
_PLACED = attrgetter("lineno", "col_offset")


def _place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _note(index: Index, node: ast.AST, scope: ast.AST) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole = alias.name if alias.asname else alias.name.partition(".")[0]
            index.imports[alias.asname or whole] = whole
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            index.imports[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        index.functions.append(node)
    else:
        _note_binding(index, node, scope)


def _note_binding(index: Index, node: ast.AST, scope: ast.AST) -> None:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            _bind(index, scope, target, node.value)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        _bind(index, scope, node.target, node.value)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            if item.optional_vars is not None:
                _bind(index, scope, item.optional_vars, item.context_expr)
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        _bind(index, scope, node.target, node.iter)


def _bind(index: Index, scope: ast.AST, target: ast.expr, value: ast.expr) -> None:
    if isinstance(target, ast.Name):
        index.bound.setdefault((scope, target.id), []).append(value)
        if isinstance(scope, ast.ClassDef):
            index.attributes.setdefault(target.id, []).append(value)
    elif isinstance(target, ast.Attribute):
        if isinstance(target.value, ast.Name) and target.value.id in {"self", "cls"}:
            index.attributes.setdefault(target.attr, []).append(value)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner, part in zip(target.elts, value.elts, strict=False):
            _bind(index, scope, inner, part)
    elif isinstance(target, ast.Tuple):
        for inner in target.elts:
            if isinstance(inner, ast.Name):
                index.bound.setdefault((scope, inner.id), []).append(value)
    elif isinstance(target, ast.Subscript):
        index.stores.setdefault(last_name(target.value), []).append((target, value))
