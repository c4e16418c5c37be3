"""Models and data fetched by names that move: see `UnpinnedModels`."""

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
class UnpinnedModels(Check[CodeTree]):
    r"""Models and data fetched by names that move.

    Fetches from hubs and registries without a full commit: moving revisions, aliases such as
    ``latest``, code that a repository brings along, hub entry points at a branch.

    Limits:
        Names put together while running, and hubs that this table does not know. A commit does
        not say that the model is good.

    Example:
        >>> from pathlib import Path
        >>> from hauberk.core.artifact import SourceFile
        >>> text = "AutoModel.from_pretrained('a/b', trust_remote_code=True)\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in UnpinnedModels().check(tree)]
        [1]

    References:
        MITRE CWE-494; the hub's own notes on revisions and remote code.
    """

    title: ClassVar[str] = "Models and data fetched by names that move"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-4"), ThreatId("PP-3"))
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
