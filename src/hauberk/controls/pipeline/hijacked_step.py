"""Work that a step did beside its own: foreign programs, connections, processor time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from statistics import median
from typing import ClassVar

from hauberk.core.artifact import StepUse
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, RowScores, Severity
from hauberk.core.threat import ThreatId

_OWN = ("/tmp/", "/dev/shm/", "/var/tmp/", "/memfd:")  # noqa: S108 - looked for, not written
_HIDDEN = "hidden:"
_SPREAD = 4.0
_MAD = 1.4826
"""Standard deviations per median absolute deviation of a normal law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HijackedStep(Check[StepUse]):
    """Processes, connections and processor time that a step has no need of.

    Three looks at what the kernel said of the step's process tree. A program that is not on
    the step's list is a defect; without a list, one that hides itself or lies in a folder that
    the step could write. A connection that was refused is named. Processor time far
    above that of earlier runs on as much input is for a person to look at.

    Limits:
        The tree is looked at ten times a second, so a child that lives shorter may pass unseen;
        its time still counts. A miner inside the training process itself shows only as
        processor time, and one that was there from the first run on not at all. Budgets, which
        end a step, are the isolation's: they hold whatever this control sees.

    Args:
        max_growth: Processor time over the median of earlier runs that is tolerated, 0.15 for
            15 %. Smaller finds weaker burners and alarms on a busy machine.
        min_earlier: Runs to compare with; fewer compare nothing.

    References:
        MITRE ATLAS AML.T0034.002. Leys et al. (2013), Detecting outliers: do not use standard
        deviation around the mean, use absolute deviation around the median.
    """

    title: ClassVar[str] = "A step does other work than its own"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-4"),)
    subject: ClassVar[type] = StepUse

    max_growth: float = 0.15
    min_earlier: int = 5

    def check(self, subject: StepUse) -> Iterator[Finding | RowScores]:
        """Yield foreign programs, then refused connections, then processor time."""
        for program, count in sorted(subject.children.items()):
            if _is_foreign(program, subject):
                yield _program(subject, program, count)
        if subject.denials:
            yield _refused(subject, subject.denials)
        yield from self._burnt(subject)

    def _burnt(self, subject: StepUse) -> Iterator[Finding]:
        if len(subject.earlier) < self.min_earlier:
            return
        usual = median(subject.earlier)
        spread = _MAD * median(abs(value - usual) for value in subject.earlier)
        limit = usual + max(self.max_growth * usual, _SPREAD * spread)
        if subject.cpu_s > limit:
            yield Finding(
                message=f"{subject.name} used {subject.cpu_s:.2f} s of processor, "
                f"{subject.cpu_s / max(usual, 1e-9):.2f} times what it used to",
                path=subject.name,
                severity=Severity.MEDIUM,
                level=Level.REVIEW,
                confidence=0.6,
                remedy="Find out what the step does now and did not do before; where the work has "
                "grown honestly, the next runs are compared with this one too.",
                evidence=Evidence(
                    statistic="processor seconds against earlier runs",
                    value=subject.cpu_s,
                    threshold=limit,
                    n=len(subject.earlier),
                ),
            )


def _is_foreign(program: str, subject: StepUse) -> bool:
    if program.startswith(_HIDDEN):
        return True
    if subject.programs is not None:
        return PurePosixPath(program.removesuffix(" (deleted)")).name not in subject.programs
    return program.startswith((*_OWN, *(f"{folder.rstrip('/')}/" for folder in subject.own)))


def _program(subject: StepUse, program: str, count: int) -> Finding:
    allowed = "none" if not subject.programs else ", ".join(subject.programs)
    return Finding(
        message=f"{subject.name} ran {program}, {count} times, which it was not allowed to"
        if subject.programs is not None
        else f"{subject.name} ran {program}, {count} times, which it brought or hid itself",
        path=subject.name,
        severity=Severity.HIGH,
        remedy="Find out who starts it and why; name it in limits.programs if it belongs to the "
        "step, else do not use what the step made.",
        evidence=Evidence(
            statistic="programs in the step's process tree",
            value=float(count),
            facts={"program": program, "allowed": allowed},
        ),
    )


def _refused(subject: StepUse, denials: tuple[str, ...]) -> Finding:
    return Finding(
        message=f"{subject.name} tried to reach what it has no grant for: {denials[0]}",
        path=subject.name,
        severity=Severity.MEDIUM,
        level=Level.REVIEW,
        remedy="It was refused. Find out what wanted it; grant the host in limits.network if the "
        "step needs it.",
        evidence=Evidence(
            statistic="refusals", value=float(len(denials)), facts=dict(_numbered(denials))
        ),
    )


def _numbered(denials: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """At most ten of them, numbered."""
    for number, text in enumerate(denials[:10], 1):
        yield f"refusal {number}", text
