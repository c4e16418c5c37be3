"""EX-5: code in TorchScript, torch.export and TensorFlow Lite files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from hauberk.attacks.model.poison_script import POISONS, PoisonScript, exported, script
from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.threat import ThreatId
from hauberk.methods.model_writing import tflite
from hauberk.range.outcomes import alarmed, found
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.loaders import opens
from hauberk.range.worlds.runtimes import looks_up

EX_5 = ThreatId("EX-5")
CONTROL = UnsafeOpcodes()
_CLEAN: dict[str, Callable[[], bytes]] = {
    ".pt": script,
    ".ptl": script,
    ".pt2": exported,
    ".tflite": tflite,
}


def _play(seed: int) -> Trial:
    """One variant: judged, then opened by a victim, or followed by a careless runtime."""
    with tempfile.TemporaryDirectory() as folder:
        start = ModelFile(name="m", path=Path(folder) / "m")
        variant = tuple(POISONS)[seed % len(POISONS)]
        attacked = PoisonScript(variant=variant).apply(start, Random(seed))
        path, truth = attacked.subject.path, attacked.truth
        refused = found(CONTROL, attacked.subject)
        fires = False
        if truth["loader"]:
            opens(path, truth["loader"])
            fires = Path(truth["canary"]).exists()
        clean = Path(folder) / f"clean{path.suffix}"
        clean.write_bytes(_CLEAN[path.suffix]())
        return Trial(
            values={"refused": refused, "canaries_fired": fires and not refused},
            potent=fires or looks_up(path, bytes.fromhex(truth["token"])),
            false_alarm=float(alarmed(CONTROL, ModelFile(name=clean.name, path=clean))),
        )


SCENARIOS = (
    Scenario(
        threat=EX_5,
        attack=PoisonScript(),
        control=CONTROL,
        play=_play,
        parts=(("refused", ""), ("canaries_fired", "")),
        trials=len(POISONS),
        note=f"{len(POISONS)} ways, each once; a victim unpickles every member in a sandbox and "
        "the canary fires, or a careless runtime meets the operator, library or size where the "
        "format has it; a finding for a person refuses at a load gate too",
    ),
)
