"""Bring a retired version back: see `ReviveVersion`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Registry(Protocol):
    """A registry whose store the attacker writes, with a retired version in it."""

    def restore(self) -> None:
        """Serve the state from before the retirement."""

    def restore_role(self, role: str) -> None:
        """Serve one role's metadata from before the retirement, under today's name."""

    def wait(self, days: float) -> None:
        """Let time pass without anything new."""

    def rollback(self) -> None:
        """Let an automation ask for the retired version as after a crash."""

    def republish(self) -> None:
        """Let an automation publish the same bytes as a new version, to staging."""

    def forget(self) -> None:
        """Meet a client that has seen nothing yet."""

    def serve(self) -> bool:
        """Whether a client is served the retired model's bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviveVersion(Play[Registry]):
    """Get a version served that was retired because it is known to be bad.

    ``stale`` serves a state from before to a client that knows better, ``frozen`` to a new
    client after the metadata has expired, ``unlisted`` serves the earlier list of retired
    versions alone, ``rollback`` lets an automation go back after a crash, ``republished``
    brings the same bytes under a new version, ``by-version`` asks for the version itself.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0010.003. TUF specification 1.0.34, section 1.5.2 (indefinite freeze
        and rollback attacks).
    """

    title: ClassVar[str] = "Bring a retired version back"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RG-3"),)
    subject: ClassVar[type] = Registry

    way: str | None = None

    def play(self, target: Registry, rng: Random) -> Transcript:
        """Try one way; it succeeds when the retired bytes are served.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        WAYS[way](target)
        return Transcript(succeeded=target.serve(), queries=1, facts={"way": way})


def _stale(target: Registry) -> None:
    target.restore()


def _frozen(target: Registry) -> None:
    target.restore()
    target.forget()
    target.wait(2.0)


def _unlisted(target: Registry) -> None:
    target.restore_role("retired")
    target.forget()


def _rolled_back(target: Registry) -> None:
    target.rollback()


def _republished(target: Registry) -> None:
    target.republish()


def _by_version(target: Registry) -> None:
    target.forget()


WAYS: Mapping[str, Callable[[Registry], None]] = {
    "stale": _stale,
    "frozen": _frozen,
    "unlisted": _unlisted,
    "rollback": _rolled_back,
    "republished": _republished,
    "by-version": _by_version,
}
"""Ways to revive a version; see the class."""
