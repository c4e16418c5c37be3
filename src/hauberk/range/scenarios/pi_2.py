"""PI-2: a model that is swapped on its way from training to the registry."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hauberk.attacks.pipeline.swap_artifact import SwapArtifact
from hauberk.controls.pipeline.swapped_artifact import SwappedArtifact
from hauberk.core.artifact import Digest, PipelineRun, StepRecord
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.trust.digest import digest_bytes

PI_2 = ThreatId("PI-2")
SOURCES = frozenset({"data/train.csv", "train.py"})
CONTROL = SwappedArtifact(sources=SOURCES)
_TAKERS = {
    "between train and package": "package",
    "between sign and upload": "upload",
    "inside the container layer": "deploy",
}


def honest_run(rng: Random) -> PipelineRun:
    """Training, packaging, an image, signing, upload and deployment, each with real digests."""
    sources = {path: _digest(rng) for path in sorted(SOURCES)}
    chain = (
        ("train", sources, "model.onnx"),
        ("package", None, "bundle.zip"),
        ("build", None, "layer.tar"),
        ("sign", None, "layer.tar.sig"),
        ("upload", None, "registry/layer.tar"),
        ("deploy", None, "running/model.onnx"),
    )
    steps: list[StepRecord] = []
    for name, given, path in chain:
        before = steps[-1].products if steps else {}
        materials = given if given is not None else dict(before)
        if name == "upload":  # takes the layer as well as its signature
            materials = {**materials, **steps[-2].products}
        steps.append(
            StepRecord(
                name=name, command=(name,), materials=materials, products={path: _digest(rng)}
            )
        )
    return PipelineRun(name="run", steps=tuple(steps))


def _digest(rng: Random) -> Digest:
    return digest_bytes(rng.randbytes(64))


def _swap(attack: SwapArtifact) -> Callable[[int], Trial]:
    def play(seed: int) -> Trial:
        honest = honest_run(Random(seed))
        swapped = attack.apply(honest, Random(seed)).subject
        return Trial(
            values={"refused": denied(CONTROL, swapped)},
            potent=swapped.steps[-1].products != honest.steps[-1].products,
            false_alarm=alarmed(CONTROL, honest),
        )

    return play


SCENARIOS = tuple(
    Scenario(
        threat=PI_2,
        attack=SwapArtifact(taker=taker),
        control=CONTROL,
        play=_swap(SwapArtifact(taker=taker)),
        parts=(("refused", strength),),
        note="six steps; potent where what runs in the end is not what was trained; records of "
        "steps are believed here, their signatures are verified with the chain",
    )
    for strength, taker in _TAKERS.items()
)
