"""Make a network look robust to whoever follows its gradients; see `HideGradients`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods.networks import Network, Step


@dataclass(slots=True)
class Candidate:
    """A network that is to be judged; the attack leaves its own in place of it."""

    network: Network


@dataclass(frozen=True, slots=True, kw_only=True)
class HideGradients(Play[Candidate]):
    """Change a network so that its answers stay and its gradients vanish.

    ``saturate`` multiplies the logits, so that the softmax is 0 or 1 to the last digit;
    ``quantise`` rounds the inputs to a grid, whose slope is nothing anywhere.

    Args:
        way: ``saturate`` or ``quantise``; by default the random generator picks one.
        factor: Of the logits.
        levels: Of the grid, for each unit of the input.

    References:
        Athalye, Carlini and Wagner (2018), Obfuscated gradients give a false sense of security,
        section 3 (shattered gradients). Carlini and Wagner (2017), Towards evaluating the
        robustness of neural networks, section 4 (defensive distillation).
    """

    title: ClassVar[str] = "Hide the gradients of a network"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-5"),)
    subject: ClassVar[type] = Candidate

    way: str | None = None
    factor: float = 3000.0
    levels: float = 16.0

    def play(self, target: Candidate, rng: Random) -> Transcript:
        """Change the candidate.

        Raises:
            UsageError: There is no such way, or the network has no logits.
        """
        ways = {"saturate": self._saturated, "quantise": self._quantised}
        way = self.way or rng.choice(tuple(ways))
        if way not in ways:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(ways))
        target.network = ways[way](target.network)
        return Transcript(succeeded=True, queries=0, facts={"way": way})

    def _saturated(self, network: Network) -> Network:
        last = network.steps[-1]
        if last.kind not in ("Softmax", "Sigmoid"):
            raise UsageError("the network ends in no softmax", found=last.kind)
        name = "hidden:factor"
        scaled = Step(kind="Mul", inputs=(last.inputs[0], name), output="hidden:m", settings={})
        return replace(
            network,
            steps=(*network.steps[:-1], scaled, replace(last, inputs=("hidden:m",))),
            constants={**network.constants, name: np.float32(self.factor)},
        )

    def _quantised(self, network: Network) -> Network:
        def of(step: Step) -> Step:
            taken = tuple("hidden:q" if n == network.source else n for n in step.inputs)
            return replace(step, inputs=taken)

        name: Any = "hidden:levels"
        grid = (
            Step(kind="Mul", inputs=(network.source, name), output="hidden:a", settings={}),
            Step(kind="Round", inputs=("hidden:a",), output="hidden:b", settings={}),
            Step(kind="Div", inputs=("hidden:b", name), output="hidden:q", settings={}),
        )
        return replace(
            network,
            steps=(*grid, *map(of, network.steps)),
            constants={**network.constants, name: np.float32(self.levels)},
        )
