"""Run one control on one subject and turn whatever happens into an outcome.

This is the one place where an error becomes an outcome:

    ==============================================  =========================
    finished, no finding                            ``clean``
    finished, findings                              ``flagged``
    `NotApplicable`                                 ``not_applicable``
    `ArtifactError`, `TrustError` of the subject    ``flagged``, one finding
    `UnavailableError`, `LimitError`                ``failed``
    `InternalError`, any other exception            ``failed``
    `UsageError`                                    propagates: the caller acts
    ==============================================  =========================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from hauberk.core.control import Check, Control, NotApplicable, Stream
from hauberk.core.finding import (
    Assessment,
    Evidence,
    Finding,
    Outcome,
    RowScores,
    Severity,
)
from hauberk.core.identity import Digest
from hauberk.core.model_file import Artifact
from hauberk.errors import ArtifactError, HauberkError, InternalError, TrustError, UsageError


def assess(control: Control, subject: Any, *, path: str | None = None) -> Assessment:
    """The assessment of ``subject`` by ``control``.

    Args:
        control: A `Check`, or a `Stream` that is then driven over a read of its own.
        subject: What the control declares as its subject.
        path: How people call the subject; its own name by default.

    Raises:
        UsageError: The caller asked for something impossible, such as a label column
            that is not there.
    """
    name = path or name_of(subject)
    return judged(control, name, lambda: _results(control, subject), subject=subject)


def judged(
    control: Control,
    path: str,
    work: Callable[[], Iterable[Finding | RowScores]],
    *,
    subject: Any = None,
) -> Assessment:
    """Run ``work`` and give what became of it; the outcome table of this module."""
    started = time.process_time()
    findings: list[Finding] = []
    scores: list[RowScores] = []
    outcome, reason = Outcome.CLEAN, ""
    try:
        for result in work():
            _keep(result, findings, scores)
        outcome = Outcome.FLAGGED if findings else Outcome.CLEAN
    except UsageError:
        raise
    except NotApplicable as silent:
        outcome, reason = Outcome.NOT_APPLICABLE, str(silent)
    except (ArtifactError, TrustError) as error:
        findings.append(_finding_of(error, path))
        outcome, reason = Outcome.FLAGGED, str(error)
    except HauberkError as error:
        outcome, reason = Outcome.FAILED, str(error)
    except Exception as error:  # noqa: BLE001 - the one boundary; recorded, never passed
        outcome, reason = Outcome.FAILED, f"{type(error).__name__}: {error}"
    return Assessment(
        control=control.id,
        path=path,
        outcome=outcome,
        reason=reason or (findings[0].message if findings else ""),
        findings=tuple(_owned(finding, control) for finding in findings),
        scores=tuple(scores),
        seconds=time.process_time() - started,
        subject_digest=_digest_of(subject),
        threats=control.threats,
    )


def _digest_of(subject: Any) -> Digest | None:
    """The digest of what was judged, also where it was taken meanwhile."""
    hashing = getattr(subject, "hashing", None)
    if hashing is not None and hashing.sha256:
        return Digest(f"sha256:{hashing.sha256}")
    return subject.digest if isinstance(subject, Artifact) else None


def name_of(subject: Any) -> str:
    """What people call a subject, composite ones by their parts."""
    if isinstance(subject, Artifact):
        return subject.name
    from hauberk.core.artifact import Comparison as Twins

    if isinstance(subject, Twins):
        return name_of(subject.new)
    parts = [getattr(subject, field, None) for field in getattr(subject, "__slots__", ())]
    names = [part.name for part in parts if isinstance(part, Artifact)]
    return ", ".join(names) or type(subject).__name__.lower()


def _results(control: Control, subject: Any) -> Iterable[Finding | RowScores]:
    if isinstance(control, Check):
        return control.check(subject)
    if isinstance(control, Stream):
        return _driven(control, subject)
    raise InternalError(f"{control.id} judges exchanges one at a time", hint="use the guard")


def _driven(control: Stream, subject: Any) -> Iterable[Finding | RowScores]:
    tally = control.start(subject)
    for turn in range(control.passes):
        if turn:
            tally.turn()
        for batch in subject.read():
            tally.update(batch)
    return tally.findings(subject)


def _keep(result: Finding | RowScores, findings: list[Finding], scores: list[RowScores]) -> None:
    if isinstance(result, Finding):
        findings.append(result)
    else:
        scores.append(result)


def _owned(finding: Finding, control: Control) -> Finding:
    return replace(finding, control=control.id, threats=finding.threats or control.threats)


def _finding_of(error: HauberkError, path: str) -> Finding:
    """A broken bound or promise, as a finding of its own."""
    facts = {name: value for name, value in error.details() if name != "next"}
    return Finding(
        message=str(error),
        path=path,
        severity=Severity.HIGH,
        remedy=error.hint or "Find out where this came from; do not use it.",
        evidence=Evidence(statistic=error.rule or "", facts=facts),
    )
