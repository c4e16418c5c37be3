"""An environment with a loader of models that is known to be vulnerable: see `KeepFaultyLoader`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId


class Environment(Protocol):
    """A folder of installed packages."""

    @property
    def known(self) -> Mapping[str, tuple[str, str]]:
        """Package to a version before the fix of a known fault, and the fixed one."""
        ...

    def install(self, name: str, version: str) -> None:
        """Put one package into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepFaultyLoader(Play[Environment]):
    """Have a victim load a model with a framework whose parser has a published fault.

    References:
        MITRE ATLAS AML.T0049; CWE-1395.
    """

    title: ClassVar[str] = "Aim at a loader with a published fault"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-11"),)
    subject: ClassVar[type] = Environment

    def play(self, target: Environment, rng: Random) -> Transcript:
        """Install one faulty version; it succeeds by being there."""
        name = rng.choice(sorted(target.known))
        version = target.known[name][0]
        target.install(name, version)
        return Transcript(succeeded=True, queries=1, facts={"name": name, "version": version})
