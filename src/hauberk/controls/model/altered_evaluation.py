"""Models judged on other rows than the sealed ones; see `AlteredEvaluation`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Severity
from hauberk.core.threat import ThreatId


@dataclass(frozen=True, slots=True, kw_only=True)
class AlteredEvaluation(Check[Evaluation]):
    """Evaluation rows that are not those that were sealed.

    When an evaluation set is made, its rows are sealed by one digest over all of them. Rows
    that were stamped, relabelled, left out or added since then give another digest, and no
    figure on them counts: a backdoored model wins on rows that carry its trigger. In a run the
    prepared parts are sealed by the chain itself, which hashes them again.

    Limits:
        What was wrong when the rows were sealed stays wrong. The seal has to lie where whoever
        changes the rows cannot change it: in a signed statement, in the pinned root.

    References:
        MITRE ATLAS AML.T0020, "Poison Training Data", applied to evaluation data.
    """

    title: ClassVar[str] = "The evaluation rows are not the sealed ones"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-1"),)
    subject: ClassVar[type] = Evaluation

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding where the rows differ from the sealed ones.

        Raises:
            NotApplicable: Nobody says what was sealed.
        """
        from hauberk.methods.sealed_rows import seal_of

        if not subject.sealed:
            raise NotApplicable("nobody says what the rows were when they were sealed")
        found = seal_of(subject.data)
        if found == subject.sealed:
            return
        yield Finding(
            message=f"{subject.data.name}: the rows are not those that were sealed",
            path=subject.data.name,
            severity=Severity.CRITICAL,
            remedy="restore the sealed rows and judge the models again; find out who changed them "
            "and which models were chosen on them",
            evidence=Evidence(
                statistic="digest of the rows",
                facts={"sealed": subject.sealed, "found": found},
            ),
        )
