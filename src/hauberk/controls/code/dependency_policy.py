"""Dependencies that can change behind the project: see `DependencyPolicy`."""

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
class DependencyPolicy(Check[CodeTree]):
    """Dependencies that can change behind the project.

    Requirement, project, environment and lock files, package settings and hooks: second indexes,
    indexes without TLS, versions and hashes that are not fixed, references that move, names that
    belong to a house, lock entries that differ from the rest, code that runs at installation.

    Limits:
        A range in the description of a library is no fault and is not told. What a locked package
        does is for the control over known vulnerabilities and the isolated installation.

    References:
        Birsan (2021), Dependency confusion; PEP 503, PEP 751; pip's secure installs.
    """

    title: ClassVar[str] = "Dependencies that can change behind the project"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-4"), ThreatId("PI-5"))
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
