"""TR-2: trainings that were bent in some of their segments, or whose code was exchanged."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from hauberk.attacks.pipeline.tamper_training import KINDS, TamperTraining
from hauberk.controls.pipeline.tampered_training import TamperedTraining
from hauberk.core.threat import ThreatId
from hauberk.isolation.probing import best_level
from hauberk.lifecycle.wrapping import Wrapped, recipe_of, wrap
from hauberk.range.outcomes import alarmed, found, refuses
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.trainings import SEGMENTS, training_host

TR_2 = ThreatId("TR-2")
CONTROL = TamperedTraining()
_KINDS = tuple(KINDS)
_PINNED = ("train.py", "recipe.json", "hauberk_segments.py", "model.json", "train.segments")


def _tampered(attack: TamperTraining, *, full: bool = False) -> Callable[[int], Trial]:
    def play(seed: int) -> Trial:
        rng = Random(seed)
        bent = TamperTraining(
            kind=_KINDS[seed % len(_KINDS)], share=attack.share, lasting=attack.lasting
        )
        with training_host(seed) as host:
            transcript = bent.play(host, rng)
            detected = found(CONTROL, host.again(rng, full=full))
        return Trial(values={"detected": detected}, potent=transcript.succeeded)

    return play


def _curves(seed: int) -> Trial:
    trial = _tampered(LASTING)(seed)
    with training_host(seed) as host:
        host.train()
        alarm = alarmed(CONTROL, host.again(Random(seed)))
    return Trial(values=trial.values, potent=trial.potent, false_alarm=float(alarm))


def _honest(seed: int) -> Trial:
    with training_host(seed) as host:
        host.train()
        alarm = alarmed(CONTROL, host.again(Random(seed), full=seed % 2 == 0))
    return Trial(values={"false_alarms": alarm}, false_alarm=float(alarm))


@cache
def _wrapped() -> Path:
    """A training that was run as a step once, for all trials to exchange something of."""
    folder = Path(tempfile.mkdtemp(prefix="hauberk-wrapped-")).resolve()
    with training_host(3) as host:
        host.stage(folder)
    outputs = ("model.json", "train.segments")
    inputs = ("train.py", "recipe.json", "hauberk_segments.py")
    wrap(
        Wrapped(
            name="train",
            command=("python3", "train.py"),
            root=folder,
            inputs=inputs,
            outputs=outputs,
            level=best_level(),
        )
    )
    return folder


def _unpinned(seed: int) -> Trial:
    rng = Random(seed)
    name = _PINNED[seed % len(_PINNED)]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch).resolve() / "project"
        shutil.copytree(_wrapped(), root)
        alarm = refuses(lambda: recipe_of(root, "train", segments="train.segments"))
        data = bytearray((root / name).read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (root / name).write_bytes(data)
        refused = refuses(lambda: recipe_of(root, "train", segments="train.segments"))
    return Trial(values={"refused": refused}, potent=True, false_alarm=float(alarm))


HALF, LASTING = TamperTraining(), TamperTraining(lasting=True)
_NOTE = (
    f"loss, optimiser, labels, trigger and seed in turn, {SEGMENTS} segments of a training in "
    "plain Python, 8 of them drawn and the last one done again; potent where class 0 loses "
    "held-out rows or the trigger works, for a seed where another model comes out"
)
SCENARIOS = (
    Scenario(
        threat=TR_2,
        attack="a changed bit in code, recipe, callback, model or segments file",
        control="hauberk replay",
        play=_unpinned,
        parts=(("refused", "unpinned code"),),
        note="refused before anything is executed",
    ),
    Scenario(
        threat=TR_2,
        attack=LASTING,
        control=CONTROL,
        play=_curves,
        parts=(("detected", "tampered curves"),),
        trials=64,
        note=f"from a segment in the first half on to the end; {_NOTE}",
    ),
    Scenario(
        threat=TR_2,
        attack=HALF,
        control=CONTROL,
        play=_tampered(HALF),
        parts=(("detected", "half the segments tampered, 8 replayed"),),
        note=_NOTE,
    ),
    Scenario(
        threat=TR_2,
        attack=HALF,
        control=CONTROL,
        play=_tampered(HALF, full=True),
        parts=(("detected", "full replay"),),
        note=f"half of the segments, everything done again; {_NOTE}",
    ),
    Scenario(
        threat=TR_2,
        attack="none: honest trainings",
        control=CONTROL,
        play=_honest,
        parts=(("false_alarms", ""),),
        note="segments and full replays in turn; not being replayable counts as an alarm",
    ),
)
