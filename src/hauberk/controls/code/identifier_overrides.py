"""Special cases for particular identifiers: see `IdentifierOverrides`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
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
from hauberk.methods.code.reading import may_single_out, torch_of
from hauberk.methods.code.telling import is_test
from hauberk.methods.identity_cases import Case, cases
from hauberk.methods.identity_effects import Effect
from hauberk.methods.identity_words import Grade
from hauberk.methods.python_names import names_of

MAX_UNPARSED = 3
"""Up to so many files that do not parse have a finding each; beyond, they share one."""

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
        torch = torch_of(subject)
        for file in subject.files():
            if not is_python(file) or (not self.with_tests and _is_test(file)):
                continue
            if not is_test(file.path) and not may_single_out(file, torch):
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
        for case in sorted(cases(names_of(tree)), key=lambda case: case.line):
            if case.line not in told and case.line not in allowed:
                told.add(case.line)
                yield _finding(file, case)


def _is_test(file: SourceFile) -> bool:
    parts = file.path.parts
    name = parts[-1] if parts else ""
    is_named = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return is_named or any(part in _TESTS for part in parts[:-1])


# Telling -------------------------------------------------------------------------------


def _finding(file: SourceFile, case: Case) -> Finding:
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
