"""Special cases for one identifier in a module: what picks it out, and what that leads to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hauberk.methods.identity_effects import NOTHING, Effect, Led, led
from hauberk.methods.identity_triggers import Trigger, identity, triggers
from hauberk.methods.identity_words import Grade, Shape
from hauberk.methods.python_names import Names

MAX_ROUNDS = 3
"""Names and functions through which a trigger is followed; longer chains are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One special case.

    Attributes:
        led: What comes of it.
    """

    line: int
    column: int
    trigger: Trigger
    led: Led


def cases(names: Names) -> Iterator[Case]:
    """Special cases of a module: triggers, and what carries them, by what they lead to."""
    found = sorted(triggers(names), key=lambda one: (-one.who, -one.shape))
    waiting = [(trigger, trigger.node) for trigger in found]
    seen: set[tuple[ast.AST, str]] = set()
    for _ in range(MAX_ROUNDS):
        following: list[tuple[Trigger, ast.AST]] = []
        for trigger, node in waiting:
            way = led(names, trigger, node)
            if _counts(trigger, way):
                place = _anchor(names, trigger.node)
                yield Case(line=place[0], column=place[1], trigger=trigger, led=way)
            if way.effect in (Effect.CARRIED, Effect.RETURNED):
                carrier = (names.scope_of(node), way.name)
                following += _uses(names, node, way, trigger) if carrier not in seen else ()
                seen.add(carrier)
        waiting = following


def _counts(trigger: Trigger, way: Led) -> bool:
    if way is NOTHING or way.effect in (Effect.NOTHING, Effect.CARRIED):
        return False
    if trigger.who is Grade.STRONG and trigger.shape is Shape.SHAPED:
        return way.effect >= Effect.RETURNED
    if trigger.who is Grade.STRONG or trigger.shape is Shape.SHAPED:
        return way.effect is Effect.OUTCOME
    return False


def _uses(
    names: Names, node: ast.AST, way: Led, trigger: Trigger
) -> Iterator[tuple[Trigger, ast.AST]]:
    """Where the name or function that holds a trigger is used."""
    if way.effect is Effect.RETURNED:
        for use in names.uses.get(way.name, ()) if way.name else ():
            if isinstance(use, ast.Call):
                who = max((identity(names, part) for part in use.args), default=Grade.NONE)
                yield replace(trigger, who=max(who, trigger.who)), use
        return
    home = names.scope_of(node)
    if isinstance(home, ast.Lambda):
        home = names.scope_of(home)
    for use in names.uses.get(way.name, ()):
        if isinstance(use, ast.Name) and _is_within(names, use, home):
            yield trigger, use


def _is_within(names: Names, node: ast.AST, home: ast.AST) -> bool:
    scope = names.scope_of(node)
    while scope is not home and scope is not names.tree:
        scope = names.scope_of(scope)
    return scope is home


def _anchor(names: Names, node: ast.AST) -> tuple[int, int]:
    held: ast.AST | None = node
    while held is not None and not hasattr(held, "lineno"):
        held = names.parents.get(held)
    return getattr(held, "lineno", 1), getattr(held, "col_offset", 0) + 1
