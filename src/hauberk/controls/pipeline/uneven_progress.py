"""A training in which one class moves apart from the others; see `UnevenProgress`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Replay
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Curve, Evidence, Finding, Level, Severity
from hauberk.core.threat import ThreatId


@dataclass(frozen=True, slots=True, kw_only=True)
class UnevenProgress(Check[Replay]):
    """Losses of each class on held-out rows, measured by the runner at each committed state.

    The final model is given what it had learnt at each checkpoint and asked about held-out rows;
    the loss is computed here, not by the training script. A class whose loss changes in one
    segment far more than the others' is what relabelled rows leave, there or where the training
    recovers from them.

    Limits:
        For a person to look at, since a class may have its reasons. What does not show on clean
        rows (a trigger) is not seen, nor what is spread evenly over the training, nor anything
        in its first quarter. A network that recovers within the segment shows little: relabelled
        classes were found in linear models, in small networks never. Only estimators of
        scikit-learn whose state the callback was given are measured.

    Args:
        threshold: Distance from the other classes in usual spreads of the training from which on
            a segment is shown. Honest trainings of the tuning seeds stayed below 8.5, one of 64
            others reached 10.7.

    References:
        Biggio, Nelson and Laskov (2012), Poisoning attacks against support vector machines.
    """

    title: ClassVar[str] = "One class moves apart from the others during training"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-2"),)
    subject: ClassVar[type] = Replay

    threshold: float = 10.0

    def check(self, subject: Replay) -> Iterator[Finding]:
        """One finding for the segment that stands out most.

        Raises:
            NotApplicable: There are no losses, or too few segments to hold one against.
        """
        from hauberk.methods.class_progress import lone

        found = lone(subject.losses, subject.first_state)
        if found is None:
            raise NotApplicable("no losses of held-out rows over eight segments or more")
        if found.distance < self.threshold:
            return
        yield Finding(
            message=f"{subject.name}: in segment {found.segment} the loss of class "
            f"{found.name!r} on held-out rows changes by {found.change:+.2f}, that of the others "
            f"by {found.others:+.2f}",
            path=subject.name,
            severity=Severity.MEDIUM,
            level=Level.REVIEW,
            remedy="look at the rows and labels of this segment and of the one before it",
            evidence=Evidence(
                statistic="difference from the other classes, in usual spreads of the training",
                value=found.distance,
                threshold=self.threshold,
                facts={"class": found.name, "segment": str(found.segment)},
                plots=(losses_curve(subject),),
            ),
        )


def losses_curve(subject: Replay) -> Curve:
    """Each class's loss by checkpoint."""
    return Curve(
        title="Loss of each class on held-out rows, measured by the runner",
        x="checkpoint",
        y="cross-entropy",
        series={
            name: tuple((float(subject.first_state + at), y) for at, y in enumerate(line))
            for name, line in subject.losses.items()
        },
    )
