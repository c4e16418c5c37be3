"""Downloads and archives without checks: see `InsecureDownloads`."""

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
class InsecureDownloads(Check[CodeTree]):
    r"""Downloads and archives without checks.

    Fetches without TLS, checks of certificates and host keys switched off, files kept from an
    address without a digest, archives unpacked wherever they point, digests that can be collided
    used as checks, and commands of scripts and notebooks that do the same.

    Limits:
        A digest compared anywhere in the same function counts as compared. Addresses inside of the
        house and on this machine are not told.

    Example:
        >>> from pathlib import Path
        >>> from hauberk.core.artifact import SourceFile
        >>> text = "import requests\nrequests.get(url, verify=False)\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in InsecureDownloads().check(tree)]
        [2]

    References:
        MITRE CWE-295, CWE-319, CWE-494 and CWE-22; PEP 706.
    """

    title: ClassVar[str] = "Downloads and archives without checks"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-3"), ThreatId("RE-4"))
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
