"""What a worker makes of one file: what it is, and what the controls of model files say of it.

Answers are JSON values, so that they can cross from one process to another; what cannot be put
into them is judged where the report is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from hauberk.core.finding import (
    Assessment,
    Evidence,
    Finding,
    Level,
    Location,
    Outcome,
    Severity,
)
from hauberk.core.identity import Digest, ThreatId
from hauberk.core.model_file import ModelFile
from hauberk.scanner.kinds import FileKind, kind_of, rows_in

_WITH_MODEL = frozenset(
    {FileKind.MODEL, FileKind.TABLE_AND_MODEL, FileKind.TEXT_AND_MODEL, FileKind.UNREADABLE}
)


def look(path: str, *, digest: bool = False, follow: bool = False) -> dict[str, Any]:
    """What the file is, and its assessments where loaders of models read such files.

    Args:
        digest: Whether the digest of its bytes is told as well.
        follow: Whether a link is read as what it leads to; in a folder it is not.
    """
    place = Path(path)
    if place.is_symlink() and not follow:
        return {"kind": FileKind.OTHER.value}
    kind = kind_of(place)
    seen: dict[str, Any] = {"kind": kind.value, **_more(place, kind)}
    if kind in _WITH_MODEL:
        from hauberk.scanner.scanning import assessments_of

        found = assessments_of(model_file(place, digest=digest))
        seen["assessments"] = [packed(item) for item in found]
    return seen


def _more(path: Path, kind: FileKind) -> dict[str, Any]:
    """What else the content says of the file, so that nobody else has to read it."""
    if kind is FileKind.TABLE_AND_MODEL:
        return {"rows": rows_in(path).value}
    if kind in {FileKind.TEXT, FileKind.TEXT_AND_MODEL, FileKind.TEXT_OF_TABLES}:
        from hauberk.scanner.stores import settings_at

        return {"settings": settings_at(path) is not None}
    return {}


def model_file(path: Path, *, digest: bool) -> ModelFile:
    """The subject at a path, with something that takes its digest where that is wanted."""
    if not digest or not path.is_file():
        return ModelFile(name=str(path), path=path)
    from hauberk.formats.hashing import Hashing

    return ModelFile(name=str(path), path=path, hashing=Hashing())


def packed(assessment: Assessment) -> dict[str, Any]:
    """An assessment as JSON values; one of a model file has no rows and no plots."""
    return {**_values(assessment), "findings": [_packed(item) for item in assessment.findings]}


def unpacked(value: Mapping[str, Any]) -> Assessment:
    """The assessment that `packed` turned into ``value``."""
    digest = value["subject_digest"]
    return Assessment(
        control=value["control"],
        path=value["path"],
        outcome=Outcome(value["outcome"]),
        reason=value["reason"],
        findings=tuple(map(_unpacked, value["findings"])),
        seconds=value["seconds"],
        subject_digest=None if digest is None else Digest(digest),
        threats=_shared(tuple(value["threats"])),
    )


@cache
def _shared(threats: tuple[ThreatId, ...]) -> tuple[ThreatId, ...]:
    """One object for the same threats of a million files."""
    return threats


def _values(noun: Any) -> dict[str, Any]:
    return {field.name: getattr(noun, field.name) for field in fields(noun)}


def _packed(finding: Finding) -> dict[str, Any]:
    evidence = {**_values(finding.evidence), "facts": dict(finding.evidence.facts)}
    return {**_values(finding), "location": _values(finding.location), "evidence": evidence}


def _unpacked(value: Mapping[str, Any]) -> Finding:
    place, evidence = value["location"], value["evidence"]
    inner, rows = tuple(place["inner"]), tuple(place["rows"])
    return Finding(
        **{
            **value,
            "severity": Severity(value["severity"]),
            "level": Level(value["level"]),
            "threats": tuple(value["threats"]),
            "location": Location(**{**place, "inner": inner, "rows": rows}),
            "evidence": Evidence(**{**evidence, "plots": ()}),
        }
    )


def lost(path: str, reason: str) -> Assessment:
    """What is said of a file whose worker died over it."""
    from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
    from hauberk.engine.assess import judged
    from hauberk.errors import UnavailableError

    def ended() -> list[Finding]:
        raise UnavailableError(
            f"{path} could not be assessed: {reason}",
            subject=path,
            hint="refuse the file; no honest one ends its reader",
        )

    return replace(judged(UnsafeOpcodes(), path, ended), seconds=0.0)
