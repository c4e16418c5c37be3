"""Text that is run as code, as a shell line or as a query: see `CodeExecution`."""

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
class CodeExecution(Check[CodeTree]):
    r"""Text that is run as code, as a shell line or as a query.

    Evaluation of text that is not written in the program, shells that get a text put together
    at run time, code that is decoded or fetched first, queries with values inside, modules named
    from outside. Constants, quoted arguments and a package's own version file are left alone.

    Limits:
        Whether a value comes from a stranger is not followed across functions; a helper that hides
        the shell under another name in another module is not seen.

    Example:
        >>> from pathlib import Path
        >>> from hauberk.core.artifact import SourceFile
        >>> text = "import os\nos.system(f'convert {name}')\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in CodeExecution().check(tree)]
        [2]

    References:
        MITRE CWE-78, CWE-94 and CWE-95.
    """

    title: ClassVar[str] = "Text that is run as code, as a shell line or as a query"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-3"), ThreatId("RE-1"))
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
