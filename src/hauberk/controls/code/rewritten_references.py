"""References that were moved or replaced: see `RewrittenReferences`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import CodeTree
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.git_references import PROTECTED, References, read_references, rewritten


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrittenReferences(Check[CodeTree]):
    """References that an honest history would not have moved since they were recorded.

    Tags neither move nor go. Protected branches, and the branch that was checked out, only grow.
    No object is shown in place of another. Submodules keep their addresses.

    Limits:
        What was rewritten before the first record is not seen, nor a branch that nobody
        protects. A record is worth what its place is: `hauberk log references` keeps it signed
        in the log of a project.

    Args:
        recorded: The state to hold the repository against; without one nothing is judged.
        protected: Shell patterns of branches that only grow.

    References:
        Torres-Arias, Ammula, Curtmola and Cappos (2016), On omitting commits and committing
        omissions, USENIX Security; gittuf, reference state log.
    """

    title: ClassVar[str] = "References that were moved or replaced"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-3"),)
    subject: ClassVar[type] = CodeTree

    recorded: References | None = None
    protected: tuple[str, ...] = PROTECTED

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield each reference that is not what it was.

        Raises:
            NotApplicable: No state was recorded.
            ArtifactError: There is no repository any more.
        """
        if self.recorded is None:
            raise NotApplicable("no state of references was recorded: hauberk log references")
        now = read_references(subject.root)
        for item in rewritten(subject.root, self.recorded, now, protected=self.protected):
            yield Finding(
                message=f"{item.name}: {item.says}",
                path=item.name,
                severity=Severity.HIGH,
                remedy="Find out who moved it and why; restore it, or record the new state with "
                "a reason.",
                confidence=1.0,
                evidence=Evidence(
                    statistic="state recorded before",
                    facts={"rule": f"rewritten-references/{item.rule}"},
                ),
            )
