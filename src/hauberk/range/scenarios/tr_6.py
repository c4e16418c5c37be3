"""TR-6: a server that reads a client's pictures off its update."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.model.invert_gradients import InvertGradients
from hauberk.controls.model.leaky_update import LeakyUpdate
from hauberk.core.threat import ThreatId
from hauberk.methods.federated import epsilon
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.federation import client, trained_accuracy

TR_6 = ThreatId("TR-6")
ATTACK = InvertGradients()
CONTROL = LeakyUpdate()
BATCHES = (1, 4, 16)
NOISE = 2.0
_STEPS, _RATE, _SHARE = 100, 4.0, 256 / 1347


def _inverted(seed: int) -> Trial:
    n_rows = BATCHES[seed % len(BATCHES)]
    plain = client(seed, n_rows)
    held = replace(plain, noise=NOISE)
    return Trial(
        values={"reconstructed": ATTACK.play(held, Random(seed)).succeeded},
        potent=ATTACK.play(plain, Random(seed)).succeeded,
    )


def _accuracy(seed: int) -> Trial:
    plain = trained_accuracy(seed, noise=0.0)
    loss = plain - trained_accuracy(seed, noise=NOISE, steps=_STEPS, rate=_RATE)
    return Trial(values={"accuracy_loss": loss})


_EPSILON = epsilon(noise=NOISE, share=_SHARE, steps=_STEPS, delta=1e-4)
SCENARIOS = (
    Scenario(
        threat=TR_6,
        attack=ATTACK,
        control=CONTROL,
        play=_inverted,
        parts=(("reconstructed", ""),),
        min_potency=0.8,
        note="first picture of a batch of 1, 4 or 16 digits, structural similarity above 0.5; the "
        "server chooses the first layer; control: the update fails the client's own test, so that "
        f"what leaves is clipped to 1 and noised at {NOISE:g}; potent where the plain update gives "
        "the picture away",
    ),
    Scenario(
        threat=TR_6,
        attack="none: honest training",
        control="clipping and noise",
        play=_accuracy,
        parts=(("accuracy_loss", ""),),
        note=f"a linear classifier on 1,347 digits, {_STEPS} updates of about 256 rows, noise "
        f"{NOISE:g}: epsilon {_EPSILON:.1f} at delta 1e-4; against 200 plain updates",
    ),
)
