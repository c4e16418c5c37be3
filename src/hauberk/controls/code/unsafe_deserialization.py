"""Loading that runs what a file asks for: see `UnsafeDeserialization`."""

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
class UnsafeDeserialization(Check[CodeTree]):
    r"""Loading that runs what a file asks for.

    Calls that turn foreign bytes into objects: pickle in all its spellings, tables and arrays
    read through it, torch files without ``weights_only``, YAML with a loader that builds objects,
    Keras models that bring code, switches that turn a check off. Aliases, ``getattr``, imports
    at run time, ``partial`` and dictionaries of keywords are followed, and torch is judged by the
    lowest version that the project pins.

    Limits:
        Arguments that come from files or other modules; code made of text while running; loaders
        behind names that the module does not explain.

    Example:
        >>> from pathlib import Path
        >>> from hauberk.core.artifact import SourceFile
        >>> text = "import pickle as p\nload = p.load\nrows = load(open(path))\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in UnsafeDeserialization().check(tree)]
        [3]

    References:
        MITRE CWE-502; the security notes of the pickle module, torch.load and Keras.
    """

    title: ClassVar[str] = "Loading that runs what a file asks for"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-3"),)
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
