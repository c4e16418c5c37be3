"""The small served models behind the real guard, called in this process."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hauberk.core.control import Watch
from hauberk.formats.http import Door, ServedModel
from hauberk.guard.app import App
from hauberk.guard.bundle import Bundle
from hauberk.guard.loopback import InProcess
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.service import Service, Surroundings, open_service
from hauberk.range.worlds import readers, served

SAMPLE = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[0.5,1.5]}]}'
CLASSIFIER_PATH = "/v2/models/classifier/infer"
PARROT_PATH = "/v2/models/parrot/infer"

UNLIMITED = GuardPolicy(rate_per_s=1e9, burst=1e9, compute_share=1e9, compute_burst_s=1e9)
"""For scenarios about other things than budgets."""


@dataclass(slots=True)
class Clock:
    """A clock that moves when it is told to."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """The parrot and those who read what it says; see `attacks.exchange.inject_output`."""

    door: Door
    path: str = PARROT_PATH

    def acts(self, sink: str, text: str) -> bool:
        """Whether the reader behind ``sink`` acts on ``text``."""
        return readers.acts(sink, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A model behind the guard.

    Attributes:
        clock: Moves the guard's time, for budgets.
    """

    service: Service
    door: InProcess
    clock: Clock = field(default_factory=Clock)


@cache
def classifier(policy: GuardPolicy = UNLIMITED) -> Guarded:
    """The classifier behind the guard."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = served.write_classifier(Path(folder) / "bundle", policy)
    return _guarded(bundle)


def early_exit(policy: GuardPolicy = UNLIMITED) -> Guarded:
    """The early-exit model behind the guard, at the classifier's path."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = served.write_early_exit(Path(folder) / "bundle", policy)
    return _guarded(bundle)


@cache
def parrot(policy: GuardPolicy = UNLIMITED) -> Guarded:
    """The parrot behind the guard."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = served.write_parrot(Path(folder) / "bundle", policy)
    return _guarded(bundle)


def parrot_watched(policy: GuardPolicy, watches: tuple[Watch, ...]) -> Guarded:
    """The parrot behind a guard that asks these controls."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = served.write_parrot(Path(folder) / "bundle", policy)
    return _guarded(bundle, watches)


def _guarded(bundle: Bundle, watches: tuple[Watch, ...] = ()) -> Guarded:
    clock = Clock()
    service = open_service(bundle, Surroundings(clock=clock, watches=watches))
    return Guarded(service=service, door=InProcess(app=App(service)), clock=clock)


def as_target(door: Door) -> ServedModel:
    """The classifier as a client knows it."""
    return ServedModel(door=door, path=CLASSIFIER_PATH, sample=SAMPLE)
