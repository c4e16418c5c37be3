"""Bring a model to production that nobody attacked: see `SkipExamination`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

DAY_S = 86_400.0


class Lifecycle(Protocol):
    """A project whose configuration the attacker edits; what it makes is genuinely signed."""

    def examined(
        self,
        *,
        strength: Mapping[str, Any] | None,
        age_s: float | None = None,
        of: str = "",
    ) -> None:
        """Release a model with an examination.

        Args:
            strength: Of robustness, changes to the usual; ``None`` leaves the part out.
            age_s: How old it is; ``None`` says nothing of how and when.
            of: ``model``, ``rows``, ``signer``, ``release``: what is another's.
        """

    def promote(self) -> bool:
        """Whether it reaches production."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipExamination(Play[Lifecycle]):
    """Remove the robustness examination, keep an old one, weaken it, or borrow another model's.

    ``missing`` leaves the part out, or says nothing of how it was done; ``stale`` reuses a
    report of a season ago, or one dated ahead so that it stays fresh; ``weak`` runs it with
    radius 0, on three rows, with a single call of the model, or without the attack that finds
    something; ``foreign`` shows an examination of another model, on other rows, of another
    release, or signed by another project.

    Args:
        way: ``missing``, ``stale``, ``weak`` or ``foreign``; by default the random generator
            picks one.

    References:
        MITRE ATLAS AML.T0015, "Evade ML Model", and AML.T0043, "Craft Adversarial Data".
    """

    title: ClassVar[str] = "Skip the examination of a model"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-3"),)
    subject: ClassVar[type] = Lifecycle

    way: str | None = None

    def play(self, target: Lifecycle, rng: Random) -> Transcript:
        """Release the model and have it promoted.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        WAYS[way](target, rng)
        return Transcript(succeeded=target.promote(), queries=1, facts={"way": way})


def _missing(target: Lifecycle, rng: Random) -> None:
    if rng.random() < 0.5:  # noqa: PLR2004 - one half
        target.examined(strength=None, age_s=rng.uniform(0, DAY_S))
    else:
        target.examined(strength={}, age_s=None)


def _stale(target: Lifecycle, rng: Random) -> None:
    days = rng.choice((rng.uniform(90.01, 120), rng.uniform(120, 900), -rng.uniform(0.1, 90)))
    target.examined(strength={}, age_s=days * DAY_S)


def _weak(target: Lifecycle, rng: Random) -> None:
    changes = (
        {"radius": 0.0},
        {"radius": rng.uniform(0.0001, 0.0499)},
        {"rows": rng.randint(0, 3)},
        {"rows": rng.randint(4, 99)},
        {"queries": rng.randint(0, 19)},
        {"attacks": rng.choice(([], ["noise"], ["corners", "noise"]))},
        {"rows": 99, "of": 10_000},
        {"radius": 0.0, "rows": 3, "queries": 1},
    )
    target.examined(strength=rng.choice(changes), age_s=rng.uniform(0, DAY_S))


def _foreign(target: Lifecycle, rng: Random) -> None:
    of = rng.choice(("model", "rows", "signer", "release"))
    target.examined(strength={}, age_s=rng.uniform(0, DAY_S), of=of)


WAYS: Mapping[str, Callable[[Lifecycle, Random], None]] = {
    "missing": _missing,
    "stale": _stale,
    "weak": _weak,
    "foreign": _foreign,
}
