"""Single inputs that were made to be misread: see `AdversarialInputs`."""

from __future__ import annotations

import math
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
    from hauberk.methods.networks import Network
    from hauberk.methods.stream_reference import Reference

UNPROCESSABLE = 422
MAX_ROWS = 64
"""Rows of one request that are looked at, the first ones."""

_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialInputs(Watch):
    """Single inputs that were made to be misread.

    Three things are looked at. A picture that shows another one once it is made smaller gives
    itself away by the pixels that a resizer reads: they differ from their surroundings where
    others do not (`methods.scaling`). And an input that lies far outside of what training knew
    (`methods.stream_reference`) is not answered as if it were ordinary: printed patches, noise
    and pictures of other things do. Small steps along the gradient stay inside of what is
    ordinary; where the model is a network of known steps over pictures, they are looked for with
    its own gradients (`methods.hidden_steps`).

    Limits:
        An attacker who knows of this and leaves quiet pixels alone, or moves half as far, is
        found less often. Of trees, of networks with other steps, and of rows of more than a
        thousand numbers, small steps are not looked for. A picture hidden for a resizer that
        smooths, or for a size that no usual model takes, is not looked for. Honest inputs of a
        new kind lie outside, too. Of a request with many rows the first 64 are looked at: who
        fears single inputs bounds `max_rows` of the schema by that.

    Args:
        excess: How much more the pixels of a grid may differ than all pixels do.
        odd: Oddness beyond which an input is not ordinary; 1 is the outermost hundredth of
            training, and 1.3 was chosen on models that nothing is reported of.
        spot: Energy of one place, of what other pixels do not explain; 1 is what all but one or two
            in a thousand ordinary pictures stay below.
        shape: Height and width of a picture; learnt from the schema.
        network: The served model, where small steps can be looked for.

    References:
        Xiao, Chen, Shen, Chen and Li (2019), Seeing is not believing. Lee, Lee, Lee and Shin
        (2018), A simple unified framework for detecting out-of-distribution samples. Goodfellow,
        Shlens and Szegedy (2015), Explaining and harnessing adversarial examples.
    """

    title: ClassVar[str] = "Single inputs made to be misread"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-3"), ThreatId("SV-5"))
    subject: ClassVar[type] = Exchange
    shadow: ClassVar[bool] = True
    tier: ClassVar[Tier] = Tier.STRICT

    excess: float = 2.3
    odd: float = 1.3
    spot: float = 1.0
    shape: tuple[int, ...] = ()
    reference: Reference | None = field(default=None, compare=False, repr=False)
    network: Network | None = field(default=None, compare=False, repr=False)

    def fitted(self, learnt: Learnt) -> Watch:
        """With the shape of pictures, with what is ordinary, and with the model's gradients.

        Raises:
            UnavailableError: Small steps were learnt of the model, and it cannot be read here.
        """
        from hauberk.methods.stream_reference import from_bytes

        known = from_bytes(learnt.reference) if learnt.reference else None
        tensors = learnt.schema.inputs
        sizes = tensors[0].shape[1:] if len(tensors) == 1 else ()
        shape = tuple(size for size in sizes if size) if None not in sizes else ()
        network = _network(learnt.model) if known and known.steps and learnt.model else None
        shape = shape if len(shape) > 1 else ()
        return replace(self, reference=known, shape=shape, network=network)

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
        if odd > self.odd:
            return _signal("outside of what is ordinary", odd, self.odd)
        return self._of_pixels(rows, self.reference)

    def _of_pixels(self, rows: Any, known: Reference) -> Signal | None:
        """What the pixels of a row do not explain of each other."""
        if known.residuals is None:
            return None
        spot = float(known.residuals.spot(rows).max())
        if spot > self.spot:
            return _signal("one place that the others do not explain", spot, self.spot)
        if known.steps is None or self.network is None:
            return None
        excess = float(known.steps.score(self.network, known.residuals, rows).max())
        if excess <= 0:
            return None
        found = _signal("a step along the model's gradient", excess, 0.0)
        return replace(found, score=1 / (1 + math.exp(-excess)))

    def _excess(self, row: Any) -> float:
        from hauberk.methods.scaling import grid_excess

        return max((grid_excess(plane) for plane in _planes(row, self.shape)), default=0.0)


def _network(model: bytes) -> Network:
    from hauberk.methods.network_reading import of_onnx

    return of_onnx(model)


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
        score=min(1.0, value / (2 * threshold)) if threshold else 1.0,
        action=Action.BLOCK,
        reason=reason,
        severity=Severity.MEDIUM,
        public="refused: this input is not one that the model is made for",
        status=UNPROCESSABLE,
        evidence=Evidence(statistic=reason, value=value, threshold=threshold),
    )
