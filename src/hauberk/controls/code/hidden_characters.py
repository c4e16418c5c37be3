"""Characters that readers do not see or take for others: see `HiddenCharacters`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.control import Check
from hauberk.core.finding import Finding
from hauberk.core.threat import ThreatId
from hauberk.methods.code.hidden_texts import name_hits
from hauberk.methods.code.reading import tree_findings
from hauberk.methods.code.telling import of_hits


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenCharacters(Check[CodeTree]):
    r"""Characters that readers do not see or take for others.

    Direction overrides, invisible and tag characters, and names that mix Latin letters with others
    that look the same, in code, settings and instructions.

    Limits:
        A whole word in one other script; prose in documents, where other scripts are at
        home; control
        characters that terminals interpret.

    Example:
        >>> from pathlib import Path
        >>> from hauberk.core.artifact import SourceFile
        >>> text = "is_\u0430dmin = True\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in HiddenCharacters().check(tree)]
        [1]

    References:
        Boucher and Anderson (2023), Trojan Source: Invisible Vulnerabilities, USENIX Security;
        Unicode Technical Report 36.
    """

    title: ClassVar[str] = "Characters that readers do not see or take for others"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-1"),)
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file, then names of other files."""
        yield from tree_findings(subject, self.id)
        for path, _ in subject.unread():
            file = SourceFile(name=path.as_posix(), path=path, text="")
            yield from of_hits(file, self.id, list(name_hits(path.as_posix())))
