"""Single inputs that were made to be misread: see `AdversarialInputs`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Tier, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.threat import ThreatId

if TYPE_CHECKING:
    from hauberk.core.control import Learnt
    from hauberk.core.ports import ClientState
    from hauberk.methods.stream_reference import Reference

UNPROCESSABLE = 422
MAX_ROWS = 64
"""Rows of one request that are looked at, the first ones."""

_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialInputs(Watch):
    """Single inputs that were made to be misread.

    Two things are looked at. A picture that shows another one once it is made smaller gives
    itself away by the pixels that a resizer reads: they differ from their surroundings where
    others do not (`methods.scaling`). And an input that lies far outside of what training knew
    (`methods.stream_reference`) is not answered as if it were ordinary: printed patches, noise
    and pictures of other things do.

    Limits:
        Small steps along the gradient stay inside of what is ordinary; most pass, and the
        range says how many. A picture hidden for a resizer that smooths, or for a size that no
        usual model takes, is not looked for. Honest inputs of a new kind lie outside, too.

    Args:
        excess: How much more the pixels of a grid may differ than all pixels do.
        odd: Oddness beyond which an input is not ordinary; 1 is the outermost hundredth of
            training, and 1.05 was chosen on tuning seeds of the range.
        shape: Height and width of a picture; learnt from the schema.

    References:
        Xiao, Chen, Shen, Chen and Li (2019), Seeing is not believing. Lee, Lee, Lee and Shin
        (2018), A simple unified framework for detecting out-of-distribution samples.
    """

    title: ClassVar[str] = "Single inputs made to be misread"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-3"), ThreatId("SV-5"))
    subject: ClassVar[type] = Exchange
    shadow: ClassVar[bool] = True
    tier: ClassVar[Tier] = Tier.STRICT

    excess: float = 2.3
    odd: float = 1.05
    shape: tuple[int, ...] = ()
    reference: Reference | None = field(default=None, compare=False, repr=False)

    def fitted(self, learnt: Learnt) -> Watch:
        """With the shape of pictures, and with what is ordinary."""
        from hauberk.methods.stream_reference import from_bytes

        known = from_bytes(learnt.reference) if learnt.reference else None
        tensors = learnt.schema.inputs
        sizes = tensors[0].shape[1:] if len(tensors) == 1 else ()
        shape = tuple(size for size in sizes if size) if None not in sizes else ()
        return replace(self, reference=known, shape=shape if len(shape) > 1 else ())

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Judge each row by itself; keeps no state."""
        del state
        if exchange.rows is None:
            return None
        rows = exchange.rows[:MAX_ROWS]
        for row in rows:
            excess = self._excess(row)
            if excess > self.excess:
                return _signal("a picture inside the picture", excess, self.excess)
        if self.reference is None or rows.shape[1] != self.reference.n_features:
            return None
        odd = float(self.reference.oddness(rows).max())
        return _signal("outside of what is ordinary", odd, self.odd) if odd > self.odd else None

    def _excess(self, row: Any) -> float:
        from hauberk.methods.scaling import grid_excess

        return max((grid_excess(plane) for plane in _planes(row, self.shape)), default=0.0)


def _planes(row: Any, shape: tuple[int, ...]) -> list[Any]:
    """The channels of a picture, as ``(height, width)`` each."""
    if not shape or int(np.prod(shape)) != row.size:
        return []
    picture = row.reshape(shape)
    if picture.ndim == 2:  # noqa: PLR2004 - height by width
        return [picture]
    if picture.ndim != 3:  # noqa: PLR2004 - with channels
        return []
    return list(picture) if shape[0] in _CHANNELS else list(np.moveaxis(picture, -1, 0))


def _signal(reason: str, value: float, threshold: float) -> Signal:
    return Signal(
        score=min(1.0, value / (2 * threshold)),
        action=Action.BLOCK,
        reason=reason,
        severity=Severity.MEDIUM,
        public="refused: this input is not one that the model is made for",
        status=UNPROCESSABLE,
        evidence=Evidence(statistic=reason, value=value, threshold=threshold),
    )
