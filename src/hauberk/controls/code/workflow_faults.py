"""Continuous integration that strangers can steer: see `WorkflowFaults`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import CodeTree
from hauberk.core.control import Check
from hauberk.core.finding import Finding
from hauberk.core.threat import ThreatId
from hauberk.methods.code.reading import tree_findings


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFaults(Check[CodeTree]):
    """Continuous integration that strangers can steer.

    Workflows of GitHub, GitLab, Azure, CircleCI and Jenkins: strangers' text in commands, their
    code
    with the repository's rights, rights to write everything, actions and templates that move,
    secrets printed or handed on, runners of one's own for pull requests, gates that go on.

    Limits:
        Settings outside of the files (protected branches, required reviews), actions' own code, and
        scripts that a step calls, which are read as scripts.

    References:
        The hosts' hardening guides for workflows; OWASP Top 10 CI/CD Security Risks (2022).
    """

    title: ClassVar[str] = "Continuous integration that strangers can steer"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PI-1"), ThreatId("PI-4"))
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
