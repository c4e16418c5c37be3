"""A training whose results its own recipe does not give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Replay
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError, UnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperedTraining(Check[Replay]):
    """Committed states and models held against those of a second execution, bit for bit.

    Segments are drawn after the training's results were committed, from randomness that the
    training could not know; each is done again by the declared recipe from the state that
    was committed before it. A loss, an optimiser, labels, rows or a seed that were tampered
    with in a segment give another state at its end.

    Limits:
        Malice in the recipe's own attested code, packages or data is repeated faithfully and
        passes. Of ``n`` segments ``k`` are looked at, so a share ``f`` of tampered ones stays
        unseen with a chance of about ``(1 - f) ** k``; only a full replay sees all. Training
        on other hardware, on a GPU or with unfixed seeds cannot be repeated: that is
        ``failed``, never clean.

    References:
        Jia et al. (2021), Proof-of-learning: definitions and practice. Fang et al. (2023),
        Proof-of-learning is currently more broken than you think: why initial state, random
        draw and recipe must not come from the prover.
    """

    title: ClassVar[str] = "A training does not follow from its recipe"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-2"),)
    subject: ClassVar[type] = Replay

    def check(self, subject: Replay) -> Iterator[Finding | RowScores]:
        """Yield one finding for the first difference.

        Raises:
            ArtifactError: Nothing was compared.
            UnavailableError: The training cannot be repeated here.
        """
        if subject.unrepeatable:
            raise UnavailableError(
                "the training is not replayable",
                subject=subject.name,
                rule="what cannot be repeated is not proven",
                found=subject.unrepeatable,
                hint="fix seeds and threads, hand all state to the callback, or train on a CPU",
            )
        if not subject.committed:
            raise ArtifactError("no state of the training was compared", subject=subject.name)
        different = [
            name
            for name, digest in subject.committed.items()
            if subject.repeated.get(name) != digest
        ]
        if different:
            yield _finding(subject, different)


def _finding(subject: Replay, different: list[str]) -> Finding:
    first = different[0]
    drawn = ", ".join(map(str, subject.drawn)) or "all"
    return Finding(
        message=f"{first} of {subject.name} is not what its recipe gives when it is done again "
        f"({len(different)} of {len(subject.committed)} results differ)",
        path=subject.name,
        severity=Severity.CRITICAL,
        remedy="Do not use the model. Find out what ran beside or instead of the declared recipe, "
        "and train again.",
        evidence=Evidence(
            statistic="digest of the second execution",
            value=float(len(different)),
            n=len(subject.committed),
            facts={
                "committed": subject.committed[first],
                "repeated": str(subject.repeated.get(first, "nothing")),
                "segments drawn": drawn,
            },
        ),
    )
