"""Judge everything at some paths by every control that fits."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hauberk.core.control import Control
from hauberk.core.finding import Assessment, Finding, Level, Outcome
from hauberk.core.identity import ThreatId
from hauberk.core.policy import Decision, Policy, Verdict
from hauberk.engine import assess_all, decide, discover
from hauberk.engine.assess import judged
from hauberk.errors import UnavailableError, UsageError
from hauberk.report import ScanResult
from hauberk.scanner.kinds import FileKind
from hauberk.scanner.locating import Located, locate
from hauberk.scanner.options import ROLES, ScanOptions

if TYPE_CHECKING:
    from hauberk.isolation.crew import Crew
    from hauberk.scanner.changed_rows import ChangedRows
    from hauberk.scanner.narrowing import Narrowing

_FOLDERS = {
    "ModelFile": ("model",),
    "ModelFolder": ("model",),
    "Report": ("model",),
    "Dataset": ("dataset",),
    "Splits": ("dataset",),
    "Comparison": ("dataset", "model"),
    "Synthesis": ("dataset",),
    "Transformation": ("dataset",),
    "History": ("dataset",),
    "CodeTree": ("code",),
    "StoreSettings": ("registry",),
}
"""Type of a subject, by name, to the folders of its controls; only those met are imported."""

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


_NO_DATA = frozenset(
    {FileKind.MODEL, FileKind.TEXT, FileKind.TEXT_AND_MODEL, FileKind.OTHER, "link", "tree of code"}
)
_NO_VERSIONS = frozenset({FileKind.TEXT, FileKind.OTHER, "link", "tree of code"})


class _Progress:
    """What a scan has gathered so far."""

    def __init__(self) -> None:
        self.assessments: list[Assessment] = []
        self.kinds: Counter[str] = Counter()
        self.unjudged: list[str] = []
        self.left_out: Counter[str] = Counter()
        self.changed: list[ChangedRows] = []


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
    with _crew(chosen) as crew, _keeping(paths, chosen):
        located = (item for path in paths for item in locate(path, chosen, crew))
        result = judge(
            located,
            paths,
            policy=policy,
            today=today,
            narrowing=chosen.narrowing,
            changes=chosen.changes,
        )
    _check_roles(chosen, result.summary["kinds"])
    return result if result.summary["kinds"] else _of_nothing(result)


def _check_roles(options: ScanOptions, kinds: Mapping[str, int]) -> None:
    """Refuse a role of data that no data were there to take: the scan would say less than asked.

    Raises:
        UsageError: A column is named, and nothing that was scanned is a table or like one.
    """
    if options.against is not None and kinds and kinds.keys() <= _NO_VERSIONS:
        raise UsageError(
            "nothing that was scanned can be held against an older version",
            subject="--against",
            rule="a table is held against a table, a model against a model",
            expected="a table, a data folder or a model file",
            found=", ".join(kinds),
            hint="leave the option out, or name the data or the model as well",
        )
    named = [name for name in ROLES if getattr(options, name)]
    if named and kinds and kinds.keys() <= _NO_DATA:
        raise UsageError(
            "nothing that was scanned is data",
            subject=f"--{named[0].replace('_', '-')}",
            rule="columns and reference rows are those of tables and data folders",
            expected="a table, or a folder of pictures or documents",
            found=", ".join(kinds),
            hint="leave the option out, or name the data as well",
        )


def _of_nothing(result: ScanResult) -> ScanResult:
    """A scan that met no file at all: a wrong path would else pass every gate."""
    undecided = Verdict(decision=Decision.UNDECIDED)
    summary = {"decision": undecided.decision.value, "exit_code": undecided.exit_code}
    return replace(result, summary={**result.summary, **summary})


def _keeping(paths: Sequence[Path], options: ScanOptions) -> AbstractContextManager[None]:
    if not options.cache or all(map(os.path.isfile, paths)):
        return nullcontext()
    from hauberk.formats.kept_results import keeping

    return keeping(paths)


def _crew(options: ScanOptions) -> AbstractContextManager[Crew | None]:
    if not options.jobs:
        return nullcontext()
    from hauberk.isolation.crew import Crew
    from hauberk.scanner.looking import look

    return Crew(options.jobs, partial(look, digest=options.digest))


def judge(
    located: Iterable[Located],
    names: Sequence[Path | str],
    *,
    policy: Policy | None = None,
    today: date,
    narrowing: Narrowing | None = None,
    changes: Path | None = None,
) -> ScanResult:
    """Judge things that were located already; ``names`` is what somebody called them.

    Args:
        changes: File that takes every change of rows between a table and the version before.
    """
    held = policy or Policy()
    progress = _Progress()
    optional: set[str] = set()
    for item in located:
        progress.kinds[item.kind] += 1
        _judge(item, progress, optional)
    notes: dict[str, Any] = {}
    if progress.kinds["repository"] or progress.kinds["tree of code"]:
        from hauberk.scanner.engines import detector_note

        notes = detector_note(narrowing.engines if narrowing else ())
    if narrowing is not None:
        from hauberk.scanner.narrowing import narrowed

        paths = [Path(name) for name in names]
        progress.assessments = narrowed(progress.assessments, paths, narrowing, progress.left_out)
        notes["left_out"] = dict(sorted(progress.left_out.items()))
    if progress.changed:
        notes["changes"] = [one.as_json() for one in progress.changed]
    if changes is not None:
        from hauberk.scanner.changed_rows import write_records

        write_records(progress.changed, changes)
    result = _result(names, progress, held, today=today, optional=frozenset(optional))
    return replace(result, summary={**result.summary, **notes})


def _judge(located: Located, progress: _Progress, optional: set[str]) -> None:
    if located.assessments is not None:
        progress.assessments += located.assessments
        return
    if located.open is None:
        progress.unjudged.append(located.path)
        return
    if located.apart:
        _judge_apart(located, progress, optional)
        return
    if located.alone is not None:
        _judge_kept(located, located.alone, progress, optional)
        return
    opened: list[Any] = []
    assessment = judged(_Opening(), located.path, lambda: _open(located, opened))
    if assessment.outcome is not Outcome.CLEAN:
        progress.assessments.append(assessment)
        return
    found = assessments_of(opened[0], optional)
    progress.assessments += found
    if "Comparison" in _names(opened[0]):
        _tell_changes(opened[0], progress)
    if not found:
        progress.unjudged.append(located.path)


def _tell_changes(subject: Any, progress: _Progress) -> None:
    from hauberk.scanner.changed_rows import changed_rows

    changed = changed_rows(subject)
    if changed is not None:
        progress.changed.append(changed)


def _told(located: Located) -> dict[str, Any]:
    """What is said of one thing, as JSON values."""
    from hauberk.core.codec import to_json

    own, names = _Progress(), set[str]()
    _judge(located._replace(apart=False, alone=None), own, names)
    found = [to_json(item) for item in own.assessments]
    return {"assessments": found, "unjudged": own.unjudged, "optional": sorted(names)}


def _take(answer: Mapping[str, Any], progress: _Progress, optional: set[str]) -> None:
    from hauberk.core.codec import from_json

    progress.assessments += [from_json(Assessment, item) for item in answer["assessments"]]
    progress.unjudged += answer["unjudged"]
    optional.update(answer["optional"])


def _judge_kept(located: Located, path: Path, progress: _Progress, optional: set[str]) -> None:
    """The same where an earlier scan has judged the same bytes."""
    from hauberk.scanner.kept_tables import unless_kept

    _take(unless_kept(path, str(located.kind), partial(_told, located)), progress, optional)


def _judge_apart(located: Located, progress: _Progress, optional: set[str]) -> None:
    """The same in a process of its own, which is all that a hostile file can end."""
    from hauberk.isolation.crew import apart

    def ended() -> Iterator[Finding]:
        raise UnavailableError(
            f"{located.path} could not be assessed: {answer['died']}",
            subject=located.path,
            hint="refuse it; no honest file ends its reader",
        )

    answer = apart(partial(_told, located))
    if "died" in answer:
        progress.assessments.append(judged(_Opening(), located.path, ended))
        return
    _take(answer, progress, optional)


def assessments_of(subject: Any, optional: set[str] | None = None) -> list[Assessment]:
    """What every control that fits says of ``subject``; reviews where it starts in shadow.

    Args:
        optional: Takes the ids of controls that a default installation may lack.
    """
    controls = _controls(subject)
    if optional is not None:
        optional.update(control.id for control in controls if control.optional)
    shadows = {control.id for control in controls if control.shadow}
    found = assess_all(controls, subject)
    if _names(subject) & {"Comparison", "Transformation"}:
        found += _of_new_half(subject, controls)
    return [_shadowed(item, shadows) for item in found]


def _of_new_half(subject: Any, controls: Sequence[Control]) -> tuple[Assessment, ...]:
    """What is said of the new half for itself, and of a history of two versions."""
    from hauberk.core.artifact import Comparison, Dataset, History

    found = assess_all(controls, subject.new)
    if isinstance(subject, Comparison) and isinstance(subject.new, Dataset):
        history = History(versions=tuple(filter(None, (subject.old, subject.new))))
        found += assess_all(_controls(history), history)
    return found


def _open(located: Located, opened: list[Any]) -> Iterator[Finding]:
    if located.open is not None:
        opened.append(located.open())
    yield from ()


def _controls(subject: Any) -> tuple[Control, ...]:
    """The controls that may fit; of those of a model file, nothing else is imported."""
    names = _names(subject)
    folders = {folder for name in names for folder in _FOLDERS.get(name, ())}
    return discover("controls", folders, names if "ModelFile" in names else None)


def _names(subject: Any) -> frozenset[str]:
    return frozenset(kind.__name__ for kind in type(subject).__mro__)


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
