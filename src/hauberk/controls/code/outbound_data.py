"""Weights, data and secrets on their way out: see `OutboundData`."""

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
class OutboundData(Check[CodeTree]):
    r"""Weights, data and secrets on their way out.

    Calls that send weights, features or rows over a network, secrets and people's data in logs and
    experiment trackers, answers that show the inside of errors or of the model, public links.

    Limits:
        Sending through a helper of another module, through storage that the project uses anyway, or
        encoded in what looks like figures.

    Example:
        >>> from pathlib import Path
        >>> from hauberk.core.artifact import SourceFile
        >>> text = "import requests\nrequests.post(url, data=open('model.pt', 'rb'))\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in OutboundData().check(tree)]
        [2]

    References:
        MITRE CWE-200 and CWE-532.
    """

    title: ClassVar[str] = "Weights, data and secrets on their way out"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-5"), ThreatId("PI-4"))
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
