from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hauberk.core.artifact import ModelFile
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Finding, Outcome, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.engine import assess
from hauberk.errors import (
    ArtifactError,
    InternalError,
    LimitError,
    TrustError,
    UnavailableError,
    UsageError,
)

MODEL = ModelFile(name="m.onnx", path=Path("m.onnx"))


@dataclass(frozen=True, kw_only=True)
class Scripted(Check[ModelFile]):
    title: ClassVar[str] = "A control that does what the test says"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-1"),)
    subject: ClassVar[Any] = ModelFile
    deed: Callable[[], None]
    found: tuple[Finding, ...] = ()

    def check(self, subject: ModelFile) -> Iterator[Finding | RowScores]:
        yield from self.found
        self.deed()


def raising(error: Exception) -> Callable[[], None]:
    def deed() -> None:
        raise error

    return deed


FINDING = Finding(message="bad", path="m.onnx", severity=Severity.LOW, remedy="mend it")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotApplicable("no labels"), Outcome.NOT_APPLICABLE),
        (ArtifactError("too deep"), Outcome.FLAGGED),
        (TrustError("not signed"), Outcome.FLAGGED),
        (UnavailableError("no library"), Outcome.FAILED),
        (LimitError("too slow"), Outcome.FAILED),
        (InternalError("our fault"), Outcome.FAILED),
        (ZeroDivisionError("a bug"), Outcome.FAILED),
    ],
)
def test_each_error_has_its_outcome(error: Exception, outcome: Outcome) -> None:
    result = assess(Scripted(deed=raising(error)), MODEL)
    assert result.outcome is outcome
    assert result.reason


def test_a_usage_error_reaches_the_caller() -> None:
    with pytest.raises(UsageError):
        assess(Scripted(deed=raising(UsageError("no such column"))), MODEL)


def test_nothing_found_is_clean() -> None:
    assert assess(Scripted(deed=lambda: None), MODEL).outcome is Outcome.CLEAN


def test_a_finding_names_its_control_and_threats() -> None:
    result = assess(Scripted(deed=lambda: None, found=(FINDING,)), MODEL)
    assert result.outcome is Outcome.FLAGGED
    assert result.findings[0].control == Scripted(deed=lambda: None).id
    assert result.findings[0].threats == ("EX-1",)


def test_a_crash_after_a_finding_is_failed_and_keeps_the_finding() -> None:
    result = assess(Scripted(deed=raising(KeyError("x")), found=(FINDING,)), MODEL)
    assert result.outcome is Outcome.FAILED
    assert len(result.findings) == 1


def test_a_broken_bound_becomes_a_finding_with_the_rule() -> None:
    error = ArtifactError("too deep", rule="at most 64 levels", found="65", hint="do not load it")
    finding = assess(Scripted(deed=raising(error)), MODEL).findings[0]
    assert finding.evidence.statistic == "at most 64 levels"
    assert finding.remedy == "do not load it"
