"""Files that make tools run something: see `HiddenInstructions`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hauberk.core.artifact import CodeTree
from hauberk.core.control import Check
from hauberk.core.finding import Finding
from hauberk.core.threat import ThreatId
from hauberk.methods.code.reading import tree_findings
from hauberk.methods.code.telling import not_checked


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenInstructions(Check[CodeTree]):
    """Files that make tools run something.

    Settings of editors, git and coding assistants in the tree: tasks that start when a folder is
    opened, programs inside of the tree, filters, hooks and submodules, development containers that
    own their host, instructions to an assistant to fetch, send, hide or skip checks.

    Limits:
        Instructions in words that no rule knows, and settings of tools that are not in the table.

    References:
        MITRE CWE-829 and CWE-1427; the products' pages on workspace trust.
    """

    title: ClassVar[str] = "Files that make tools run something"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-1"),)
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, then submodules that are not here."""
        yield from tree_findings(subject, self.id)
        for file in subject.files():
            if file.path.name == ".gitmodules":
                for place in _PATHS.findall(file.text):
                    inner = file.path.parent / place.strip()
                    if _is_empty_folder(subject.root / inner):
                        yield not_checked(
                            inner.as_posix(),
                            "a submodule whose files are not here; git submodule update --init",
                        )


def _is_empty_folder(place: Path) -> bool:
    """What git leaves where a submodule was not fetched."""
    return place.is_dir() and not place.is_symlink() and not any(place.iterdir())


_PATHS = re.compile(r"(?m)^[ \t]*path[ \t]*=[ \t]*([^\n]{1,400})$")
