"""Which controls and attacks answer a threat, read from their source.

Importing every control costs seconds; a threat list must not. So the class attribute
``threats`` is read as text, as literal ids inside one pair of parentheses. A law in the
tests holds the result against the classes that discovery imports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from hauberk.core.threat import ThreatId

_PACKAGE = Path(__file__).parent.parent
_ATTRIBUTE = re.compile(r"^    threats\b[^=\n]*=\s*", re.MULTILINE)
_ID = re.compile(r"""["']([A-Z]{2}-[0-9]+)["']""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Ids of the controls and attacks that name a threat, sorted."""

    controls: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()

    @property
    def gap(self) -> str:
        """What is missing, in words; empty where both are there."""
        missing = [
            name
            for name, found in (("control", self.controls), ("attack", self.attacks))
            if not found
        ]
        return "no " + ", no ".join(missing) if missing else ""


def answered_by(threat_id: ThreatId) -> Answers:
    """The controls and attacks that name ``threat_id``; empty ones are gaps."""
    return Answers(
        controls=joined("controls").get(threat_id, ()),
        attacks=joined("attacks").get(threat_id, ()),
    )


@cache
def joined(kind: str, package: Path = _PACKAGE) -> Mapping[ThreatId, tuple[str, ...]]:
    """Threat to ids of ``kind``, which is ``controls`` or ``attacks``."""
    found: dict[ThreatId, list[str]] = {}
    for path in sorted((package / kind).glob("*/*.py")):
        if path.name.startswith("_"):
            continue
        item = f"{path.parent.name}/{path.stem}".replace("_", "-")
        for threat_id in _named_in(path.read_text("utf-8")):
            found.setdefault(threat_id, []).append(item)
    return MappingProxyType({threat_id: tuple(ids) for threat_id, ids in found.items()})


def _named_in(source: str) -> Iterator[ThreatId]:
    """Ids in every class attribute ``threats = (...)`` of ``source``."""
    for match in _ATTRIBUTE.finditer(source):
        yield from (ThreatId(found) for found in _ID.findall(_parenthesised(source, match.end())))


def _parenthesised(source: str, start: int) -> str:
    """The text from ``start`` to the parenthesis that closes the one there."""
    depth = 0
    for end in range(start, len(source)):
        depth += (source[end] == "(") - (source[end] == ")")
        if depth == 0:
            return source[start:end]
    return ""
