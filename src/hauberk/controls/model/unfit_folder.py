"""Files of a model's folder that do not fit each other: see `UnfitFolder`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import ModelFolder
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.pickle_judgement import Grade

_SEVERITY = {
    Grade.DANGEROUS: Severity.CRITICAL,
    Grade.CODE: Severity.HIGH,
    Grade.EVASIVE: Severity.HIGH,
    Grade.UNKNOWN: Severity.MEDIUM,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitFolder(Check[ModelFolder]):
    """A folder of a model whose files are not what they say of each other.

    A folder counts as a model's where a configuration lies beside weights, as model hubs keep
    them. Python in it that reaches the machine, links that lead out, shards that an index names
    and nobody has (or the other way round), tensors that lie in another shard than the index
    says, files of external tensors that are missing or linked away, checksums that do not match
    and requirements from elsewhere are told. What one file says by itself is the business of
    ``model/unsafe-opcodes``.

    Limits:
        Python is judged by the calls that it names; code that hides its calls is found where a
        configuration asks a loader to run it, which is told in any case. Files that nothing in
        the folder mentions are not missed.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "model.safetensors.index.json").write_text(
        ...         '{"weight_map": {"w": "model-00001-of-00001.safetensors"}}'
        ...     )
        ...     subject = ModelFolder(name="m", path=Path(folder))
        ...     found = list(UnfitFolder().check(subject))
        >>> found[0].message.partition(": ")[2]
        "names the shard 'model-00001-of-00001.safetensors', which is missing"

    References:
        MITRE ATLAS AML.T0010.003 and AML.T0074; CWE-494, CWE-829.
    """

    title: ClassVar[str] = "Folder of a model whose files do not fit each other"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-6"), ThreatId("EX-8"))
    subject: ClassVar[type] = ModelFolder

    def check(self, subject: ModelFolder) -> Iterator[Finding]:
        """Findings by path.

        Raises:
            ArtifactError: The folder holds too many files.
            UnavailableError: A file cannot be read.
        """
        from hauberk.formats.hub_folders import judge_folder  # where there is a folder only

        for placed in judge_folder(subject.path):
            remark = placed.remark
            is_defect = remark.grade > Grade.UNKNOWN
            yield Finding(
                message=f"{subject.name}/{placed.file}: {remark.text}",
                path=f"{subject.name}/{placed.file}",
                severity=_SEVERITY[remark.grade],
                level=Level.DEFECT if is_defect else Level.REVIEW,
                confidence=1.0 if is_defect else 0.5,
                remedy="Do not load this folder; fetch it again by its digest, or ask its owner.",
                location=Location(offset=remark.offset or None),
                evidence=Evidence(facts={"grade": remark.grade.name.lower()}),
            )
