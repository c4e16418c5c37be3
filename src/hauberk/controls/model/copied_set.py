"""Models that were trained on a set of ours; see `CopiedSet`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hauberk.core.artifact import Evaluation
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.methods.ownership import Sureness


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedSet(Check[Evaluation]):
    """A model of somebody else's that is surer of our rows than of rows that we held back.

    Experimental. The set and rows of the same draw that nobody was given are shown to the
    suspect. What models of our own, none of which saw the row, explain of its sureness is taken
    out; what remains is compared by ranks. A model that was trained elsewhere finds both kinds
    equally new.

    Limits:
        The rows held back must be drawn at random from the same source, before anybody got the
        set: rows of another month or with other labels differ for every model, and prove
        nothing. A suspect that learnt from few rows of the set, or fits its rows loosely, as with
        early stopping, may pass. Models that give numbers or bare classes are not judged well.
        A small p-value says that the model knows the rows, not how it came by them.

    Args:
        max_p: P-value from which on it is a finding.
        min_rows: Rows of each kind that are needed.
        max_rows: Rows of each kind that are looked at.
        seed: Of their draw.

    References:
        Maini, Yaghini and Papernot (2021), Dataset inference: ownership resolution in machine
        learning.
    """

    title: ClassVar[str] = "A model was trained on a set of ours"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-6"),)
    subject: ClassVar[type] = Evaluation

    max_p: float = 0.001
    min_rows: int = 100
    max_rows: int = 5_000
    seed: int = 0

    def check(self, subject: Evaluation) -> Iterator[Finding]:
        """One finding where the model knows the rows of the set.

        Raises:
            NotApplicable: Rows are missing or too few, or the model gives no probabilities.
        """
        yield from self.judged(subject.model.name, self.told(subject))

    def judged(self, path: str, found: Sureness) -> Iterator[Finding]:
        """One finding where the p-value is small enough."""
        p_value = found.p_value
        if p_value > self.max_p:
            return
        yield Finding(
            message=f"{path} is surer of {len(found.own)} rows of the set than of "
            f"{len(found.held_back)} rows held back: p = {p_value:.2g}, accepted down to "
            f"{self.max_p:g}; a model that saw neither is not",
            path=path,
            severity=Severity.HIGH,
            level=Level.REVIEW,
            remedy="ask whose model it is and what it was trained on; hauberk metadata reads "
            "says who read the set",
            evidence=Evidence(
                statistic="p-value of the rank sum",
                value=p_value,
                threshold=self.max_p,
                n=len(found.own),
                facts={
                    "rows held back": str(len(found.held_back)),
                    "surer of a row of the set": f"{found.surer:.3f}",
                },
            ),
        )

    def told(self, subject: Evaluation) -> Sureness:
        """How sure the model is of either kind of rows."""
        from hauberk.methods.ownership import sureness

        found = sureness(subject, max_rows=self.max_rows, seed=self.seed)
        fewest = min(len(found.own), len(found.held_back))
        if fewest < self.min_rows:
            message = f"{fewest} rows of a kind are too few; {self.min_rows} are needed"
            raise NotApplicable(message)
        return found
