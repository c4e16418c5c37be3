"""Budgets of senders that are far from spent, without asking the memory for every request.

A sender with more than a tenth of its budgets left is leased a hundredth of them; what it spends
of the lease is added up here and booked at once when the lease is used up, or after a second. Near
the end of a budget, and where a hundredth of it is less than one request, every request is booked
by itself. So a sender gets no more than a hundredth above its budget, per process that answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hauberk.controls.exchange.costly_inputs import CostlyInputs
from hauberk.controls.exchange.oversized_requests import OversizedRequests
from hauberk.core.artifact import Exchange
from hauberk.core.control import Signal
from hauberk.core.ports import ClientState

SHARE: Final = 0.01
PLENTY: Final = 0.1
LASTS_S: Final = 1.0
MAX_LEASES: Final = 10_000
"""More are given up, and what was spent of them is not booked."""


@dataclass(slots=True)
class _Lease:
    """What one sender may spend, and has spent, since its budgets were looked at."""

    since: float
    units: float
    seconds: float
    spent_units: float = 0.0
    spent_seconds: float = 0.0


class Leases:
    """Leases on two budgets, of requests and of the model's time; used from one event loop."""

    def __init__(self, budget: OversizedRequests, compute: CostlyInputs) -> None:
        self._budget = budget
        self._compute = compute
        self._held: dict[str, _Lease] = {}

    def charge(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Take the cost of a request; why it is refused where a budget is spent."""
        lease = self._held.get(exchange.principal)
        if lease is None:
            return self._look(exchange, state, _Lease(exchange.at, 0.0, 0.0))
        cost = self._budget.cost(exchange)
        spent = lease.spent_units + cost
        age = exchange.at - lease.since
        if spent > lease.units or lease.spent_seconds > lease.seconds or not 0 <= age < LASTS_S:
            return self._look(exchange, state, lease)
        lease.spent_units = spent
        return None

    def settle(self, exchange: Exchange, seconds: float, state: ClientState) -> None:
        """Book how long the model took."""
        lease = self._held.get(exchange.principal)
        if lease is None:
            self._compute.settle(exchange, seconds, state)
            return
        lease.spent_seconds += seconds
        if lease.spent_seconds > lease.seconds:
            del self._held[exchange.principal]
            self._compute.settle(exchange, lease.spent_seconds, state)
            self._budget.spend(exchange, lease.spent_units, state)

    def _look(self, exchange: Exchange, state: ClientState, lease: _Lease) -> Signal | None:
        """Book what was spent, charge the request, and give a new lease where there is plenty."""
        principal, budget, compute = exchange.principal, self._budget, self._compute
        self._held.pop(principal, None)
        if lease.spent_seconds:
            compute.settle(exchange, lease.spent_seconds, state)
        if len(exchange.request) > budget.limits.max_bytes:
            return budget.charge(exchange, state)
        cost = budget.cost(exchange)
        left = budget.spend(exchange, cost + lease.spent_units, state)
        if left < 0:
            return budget.over_budget(cost, left)
        signal = compute.observe(exchange, state)
        if signal is not None:
            return signal
        has_units = left > PLENTY * budget.burst
        has_seconds = compute.left(exchange, state) > PLENTY * compute.burst_s
        if has_units and has_seconds and SHARE * budget.burst > 1:
            if len(self._held) >= MAX_LEASES:
                self._held.clear()
            self._held[principal] = _Lease(
                since=exchange.at, units=SHARE * budget.burst, seconds=SHARE * compute.burst_s
            )
        return None
