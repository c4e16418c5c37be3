"""Packages named like popular ones: see `LookalikePackages`."""

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
class LookalikePackages(Check[CodeTree]):
    """Packages named like popular ones.

    Each name in a dependency file is held against the 15,000 most downloaded packages: one that is
    not among them and is one slip, a swapped word or a common affix away from a popular one.

    Limits:
        Names of fewer than four letters, names two slips away, and a malicious package
        under a name of
        its own. A new popular package is unknown until the list is renewed.

    References:
        Vu and others (2020), Typosquatting and combosquatting attacks on the Python ecosystem,
        EuroS&PW, section 3.
    """

    title: ClassVar[str] = "Packages named like popular ones"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PI-5"), ThreatId("TR-3"))
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
