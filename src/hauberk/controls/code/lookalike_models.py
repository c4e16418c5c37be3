"""Models of publishers named like known ones: see `LookalikeModels`."""

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
class LookalikeModels(Check[CodeTree]):
    r"""Models fetched from publishers that are named like known ones.

    Each repository that code fetches from a model hub is held against a list of publishers that
    many projects load from: a name that is not among them, and is read as one of them or is one
    slip or a common affix away from one.

    Limits:
        Names put together while running, publishers that the list does not know, names two
        slips away, and a malicious upload under a name of its own.

    Example:
        >>> from pathlib import Path
        >>> from hauberk.core.artifact import SourceFile
        >>> text = "import transformers as t\nt.AutoModel.from_pretrained('rneta-llama/x')\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in LookalikeModels().check(tree)]
        [2]

    References:
        MITRE ATLAS AML.T0010.003; CWE-1007.
    """

    title: ClassVar[str] = "Models of publishers named like known ones"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-6"),)
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
