"""What a private training gives away of one row, computed from what it recorded and not claimed.

The training writes how it made noise: its strength in units of the clipping norm, rows in a batch,
rows there are, steps, phase by phase (`record_privacy` of the callback file writes it). From that
the bound is computed here, by Renyi divergences that add up over phases. What a script does and
does not record stays unknown: that gradients were clipped and noised is its word, which a replay
repeats and does not prove.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hauberk.core.record import Section
from hauberk.errors import ArtifactError

MAX_BYTES = 1 << 16
_KEYS = {"noise", "batch", "rows", "steps"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A bound: with a chance of ``delta`` more than ``epsilon`` is given away of one row.

    Attributes:
        noise: Of the phase with the least.
        share: Of the rows in a batch, of the phase with the most.
        steps: Of all phases.
    """

    epsilon: float
    delta: float
    noise: float
    share: float
    steps: int

    @property
    def strength(self) -> Mapping[str, Any]:
        """As attestations say it."""
        return {
            "epsilon": round(self.epsilon, 4),
            "delta": self.delta,
            "noise": self.noise,
            "share": round(self.share, 6),
            "steps": self.steps,
            "accountant": "Renyi",
        }


def spent(data: bytes, n_rows: int, subject: str) -> Spent:
    """The bound that a record gives.

    Args:
        data: JSON of ``phases``, a list of objects with ``noise``, ``batch``, ``rows`` and
            ``steps``, and ``delta``, one over the rows where it is left out.
        n_rows: Rows that the training could read.

    Raises:
        ArtifactError: It is malformed, or speaks of more rows than there were.
    """
    from hauberk.methods.federated import epsilon_of

    phases, delta = _read(data, n_rows, subject)
    parts = [(noise, min(1.0, batch / rows), steps) for noise, batch, rows, steps in phases]
    return Spent(
        epsilon=epsilon_of(parts, delta),
        delta=delta,
        noise=min(noise for noise, _, _ in parts),
        share=max(share for _, share, _ in parts),
        steps=sum(steps for _, _, steps in parts),
    )


def _read(
    data: bytes, n_rows: int, subject: str
) -> tuple[list[tuple[float, float, float, int]], float]:
    try:
        value: Any = json.loads(data) if len(data) <= MAX_BYTES else None
        phases = [_phase(one) for one in value["phases"]]
        most = max(rows for _, _, rows, _ in phases)
        delta = float(value.get("delta", 1 / most))
        if not 0 < delta <= 1 / most:
            raise ValueError(f"delta {delta:g} of {most:g} rows")  # noqa: TRY301
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            "the record of a private training cannot be read",
            subject=subject,
            expected='{"phases": [{"noise": 1.1, "batch": 64, "rows": 900, "steps": 400}]}, all '
            "above 0, and delta no more than one over the rows",
            found=f"{type(error).__name__}: {str(error)[:120]}",
            hint="write it with record_privacy of the callback file",
        ) from None
    if most > n_rows:
        raise ArtifactError(
            "the training claims to have hidden one row among more than it had",
            subject=subject,
            rule="a batch is a share of the rows that the training could read",
            expected=f"at most {n_rows} rows",
            found=f"{most:g}",
        )
    return phases, delta


def _phase(one: Any) -> tuple[float, float, float, int]:
    if set(one) - {"clip"} != _KEYS:
        raise ValueError(f"keys {', '.join(sorted(map(str, one)))[:80]}")
    noise, batch, rows = (float(one[name]) for name in ("noise", "batch", "rows"))
    steps = one["steps"]
    if (
        type(steps) is not int
        or steps < 1
        or not all(math.isfinite(part) and part > 0 for part in (noise, batch, rows))
    ):
        raise ValueError("a number that is not above 0")
    return noise, batch, rows, steps


def privacy_section(found: Spent | None) -> Section:
    """What a report says of it."""
    title = "Differential privacy of the training"
    if found is None:
        return Section(title=title, rows=(("not stated", "the training records none"),))
    return Section(
        title=title,
        text="Computed from what the training recorded of its noise; that it was made so is its "
        "word.",
        rows=(
            ("epsilon", f"{found.epsilon:.3f} at delta {found.delta:g}"),
            ("noise, in clipping norms", f"{found.noise:g}"),
            ("rows in a batch", f"{found.share:.2%}"),
            ("steps", str(found.steps)),
        ),
    )
