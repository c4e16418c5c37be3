"""Inputs that make a model work longer than their size says: see `CostlyInputs`."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Tier, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.ports import ClientState
from hauberk.core.threat import ThreatId

TOO_MANY_REQUESTS = 429

KEY = "costly-inputs/compute"
"""Name of the value kept per principal: two doubles, seconds left and when that was."""

_BUDGET = struct.Struct("<dd")


@dataclass(frozen=True, slots=True, kw_only=True)
class CostlyInputs(Watch):
    """Senders whose inputs cost more of the processor than their share.

    Models that stop early, loop, or search answer some valid inputs a hundred times more
    dearly than others, and whoever looks for such inputs finds them by the answers' times.
    What an input will cost cannot be read from its bytes, so what it did cost is measured -
    the time of the model's own run, deadlines included - and booked against the sender, who is
    refused while in debt. However the inputs are chosen, a sender gets its share of the
    model's time and no more.

    Limits:
        The run that exceeds the share is answered, and the debt comes after it; the deadline
        bounds that run. Many senders with a share each are held by the guard's queue.

    Args:
        share: Seconds of the model's time given back per second and principal. With 1 a client that
            waits for each answer before it asks again is never refused.
        burst_s: Seconds of the model's time that a rested principal may spend at once.

    Example:
        >>> from hauberk.core.artifact import Exchange
        >>> from hauberk.trust.client_state import MemoryClientState
        >>> state, control = MemoryClientState(), CostlyInputs(share=0.5, burst_s=1.0)
        >>> asked = Exchange(name="m", principal="p", at=0.0, request=b"")
        >>> control.settle(asked, 1.5, state)
        >>> control.observe(asked, state).status
        429

    References:
        Shumailov et al., 2021, "Sponge Examples: Energy-Latency Attacks on Neural Networks".
        Hong et al., 2021, "A Panda? No, It's a Sloth: Slowdown Attacks on Adaptive
        Multi-Exit Neural Network Inference". CWE-400.
    """

    title: ClassVar[str] = "Inputs that cost more than their share"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("XC-4"),)
    subject: ClassVar[type] = Exchange
    tier: ClassVar[Tier] = Tier.LEAN

    share: float = 1.0
    burst_s: float = 5.0

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Whether the sender is in debt; books nothing."""
        left = self.left(exchange, state)
        return None if left >= 0 else self._in_debt(left)

    def left(self, exchange: Exchange, state: ClientState) -> float:
        """Seconds that the sender has left, negative where it is in debt."""
        return self._left(state.get(exchange.principal, KEY), exchange.at)

    def settle(self, exchange: Exchange, seconds: float, state: ClientState) -> None:
        """Book how long the model's run took."""

        def spend(old: bytes | None) -> bytes:
            left = self._left(old, exchange.at) - seconds
            # A debt of one burst at most, so that the wait stays bounded for whoever stops.
            return _BUDGET.pack(max(left, -self.burst_s), exchange.at)

        state.update(exchange.principal, KEY, spend)

    def _left(self, old: bytes | None, now: float) -> float:
        if old is None:
            return self.burst_s
        left, at = _BUDGET.unpack(old)
        elapsed_s = max(0.0, now - at)  # a clock set back gives nothing and takes nothing
        return float(min(self.burst_s, left + elapsed_s * self.share))

    def _in_debt(self, left: float) -> Signal:
        return Signal(
            score=1.0,
            action=Action.SLOW,
            reason="model time of the principal is spent",
            severity=Severity.MEDIUM,
            public="refused: the last requests were too dear; wait and try again",
            status=TOO_MANY_REQUESTS,
            evidence=Evidence(statistic="model seconds left", value=round(left, 3), threshold=0.0),
        )
