"""Special cases for particular identifiers: see `IdentifierOverrides`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats.kept_results import unless_known_empty
from hauberk.formats.python_source import is_python, parse, python_text
from hauberk.methods.allowances import allowed_lines
from hauberk.methods.identity_effects import NOTHING, Effect, Led, led
from hauberk.methods.identity_triggers import Trigger, identity, triggers
from hauberk.methods.identity_words import Grade, Shape
from hauberk.methods.python_names import Names, names_of

MAX_ROUNDS = 3
MAX_UNPARSED = 3
"""Up to so many files that do not parse have a finding each; beyond, they share one."""
"""Names and functions through which a trigger is followed; longer chains are not."""

_TESTS = frozenset({"test", "tests", "testing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierOverrides(Check[CodeTree]):
    r"""Code that decides otherwise for one account than for all.

    Training and scoring must not know anybody by name. Wherever something that is called
    like an identifier, or computed from one, meets a constant that looks like one, the
    value is followed through names and helper functions; where it sets a label, a
    prediction, a score, a weight or what ``predict`` is, drops a sample or changes what a
    function returns, a second person should look. So all findings ask for review.

    Limits:
        Constants from files, databases or the environment; identifiers called by a name
        that says nothing *and* of a form that says nothing; special cases over ranges or
        combinations of honest features; code made of text at run time; helpers in another
        module; a constant number under a name that says nothing. Tests are left out.

    Args:
        with_tests: Whether to look into tests too, where special cases are the rule.

    Example:
        >>> from pathlib import Path
        >>> text = "if account_id == 'ACC-48213':\n    label = 1\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in IdentifierOverrides().check(tree)]
        [1]

    References:
        The rule is our own. Threat: Kumar and others (2019), Failure modes in machine learning.
    """

    title: ClassVar[str] = "Special cases for particular identifiers"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-7"),)
    subject: ClassVar[type] = CodeTree

    with_tests: bool = False

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield special cases file by file, then the files that could not be judged."""
        unread: list[tuple[str, str]] = []
        for file in subject.files():
            if not is_python(file) or (not self.with_tests and _is_test(file)):
                continue
            try:
                yield from unless_known_empty(self.id, file, partial(self._in_file, file))
            except ArtifactError as error:
                unread.append((file.name, error.found or error.message))
        for path, reason in subject.unread():
            if path.suffix in (".py", ".ipynb"):
                unread.append((path.as_posix(), reason))
        if len(unread) > MAX_UNPARSED:
            yield _all_unparsed(unread)
        else:
            yield from (_unparsed(name, reason) for name, reason in unread)

    def _in_file(self, file: SourceFile) -> list[Finding]:
        return list(self._in_module(file, parse(file)))

    def _in_module(self, file: SourceFile, tree: ast.Module) -> Iterator[Finding]:
        allowed = allowed_lines(python_text(file), self.id)
        told: set[int] = set()
        for case in sorted(_cases(names_of(tree)), key=lambda case: case.line):
            if case.line not in told and case.line not in allowed:
                told.add(case.line)
                yield _finding(file, case)


def _is_test(file: SourceFile) -> bool:
    parts = file.path.parts
    name = parts[-1] if parts else ""
    is_named = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return is_named or any(part in _TESTS for part in parts[:-1])


# Judging -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One special case."""

    line: int
    column: int
    trigger: Trigger
    led: Led


def _cases(names: Names) -> Iterator[_Case]:
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
                yield _Case(line=place[0], column=place[1], trigger=trigger, led=way)
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


# Telling -------------------------------------------------------------------------------


def _finding(file: SourceFile, case: _Case) -> Finding:
    sure = case.led.effect is Effect.OUTCOME and case.trigger.who is Grade.STRONG
    what = case.led.what or "changes what follows"
    facts = {"effect": what, "identifier": case.trigger.who.name.lower()}
    return Finding(
        message=(
            f"{file.name}, line {case.line}: an identifier {case.trigger.how} and the code "
            f"{what}; training and scoring should treat everybody alike"
        ),
        path=file.name,
        severity=Severity.HIGH if sure else Severity.MEDIUM,
        level=Level.REVIEW,
        confidence=0.8 if sure else 0.5,
        remedy=(
            "Have a second person say why this special case is there; if it must stay, note "
            "the reason in a comment `allow: code/identifier-overrides <reason>`."
        ),
        location=Location(line=case.line, column=case.column),
        evidence=Evidence(statistic="identifier compared with a constant", facts=facts),
    )


def _unparsed(name: str, reason: str) -> Finding:
    return Finding(
        message=f"{name} could not be parsed and was not searched for special cases: {reason}",
        path=name,
        severity=Severity.LOW,
        level=Level.REVIEW,
        remedy="Repair it, or look through it by hand.",
        evidence=Evidence(statistic="not checked", facts={"reason": reason}),
    )


def _all_unparsed(unread: list[tuple[str, str]]) -> Finding:
    """One finding for templates of a whole project, with all their names."""
    name, reason = unread[0]
    return Finding(
        message=(
            f"{len(unread)} files could not be parsed and were not searched for special cases, "
            f"{name} first: {reason}"
        ),
        path=name,
        severity=Severity.LOW,
        level=Level.REVIEW,
        remedy="Repair them, or look through them by hand.",
        evidence=Evidence(
            statistic="not checked",
            n=len(unread),
            facts={"reason": reason, "files": ", ".join(name for name, _ in unread[:50])},
        ),
    )
