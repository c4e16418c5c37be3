"""Work that a step did beside its own: foreign programs, connections, processor time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from statistics import fmean, median, stdev
from typing import ClassVar

from hauberk.core.artifact import StepUse
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, RowScores, Severity
from hauberk.core.threat import ThreatId

_OWN = ("/tmp/", "/dev/shm/", "/var/tmp/", "/memfd:")  # noqa: S108 - looked for, not written
_HIDDEN = "hidden:"
_LEAST = 5
"""Earlier runs below which their spread is not known."""
_SURE = (4.604, 4.032, 3.707, 3.499, 3.355, 3.25, 3.169, 3.106, 3.055, 3.012, 2.977, 2.947)
"""Student's quantile of 0.995 for 4 to 15 degrees of freedom; more of them are taken as 15."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HijackedStep(Check[StepUse]):
    """Processes, connections and processor time that a step has no need of.

    Three looks at what the kernel said of the step's process tree. A program that is not on
    the step's list is a defect; without a list, one that hides itself or lies in a folder that
    the step could write. A connection that was refused is named. Processor time above what
    earlier runs on as much input let expect of one more is for a person to look at: a
    prediction interval of their logarithms, one in two hundred honest runs beyond it. The
    runner gives these times in lengths of a yardstick that was timed beside each run.

    Limits:
        The tree is looked at ten times a second, so a child that lives shorter may pass unseen;
        its time still counts. A miner inside the training process itself shows only as
        processor time, and one that was there from the first run on not at all. Where honest runs
    differ by as much as a burner takes, none is seen: nothing is said then. Budgets, which
        end a step, are the isolation's: they hold whatever this control sees.

    Args:
        max_growth: Processor time over the median of earlier runs that is tolerated, 0.15 for
            15 %. Smaller finds weaker burners and alarms on a busy machine.
        min_earlier: Runs to compare with; fewer compare nothing.

    References:
        MITRE ATLAS AML.T0034.002. Geisser (1993), Predictive inference, section 2.1 (one more
        value of a normal law).
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
        if len(subject.earlier) < max(self.min_earlier, _LEAST):
            return
        usual = median(subject.earlier)
        limit = max((1 + self.max_growth) * usual, _expected(subject.earlier))
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


def _expected(earlier: tuple[float, ...]) -> float:
    """What one more run uses at most, if it is like these, but for one in two hundred."""
    if not all(0 < value < math.inf for value in earlier):
        return math.inf
    logs = [math.log(value) for value in earlier]
    sure = _SURE[min(len(logs) - _LEAST, len(_SURE) - 1)]
    return math.exp(fmean(logs) + sure * stdev(logs) * math.sqrt(1 + 1 / len(logs)))


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
