"""The check that stands in front of every load of a model file.

A gate is stricter than a scan: it wants every byte judged and nothing left to ask. A name
that nobody has reviewed is refused until a policy entry with an owner and a reason lists it;
what is dangerous, malformed or unread is refused whatever the policy says.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from hauberk.core.finding import Assessment, Finding, Level, Outcome, Severity
from hauberk.core.model_file import ModelFile
from hauberk.core.policy import Waiver
from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError
from hauberk.formats.hashing import Hashing
from hauberk.formats.spans import open_span

CONTROL = "model/unsafe-opcodes"

_NEEDED = (
    "hauberk.controls.model.unsafe_opcodes",
    "hauberk.engine.assess",
    "hauberk.formats.safetensors",
)


class ModelState(StrEnum):
    """What was found in a model file; the word "safe" is not used."""

    NO_CODE = "no code found"
    REVIEW = "review"
    DANGEROUS = "dangerous"
    MALFORMED = "malformed or evasive"
    NOT_ASSESSED = "not assessed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVerdict:
    """What was found in one model file.

    Attributes:
        sha256: Digest of a single file's bytes; empty for a folder.
        reason: Why it was not assessed, or the worst finding in words.
        open_names: Names for which a load gate wants a policy entry.
        is_model: Whether anything in it is in a format that models come in.
    """

    path: str
    state: ModelState
    sha256: str
    findings: tuple[Finding, ...]
    reason: str
    open_names: tuple[str, ...] = ()
    is_model: bool = True

    @property
    def passes(self) -> bool:
        """Whether a load gate lets the file through."""
        return self.state is ModelState.NO_CODE


def scan_model(
    path: Path | str,
    *,
    allow: Sequence[Waiver] = (),
    today: date | None = None,
    apart: bool = True,
) -> ModelVerdict:
    r"""Judge a model file or folder without loading any of it.

    It is read in a process of its own, so that a hostile file can at worst end that one; in this
    process where it has several threads, from which none can be forked.

    Args:
        allow: Policy entries: each waives the threat EX-1 for one exact name, as the verdict
            gives it in ``open_names``, with an owner, a reason and a last day.
        today: Day on which the entries are judged; by default the present one in UTC.
        apart: Whether another process reads it. This one does where it is known to be of one's
            own making.

    Raises:
        UnavailableError: There is no such file.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.pkl")
        ...     _ = path.write_bytes(b"cos\nsystem\n(S'id'\ntR.")
        ...     verdict = scan_model(path)
        >>> verdict.state.value, verdict.passes
        ('dangerous', False)
    """
    place = Path(path)
    if not place.exists():
        raise UnavailableError(
            "there is no such model", subject=str(place), expected="a file or a folder"
        )
    assessment, sha256 = _apart(place) if apart else _assessment(place)
    if not sha256 and not place.is_dir():
        sha256 = _digest(place)
    waived = _waived(allow, today or datetime.now(UTC).date())
    findings = tuple(item for item in assessment.findings if not _is_waived(item, waived))
    return ModelVerdict(
        path=str(place),
        state=_state(assessment, findings),
        sha256=sha256,
        findings=findings,
        reason=findings[0].message if findings else assessment.reason if not waived else "",
        open_names=tuple(_about(item) for item in findings if item.level is Level.REVIEW),
        is_model=assessment.outcome is not Outcome.NOT_APPLICABLE,
    )


def admit(
    path: Path | str, *, allow: Sequence[Waiver] = (), today: date | None = None
) -> ModelVerdict:
    """The verdict on a model that a load gate lets through.

    Raises:
        ArtifactError: It is dangerous or malformed.
        TrustError: A name in it is on no list and in no policy entry.
        UnavailableError: It could not be read to its end.
    """
    verdict = scan_model(path, allow=allow, today=today)
    if not verdict.passes:
        raise _refusal(verdict)
    return verdict


def admit_bytes(data: bytes, name: str, *, allow: Sequence[Waiver] = ()) -> ModelVerdict:
    """The verdict on a model that is already in memory, so that what is judged is what loads.

    Args:
        name: What the model is called in a refusal.

    Raises:
        As `admit`.
    """
    with tempfile.TemporaryDirectory(prefix="hauberk-gate-") as folder:
        path = Path(folder, Path(name).name or "model")
        path.write_bytes(data)
        verdict = scan_model(path, allow=allow)
    verdict = replace(
        verdict, path=name, reason=verdict.reason.removeprefix(f"{path}: ").replace(str(path), name)
    )
    if not verdict.passes:
        raise _refusal(verdict)
    return verdict


def admit_to_store(
    path: Path | str, *, allow: Sequence[Waiver] = (), today: date | None = None
) -> ModelVerdict:
    """The verdict on what is put into a registry or taken out of one: anything but bad models.

    Texts, tables and pictures, which no loader of models takes, pass too.

    Raises:
        As `admit`, for everything that is a model or might be one.
    """
    verdict = scan_model(path, allow=allow, today=today)
    if verdict.is_model and not verdict.passes:
        raise _refusal(verdict)
    return verdict


def _digest(path: Path) -> str:
    """The digest of a file whose reading broke off."""
    hashing = Hashing()
    with open_span(path) as span, hashing.over(span):
        pass
    return hashing.sha256


def _assessment(path: Path) -> tuple[Assessment, str]:
    """What the control says, and the digest that was taken meanwhile; empty for a folder."""
    from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
    from hauberk.engine.assess import assess

    hashing = None if path.is_dir() else Hashing()
    subject = ModelFile(name=str(path), path=path, hashing=hashing)
    return assess(UnsafeOpcodes(), subject), hashing.sha256 if hashing is not None else ""


def _apart(path: Path) -> tuple[Assessment, str]:
    """The same from another process; one that ends over the file leaves it not assessed."""
    from hauberk.core.codec import from_json, to_json
    from hauberk.isolation.crew import apart

    def work() -> dict[str, Any]:
        assessment, sha256 = _assessment(path)
        return {"assessment": to_json(assessment), "sha256": sha256}

    for name in _NEEDED:  # before the fork: every worker would import them anew
        import_module(name)
    answer = apart(work, str(path))
    if "died" in answer:
        reason = f"{path} could not be assessed: {answer['died']}"
        lost = Assessment(control=CONTROL, path=str(path), outcome=Outcome.FAILED, reason=reason)
        return lost, ""
    return from_json(Assessment, answer["assessment"]), str(answer["sha256"])


def _waived(allow: Sequence[Waiver], today: date) -> frozenset[str]:
    return frozenset(
        entry.subject
        for entry in allow
        if entry.threat == "EX-1" and entry.expires >= today and entry.owner and entry.reason
    )


def _about(finding: Finding) -> str:
    return str(finding.evidence.facts.get("about", ""))


def _is_waived(finding: Finding, waived: frozenset[str]) -> bool:
    return finding.level is Level.REVIEW and _about(finding) in waived


def _state(assessment: Assessment, findings: tuple[Finding, ...]) -> ModelState:
    defects = {item.severity for item in findings if item.level is Level.DEFECT}
    if Severity.CRITICAL in defects:
        return ModelState.DANGEROUS
    if defects:
        return ModelState.MALFORMED
    if assessment.outcome in {Outcome.FAILED, Outcome.NOT_APPLICABLE}:
        return ModelState.NOT_ASSESSED
    return ModelState.REVIEW if findings else ModelState.NO_CODE


def _refusal(verdict: ModelVerdict) -> HauberkError:
    details = {
        "subject": verdict.path,
        "rule": "a model is loaded when every byte of it was judged and nothing is left to ask",
        "found": verdict.reason,
    }
    if verdict.state is ModelState.REVIEW:
        names = ", ".join(verdict.open_names[:5])
        return TrustError(
            "the model holds names that nobody has reviewed",
            expected="a policy entry with owner and reason for each name",
            hint=f"find out what loading does with {names}, then list it",
            **details,
        )
    if verdict.state is ModelState.NOT_ASSESSED:
        return UnavailableError(
            "the model could not be assessed",
            expected="a file in a model format that can be read to its end",
            hint="convert it where that is safe, or refuse it",
            **details,
        )
    return ArtifactError(
        f"the model is {verdict.state.value}",
        expected="no code, no unknown calls, no malformed parts",
        hint="do not load it; ask its publisher for safetensors, ONNX or skops",
        **details,
    )
