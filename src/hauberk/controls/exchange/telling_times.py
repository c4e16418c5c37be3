"""Answers whose time tells of their input: see `TellingTimes`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Exchange
from hauberk.core.control import Signal, Tier, Watch
from hauberk.core.ports import ClientState
from hauberk.core.threat import ThreatId

_NOTHING: Signal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingTimes(Watch):
    """Answers that leave when the model is done, and so tell how long it took.

    How long a run takes depends on the input: where a model stops, which cache it met, who else
    was in its batch. Answers are held back until the time since their request is a multiple of a
    bucket, so that all which are done within one bucket look alike. It prevents and judges
    nothing: no exchange is reported.

    Limits:
        An answer that misses its bucket leaves with the next, and that tells as well; the
        bucket belongs a little above the slowest usual answer, which is what it costs. Other
        tenants of one processor or accelerator see each other in ways that no server can hide.

    Args:
        bucket_s: Seconds; 0 holds nothing back.

    Example:
        >>> TellingTimes(bucket_s=0.25).wait_s(0.3)
        0.2

    References:
        Kocher, 1996, "Timing Attacks". Askarov, Zhang and Myers, 2010, "Predictive Black-Box
        Mitigation of Timing Channels".
    """

    title: ClassVar[str] = "Answers whose time tells of their input"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-9"),)
    subject: ClassVar[type] = Exchange
    tier: ClassVar[Tier] = Tier.LEAN

    bucket_s: float = 0.0

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Nothing: what is held back needs no judgement."""
        del exchange, state
        return _NOTHING

    def wait_s(self, elapsed_s: float) -> float:
        """How long an answer that took so long is held back."""
        if not self.bucket_s:
            return 0.0
        buckets = math.ceil(elapsed_s / self.bucket_s)
        return round(buckets * self.bucket_s - elapsed_s, 9)
