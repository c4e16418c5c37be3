"""Judge everything at some paths by every control that fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.artifact import (
    CodeTree,
    Comparison,
    Dataset,
    History,
    ModelFile,
    ModelFolder,
    Report,
    Splits,
    StoreSettings,
    Synthesis,
    Transformation,
)
from hauberk.core.control import Control
from hauberk.core.finding import Assessment, Finding, Level, Outcome
from hauberk.core.policy import Policy
from hauberk.core.threat import ThreatId
from hauberk.engine import assess_all, decide, discover
from hauberk.engine.assess import judged
from hauberk.report import ScanResult
from hauberk.scanner.locating import Located, locate
from hauberk.scanner.options import ScanOptions

if TYPE_CHECKING:
    from hauberk.scanner.narrowing import Narrowing

_FOLDERS: tuple[tuple[type, str], ...] = (
    (ModelFile, "model"),
    (ModelFolder, "model"),
    (Report, "model"),
    (Dataset, "dataset"),
    (Splits, "dataset"),
    (Comparison, "dataset"),
    (Comparison, "model"),
    (Synthesis, "dataset"),
    (Transformation, "dataset"),
    (History, "dataset"),
    (CodeTree, "code"),
    (StoreSettings, "registry"),
)
"""Type of a subject to the folder of its controls; only those that are met are imported."""

MAX_LISTED = 50
"""Names of unjudged files in the summary."""


class _Opening(Control):
    """Stands in an assessment for what could not even be opened."""

    title: ClassVar[str] = "Content that cannot be opened"
    threats: ClassVar[tuple[ThreatId, ...]] = ()
    subject: ClassVar[Any] = object

    @property
    def id(self) -> str:
        return "scanner/locate"


@dataclass(slots=True)
class _Progress:
    """What a scan has gathered so far."""

    assessments: list[Assessment]
    kinds: Counter[str]
    unjudged: list[str]


def scan(
    paths: Sequence[Path],
    *,
    options: ScanOptions | None = None,
    policy: Policy | None = None,
    today: date,
) -> ScanResult:
    """Judge what lies at ``paths`` and hold it against ``policy``.

    Args:
        today: Day on which waivers are judged.

    Raises:
        UsageError: There is nothing at a path, or a named column does not exist.
    """
    chosen = options or ScanOptions()
    located = (item for path in paths for item in locate(path, chosen))
    return judge(located, paths, policy=policy, today=today, narrowing=chosen.narrowing)


def judge(
    located: Iterable[Located],
    names: Sequence[Path | str],
    *,
    policy: Policy | None = None,
    today: date,
    narrowing: Narrowing | None = None,
) -> ScanResult:
    """Judge things that were located already; ``names`` is what somebody called them."""
    held = policy or Policy()
    progress = _Progress([], Counter(), [])
    optional: set[str] = set()
    for item in located:
        progress.kinds[item.kind] += 1
        _judge(item, progress, optional)
    if narrowing is not None:
        from hauberk.scanner.narrowing import narrowed

        paths = [Path(name) for name in names]
        progress.assessments = narrowed(progress.assessments, paths, narrowing)
    return _result(names, progress, held, today=today, optional=frozenset(optional))


def _judge(located: Located, progress: _Progress, optional: set[str]) -> None:
    if located.open is None:
        progress.unjudged.append(located.path)
        return
    opened: list[Any] = []
    assessment = judged(_Opening(), located.path, lambda: _open(located, opened))
    if assessment.outcome is not Outcome.CLEAN:
        progress.assessments.append(assessment)
        return
    controls = _controls(opened[0])
    optional.update(control.id for control in controls if control.optional)
    shadows = {control.id for control in controls if control.shadow}
    found = assess_all(controls, opened[0])
    if isinstance(opened[0], Comparison | Transformation):  # the new half is judged for itself too
        found += assess_all(controls, opened[0].new)
    if isinstance(opened[0], Comparison) and isinstance(opened[0].new, Dataset):
        history = History(versions=tuple(filter(None, (opened[0].old, opened[0].new))))
        found += assess_all(_controls(history), history)
    progress.assessments += [_shadowed(item, shadows) for item in found]
    if not found:
        progress.unjudged.append(located.path)


def _open(located: Located, opened: list[Any]) -> Iterator[Finding]:
    if located.open is not None:
        opened.append(located.open())
    yield from ()


def _controls(subject: Any) -> tuple[Control, ...]:
    folders = {folder for kind, folder in _FOLDERS if isinstance(subject, kind)}
    return discover("controls", subjects=folders)


def _shadowed(assessment: Assessment, shadows: set[str]) -> Assessment:
    """Findings of controls that start in shadow ask for a review until they are promoted."""
    if assessment.control not in shadows:
        return assessment
    reviews = tuple(replace(item, level=Level.REVIEW) for item in assessment.findings)
    return replace(assessment, findings=reviews)


def _result(
    paths: Sequence[Path | str],
    progress: _Progress,
    policy: Policy,
    *,
    today: date,
    optional: frozenset[str],
) -> ScanResult:
    verdict = decide(progress.assessments, policy, today=today, optional=optional)
    findings = tuple(item for part in progress.assessments for item in part.findings)
    summary = {
        "paths": [str(path) for path in paths],
        "kinds": dict(sorted(progress.kinds.items())),
        "unjudged": progress.unjudged[:MAX_LISTED],
        "n_unjudged": len(progress.unjudged),
        "decision": verdict.decision.value,
        "exit_code": verdict.exit_code,
        "fail_on": policy.fail_on.value,
    }
    return ScanResult(findings=findings, assessments=tuple(progress.assessments), summary=summary)
