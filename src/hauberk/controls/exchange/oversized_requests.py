"""Requests that cost more than their sender may spend: see `OversizedRequests`."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.ports import ClientState
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats import strict_json
from hauberk.formats.strict_json import JsonLimits

CONTENT_TOO_LARGE = 413
TOO_MANY_REQUESTS = 429

KEY = "oversized-requests/budget"
"""Name of the value kept per principal: two doubles, units left and when that was."""

_LIMITS = JsonLimits()
_BUDGET = struct.Struct("<dd")


@dataclass(frozen=True, slots=True, kw_only=True)
class OversizedRequests(Watch):
    """Requests that are too large, too deep, or more than their sender's share.

    Size, depth and number of values are bounded by one look at the raw bytes, before anything
    is decoded. What passes is charged to the sender's token bucket by its predicted cost, not
    by its count: a request of a thousand rows costs what a thousand rows cost. Refused
    requests are charged as well, so that hammering the door empties the bucket.

    Limits:
        Cost is predicted from size and number of values; a model that takes longer for some
        values than for others (sponge inputs) is held by deadlines, not here. Many principals
        with small budgets each are held by the guard's queue, not here.

    Args:
        limits: Bounds of one body.
        rate_per_s: Units given back per second and principal.
        burst: Units that a rested principal may spend at once; also the dearest request.
        per_request: Units for any request.
        per_value: Units for each value in the body.
        per_kib: Units for each KiB of the body.

    Example:
        >>> from hauberk.core.artifact import Exchange
        >>> OversizedRequests().cost(Exchange(name="m", principal="p", at=0.0, request=b"[1,2]"))
        1.011220703125

    References:
        CWE-770, "Allocation of resources without limits or throttling". RFC 2697 section 3
        for buckets that are refilled at a rate, up to a size.
    """

    title: ClassVar[str] = "Requests beyond their budget"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-6"),)
    subject: ClassVar[type] = Exchange

    limits: JsonLimits = _LIMITS
    rate_per_s: float = 500.0
    burst: float = 2000.0
    per_request: float = 1.0
    per_value: float = 0.01
    per_kib: float = 0.25

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Judge the request of one exchange and charge its sender."""
        return self.charge(exchange, state) or self.measure(exchange)

    def measure(self, exchange: Exchange) -> Signal | None:
        """Judge size, depth and number of values; keeps no state."""
        try:
            strict_json.scan(exchange.request, self.limits)
        except ArtifactError as error:
            return _too_large(error)
        return None

    def charge(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Take the request's cost from its sender's bucket."""
        if len(exchange.request) > self.limits.max_bytes:
            return _size_signal(self.limits.max_bytes, len(exchange.request))
        cost = self.cost(exchange)
        left = self.spend(exchange, cost, state)
        return None if left >= 0 else self.over_budget(cost, left)

    def spend(self, exchange: Exchange, cost: float, state: ClientState) -> float:
        """Take units from the sender's bucket; what is left, negative where it is in debt."""
        left = self.burst

        def change(old: bytes | None) -> bytes:
            nonlocal left
            left = self._refilled(old, exchange.at) - cost
            # A debt of one burst at most, so that the wait stays bounded for whoever stops.
            return _BUDGET.pack(max(left, -self.burst), exchange.at)

        state.update(exchange.principal, KEY, change)
        return left

    def cost(self, exchange: Exchange) -> float:
        """Predicted cost of the request in units, from its raw bytes."""
        body = exchange.request
        values = body.count(b",") * self.per_value
        return self.per_request + values + len(body) / 1024 * self.per_kib

    def _refilled(self, old: bytes | None, now: float) -> float:
        if old is None:
            return self.burst
        left, at = _BUDGET.unpack(old)
        elapsed_s = max(0.0, now - at)  # a clock set back gives nothing and takes nothing
        return float(min(self.burst, left + elapsed_s * self.rate_per_s))

    def over_budget(self, cost: float, left: float) -> Signal:
        """What a sender in debt is told."""
        return Signal(
            score=1.0,
            action=Action.SLOW,
            reason="budget of the principal is spent",
            severity=Severity.MEDIUM,
            public="refused: too many or too large requests; wait and try again",
            status=TOO_MANY_REQUESTS,
            evidence=Evidence(
                statistic="units left after the request",
                value=left,
                threshold=0.0,
                facts={"cost": f"{cost:.2f}", "wait_s": f"{-left / self.rate_per_s:.1f}"},
            ),
        )


def _too_large(error: ArtifactError) -> Signal:
    is_size = error.rule in ("size in bytes", "number of values")
    return Signal(
        score=1.0,
        action=Action.BLOCK,
        reason=error.rule or error.message,
        severity=Severity.HIGH,
        public=str(error),
        status=CONTENT_TOO_LARGE if is_size else 400,
        evidence=Evidence(statistic=error.rule or ""),
    )


def _size_signal(limit: int, found: int) -> Signal:
    try:
        strict_json.at_most("the document", "size in bytes", limit, found)
    except ArtifactError as error:
        return _too_large(error)
