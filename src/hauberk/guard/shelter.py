"""Memory of clients that several hosts share, and what happens while it cannot be had.

While the server is away the guard remembers in its own memory, so that nothing that runs ends
in an error. Whether new requests are answered meanwhile is for the policy to say
(`on_state_failure`): ``refuse`` answers 503 until the server is back, ``degrade`` goes on with
budgets that each host keeps for itself. Either way it is said aloud, once when it begins and
once when it ends, and `/metrics` shows it. What was remembered apart is not brought together
afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hauberk.core.ports import ClientState
from hauberk.errors import TrustError, UnavailableError
from hauberk.trust.client_state import MemoryClientState

RETRY_S = 2.0
"""A server that hangs costs a time-out this often and not more."""


class Shared(ClientState, Protocol):
    """State behind a server that can be away."""

    def ping(self) -> None:
        """Ask whether the server is there.

        Raises:
            UnavailableError: It is not.
        """
        ...


@dataclass(slots=True, kw_only=True)
class Sheltered:
    """The shared state, with a memory of one's own for while it is away.

    Attributes:
        say: Takes lines for people.
        failures: Times that the server went away.
    """

    shared: Shared
    say: Callable[[str], object]
    own: MemoryClientState = field(default_factory=MemoryClientState)
    clock: Callable[[], float] = time.monotonic
    retry_s: float = RETRY_S
    failures: int = 0
    _away_until: float | None = None

    @property
    def is_failing(self) -> bool:
        """Whether the server is away; it is asked again every `retry_s`."""
        if self._away_until is None:
            return False
        if self.clock() >= self._away_until:
            try:
                self.shared.ping()
            except UnavailableError:
                self._away_until = self.clock() + self.retry_s
            else:
                self._away_until = None
                self.say("the shared state is back; budgets are shared again")
        return self._away_until is not None

    def update(
        self, principal: str, key: str, change: Callable[[bytes | None], bytes | None]
    ) -> bytes | None:
        """Replace the value by ``change(old)``, in the shared state where it can be had."""
        if not self.is_failing:
            try:
                return self.shared.update(principal, key, change)
            except (TrustError, UnavailableError) as error:
                self._fail(error)
        return self.own.update(principal, key, change)

    def get(self, principal: str, key: str) -> bytes | None:
        """The value, or ``None`` where there is none or it was evicted."""
        if not self.is_failing:
            try:
                return self.shared.get(principal, key)
            except (TrustError, UnavailableError) as error:
                self._fail(error)
        return self.own.get(principal, key)

    def _fail(self, error: TrustError | UnavailableError) -> None:
        self.failures += 1
        self._away_until = self.clock() + self.retry_s
        self.own = MemoryClientState()
        self.say(f"ALARM: {error.message}; this host remembers for itself")
        for name, value in error.details():
            self.say(f"  {name}: {value}")

    def metrics(self) -> str:
        """Lines for ``/metrics``."""
        head = "# HELP hauberk_state_{0}\n# TYPE hauberk_state_{1}\nhauberk_state_{2}\n"
        return head.format(
            "failing Whether the shared state is away.",
            "failing gauge",
            f"failing {int(self._away_until is not None)}",
        ) + head.format(
            "failures_total Times that the shared state went away.",
            "failures_total counter",
            f"failures_total {self.failures}",
        )
