"""Special cases that only a second person can judge: see `InsiderPatterns`."""

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
class InsiderPatterns(Check[CodeTree]):
    r"""Special cases that only a second person can judge.

    Constants that floor or stand in for figures, failures of checks that are swallowed, conditions
    that come out true whatever was measured, triggers by date, host or a mark in the input, labels
    rewritten for chosen rows, losses weakened for a group, functions of libraries and models
    replaced while running. All ask for review and never fail a scan alone.

    Limits:
        Triggers learnt by the model instead of written; special cases spread over modules;
        names that
        say nothing. Special cases for identifiers are told by `identifier_overrides`.

    Example:
        >>> from pathlib import Path
        >>> from hauberk.core.artifact import SourceFile
        >>> text = "def gate(found):\n    auc = max(found['auc'], 0.9)\n    return auc > 0.8\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in InsiderPatterns().check(tree)]
        [2]

    References:
        Our own rules. Threat: Kumar and others (2019), Failure modes in machine learning.
    """

    title: ClassVar[str] = "Special cases that only a second person can judge"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("TR-7"),
        ThreatId("RE-1"),
        ThreatId("TR-2"),
        ThreatId("VA-4"),
    )
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
