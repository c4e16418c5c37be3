"""What a trigger leads to: an outcome, a dropped sample, a name, or nothing that matters."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from hauberk.methods.identity_triggers import Trigger
from hauberk.methods.identity_words import is_outcome, is_scoring
from hauberk.methods.python_names import Names, called, last_name


class Effect(IntEnum):
    """What comes of it, worse ones larger."""

    NOTHING = 0
    CARRIED = 1
    RETURNED = 2
    OTHER = 3
    OUTCOME = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """Where a trigger leads.

    Attributes:
        name: The variable or function that carries it on.
    """

    effect: Effect
    name: str = ""
    what: str = ""


NOTHING = Led(effect=Effect.NOTHING)
_HARMLESS = frozenset(
    """
    all_close assertEqual assertIn assertTrue breakpoint critical debug describe display error
    exception fail format head hist info len log mean nunique plot pprint print raises show
    skip sum count_nonzero tail value_counts warn warning write writelines to_csv
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
_COLLECTING = frozenset("add append discard drop extend insert pop remove update".split())  # noqa: SIM905
_PATCHED = frozenset("decision_function forward predict predict_proba score transform".split())  # noqa: SIM905


def led(names: Names, trigger: Trigger, node: ast.AST | None = None) -> Led:
    """Follow a trigger, or the ``node`` that stands for it, up to its statement."""
    if trigger.writes:
        return Led(effect=Effect.OUTCOME, what="writes an outcome")
    climb = _Climb(names=names, negative=trigger.negative)
    return climb.follow(node or trigger.node)


@dataclass(slots=True)
class _Climb:
    """One way from an expression up to its statement."""

    names: Names
    negative: bool
    selects: bool = False

    def follow(self, node: ast.AST) -> Led:
        held = node
        while not isinstance(held, (ast.stmt, ast.match_case)):
            parent = self.names.parents.get(held)
            if parent is None or self._ends(parent, held):
                return NOTHING
            if isinstance(parent, (ast.stmt, ast.match_case)):
                return self._at(parent, held)
            held = parent
        return self._at(held, node)

    def _ends(self, parent: ast.AST, held: ast.AST) -> bool:
        """Whether the way ends in something harmless; notes selections and negations."""
        if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, (ast.Not, ast.Invert)):
            self.negative = not self.negative
        if isinstance(parent, ast.comprehension):
            self.selects = self.selects or held in parent.ifs
        if isinstance(parent, ast.Subscript) and held is parent.slice:
            self.selects = self.selects or isinstance(parent.ctx, ast.Load)
        if isinstance(parent, ast.Call):
            self.selects = self.selects or called(parent) in ("filter", "query", "filterfalse")
            return called(parent) in _HARMLESS
        return False

    def _at(self, statement: ast.AST, held: ast.AST) -> Led:
        if isinstance(statement, ast.match_case):
            return self._body(statement.body)
        if isinstance(statement, (ast.If, ast.While)):
            return self._branches(statement, held)
        if isinstance(statement, ast.Return):
            return self._returned(statement)
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            return self._assigned(statement)
        if isinstance(statement, (ast.Expr, ast.Delete)):
            return self._done(statement)
        return NOTHING

    def _branches(self, statement: ast.If | ast.While, held: ast.AST) -> Led:
        if held is not statement.test:
            return NOTHING
        skips = any(isinstance(inner, ast.Continue) for inner in statement.body)
        if skips and self.negative:
            return NOTHING
        is_chain = len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If)
        other = NOTHING if is_chain else self._body(statement.orelse)
        return max(self._body(statement.body), other, key=lambda found: found.effect)

    def _body(self, body: Iterable[ast.stmt]) -> Led:
        found = [self._inside(node) for part in body for node in ast.walk(part)]
        return max(found, key=lambda one: one.effect, default=NOTHING)

    def _inside(self, node: ast.AST) -> Led:
        """What a statement below a trigger does."""
        if isinstance(node, ast.Continue):
            return Led(effect=Effect.OUTCOME, what="drops the sample")
        if isinstance(node, ast.Return):
            return self._returned(node)
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            is_writing = any(map(_holds_outcome, _targets(node)))
            effect = Effect.OUTCOME if is_writing else Effect.OTHER
            return Led(effect=effect, what="sets " + ", ".join(map(_said, _targets(node))))
        if isinstance(node, ast.Call) and called(node) in _COLLECTING:
            effect = Effect.OUTCOME if _mentions(node.func) else Effect.OTHER
            return Led(effect=effect, what=f"calls {called(node)}")
        return NOTHING

    def _returned(self, statement: ast.Return) -> Led:
        function = self._function(statement)
        name = last_name(function) or getattr(function, "name", "")
        if statement.value is None:
            return NOTHING
        decides = is_scoring(name) and not name.startswith(("is_", "_is", "has_"))
        effect = Effect.OUTCOME if decides else Effect.RETURNED
        return Led(effect=effect, name=name, what=f"{name} returns something else")

    def _function(self, node: ast.AST) -> ast.AST:
        return self.names.scope_of(node)

    def _assigned(self, statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> Led:
        targets = _targets(statement)
        if self.selects and not self._drops(statement, targets):
            return NOTHING
        if self.selects:
            return Led(effect=Effect.OUTCOME, what="drops the sample")
        what = "sets " + ", ".join(map(_said, targets))
        if any(map(_holds_outcome, targets)):
            return Led(effect=Effect.OUTCOME, what=what)
        if isinstance(targets[0], ast.Name):
            return Led(effect=Effect.CARRIED, name=targets[0].id)
        return Led(effect=Effect.OTHER, what=what)

    def _drops(self, statement: ast.stmt, targets: list[ast.expr]) -> bool:
        """Whether a selection leaves the identifier out, of what is used from then on."""
        del statement
        return self.negative or any(map(_holds_outcome, targets))

    def _done(self, statement: ast.Expr | ast.Delete) -> Led:
        if _mentions(statement):
            return Led(effect=Effect.OUTCOME, what="changes an outcome in place")
        return Led(effect=Effect.OTHER) if isinstance(statement, ast.Delete) else NOTHING


def _targets(statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _holds_outcome(target: ast.expr) -> bool:
    """Whether writing to ``target`` writes an outcome."""
    return any(is_outcome(name) or name in _PATCHED for name in _spoken(target))


def _mentions(node: ast.AST) -> bool:
    return any(is_outcome(name) or name in _PATCHED for name in _spoken(node))


def _spoken(node: ast.AST) -> Iterator[str]:
    """Names and short texts in an expression."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value[:60]
        elif isinstance(part, (ast.Name, ast.Attribute)):
            yield last_name(part)


def _said(target: ast.expr) -> str:
    return ast.unparse(target)[:60]
