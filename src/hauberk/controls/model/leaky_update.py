"""A client's update from which its own rows can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hauberk.core.artifact import ClientUpdate
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakyUpdate(Check[ClientUpdate]):
    """The server's own inversion, tried by the client before anything leaves it.

    In a dense layer the gradient of a neuron's weights is the row times the gradient of its
    bias; where one row alone woke a neuron, their quotient is the row. Each quotient is held
    against the client's rows by structural similarity.

    Limits:
        The closed form only: an optimised inversion reads more from the same update, above all
        behind convolutions, and an update in which nothing was read is not thereby private.
        Only clipping and noise with an accountant bound what is given away.

    Args:
        threshold: Structural similarity from which on a row counts as read, 0 to 1.

    References:
        Phong et al. (2018), Privacy-preserving deep learning via additively homomorphic
        encryption, section 3. Boenisch et al. (2023), When the curious abandon honesty.
    """

    title: ClassVar[str] = "An update gives its rows away"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-6"),)
    subject: ClassVar[Any] = ClientUpdate

    threshold: float = 0.5

    def check(self, subject: ClientUpdate) -> Iterator[Finding | RowScores]:
        """Yield one finding that names the rows.

        Raises:
            ArtifactError: The arrays hold no finite numbers.
            NotApplicable: No dense layer takes rows of this size.
        """
        import numpy as np

        from hauberk.methods.federated import dense_layers, leaked

        rows = np.asarray(subject.rows)
        if rows.dtype.kind not in "fiu" or not rows.size or not np.isfinite(rows).all():
            raise ArtifactError("the rows are no finite numbers", subject=subject.name)
        if any(
            np.asarray(part).dtype.kind not in "fiu" or not np.isfinite(part).all()
            for part in subject.parts.values()
        ):
            raise ArtifactError("the update holds no finite numbers", subject=subject.name)
        size = int(rows[0].size)
        if not any(weights.shape[1] == size for weights, _ in dense_layers(subject.parts)):
            raise NotApplicable(f"no dense layer takes rows of {size} numbers")
        read = leaked(subject.parts, rows, threshold=self.threshold)
        if read:
            yield _finding(subject, read, len(rows))


def _finding(subject: ClientUpdate, read: list[int], n_rows: int) -> Finding:
    return Finding(
        message=f"{len(read)} of the {n_rows} rows behind {subject.name} can be read off it",
        path=subject.name,
        severity=Severity.HIGH,
        location=Location(rows=tuple(read[:_SHOWN])),
        remedy="Do not send it. Clip the gradient of each row and add noise (hauberk federated "
        "protect), use larger batches, and send sums only where the server cannot see one client.",
        evidence=Evidence(
            statistic="rows read by the closed-form inversion",
            value=float(len(read)),
            threshold=1.0,
            n=n_rows,
        ),
    )
