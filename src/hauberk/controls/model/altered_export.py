"""A model that is not the attested one any more; see `AlteredExport`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import Comparison, ModelFile
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId

MAX_NAMED = 5
"""Tensors named in one finding; the evidence counts all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlteredExport(Check[Comparison[ModelFile]]):
    """Tensors, operators and ends of a graph that differ from those of the attested export.

    Both files are taken apart and compared by name: a tensor by type, shape and the digest of
    its bytes; an ONNX graph by its operators in order with their wiring and attributes, and by
    its inputs and outputs. Order of tensors, names of nodes and notes do not count. One changed
    bit of one tensor is a finding, which names the tensor.

    Limits:
        Says what differs and not whether the difference does harm: a model that was trained on
        differs everywhere. The older file is trusted. Archives are compared by their members.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from hauberk.methods.model_writing import safetensors
        >>> header = {"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
        >>> with TemporaryDirectory() as folder:
        ...     files = []
        ...     for label, byte in (("old", b"1"), ("new", b"2")):
        ...         path = Path(folder, label)
        ...         _ = path.write_bytes(safetensors(header, byte))
        ...         files.append(ModelFile(name=label, path=path))
        ...     pair = Comparison(old=files[0], new=files[1])
        ...     found = list(AlteredExport().check(pair))
        >>> found[0].message
        "new: 1 of 1 tensors are not those of old: 'w'"

    References:
        MITRE ATLAS AML.T0018.000 and AML.T0018.001; CWE-353.
    """

    title: ClassVar[str] = "Model that differs from its attested export"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-4"), ThreatId("EX-6"))
    subject: ClassVar[Any] = (Comparison, ModelFile)

    def check(self, subject: Comparison[ModelFile]) -> Iterator[Finding]:
        """At most one finding each about tensors, operators, functions and ends.

        Raises:
            ArtifactError: A file is malformed.
            UnavailableError: A file cannot be read, or shows no parts.
            NotApplicable: There is nothing to compare with.
        """
        from hauberk.formats.model_parts import model_parts
        from hauberk.formats.spans import open_span

        if subject.old is None:
            raise NotApplicable("there is no attested export to compare with")
        with open_span(subject.old.path) as old, open_span(subject.new.path) as new:
            before, after = model_parts(old), model_parts(new)
        names = (subject.old.name, subject.new.name)
        yield from _tensors(before.tensors, after.tensors, names)
        if before.operators != after.operators:
            yield _finding(names, _steps(before.operators, after.operators))
        if before.others != after.others:
            yield _finding(names, f"functions or versions of operators are not those of {names[0]}")
        if before.ends != after.ends:
            changed = sorted(set(before.ends) ^ set(after.ends))
            yield _finding(names, f"inputs and outputs are not those of {names[0]}: {changed}")


def _tensors(
    old: Mapping[str, Any], new: Mapping[str, Any], names: tuple[str, str]
) -> Iterator[Finding]:
    every = sorted(old.keys() | new.keys())
    changed = [name for name in every if old.get(name) != new.get(name)]
    if changed:
        shown = ", ".join(repr(name[:80]) for name in changed[:MAX_NAMED])
        text = f"{len(changed)} of {len(every)} tensors are not those of {names[0]}: {shown}"
        yield _finding(names, text, changed[0], (len(changed), len(every)))


def _steps(old: tuple[str, ...], new: tuple[str, ...]) -> str:
    """The first operator that differs, in words."""
    place = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
        min(len(old), len(new)),
    )
    found = new[place].split()[0] if place < len(new) else "nothing"
    due = old[place].split()[0] if place < len(old) else "nothing"
    return f"operator {place} is {found!r} where the attested export has {due!r}"


def _finding(
    names: tuple[str, str], text: str, field: str | None = None, counts: tuple[int, int] = (1, 1)
) -> Finding:
    return Finding(
        message=f"{names[1]}: {text}",
        path=names[1],
        severity=Severity.HIGH,
        remedy="Take the attested file, or find out who changed it and have the change attested.",
        location=Location(field=field),
        evidence=Evidence(
            statistic="changed parts", value=float(counts[0]), threshold=1.0, n=counts[1]
        ),
    )
