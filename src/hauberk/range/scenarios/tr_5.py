"""TR-5: networks with a trigger trained in, and their clean twins."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random
from typing import Any

from hauberk.attacks.model.plant_backdoor import TRIGGERS, PlantBackdoor, Trainer
from hauberk.controls.model.planted_triggers import PlantedTriggers
from hauberk.core.threat import ThreatId
from hauberk.methods.cleansing import cleansed
from hauberk.methods.network_reading import of_sklearn
from hauberk.range.outcomes import refuses
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.networks import evaluation, obeys, perceptron, right, split
from hauberk.trust.keys import generate
from hauberk.trust.oms.verification import sign_model, signature_path, verify_model

TR_5 = ThreatId("TR-5")
ATTACK = PlantBackdoor()
CONTROL = PlantedTriggers()
_WIDTHS, _SIZES = (24, 32, 48, 64), (600, 900, 1200)
_LOSS = 0.03
_WORKS = 0.5


def _fit(seed: int) -> Any:
    width = _WIDTHS[seed % len(_WIDTHS)]
    return lambda rows, labels: perceptron(rows, labels, seed, width=width)


def _play(seed: int) -> Trial:
    """A network with a backdoor and one without, of the same rows and the same start."""
    train, truth, test, labels = split(seed, _SIZES[seed % len(_SIZES)], 300)
    trainer = Trainer(rows=train, labels=truth, fit=_fit(seed))
    trigger = tuple(TRIGGERS)[seed % len(TRIGGERS)]
    PlantBackdoor(trigger=trigger).play(trainer, Random(seed))
    bad, clean = of_sklearn(trainer.model), of_sklearn(_fit(seed)(train, truth))
    found = CONTROL.signs(evaluation(bad, test, labels))
    honest = CONTROL.signs(evaluation(clean, test, labels))
    distances = CONTROL.distance(found.scores), CONTROL.distance(honest.scores)
    return Trial(
        values={
            "detected": distances[0] >= CONTROL.threshold,
            "model_auroc": distances[0] > distances[1],
        },
        potent=obeys(bad, trainer.stamp, trainer.target, test, labels) >= _WORKS
        and right(bad, test, labels) >= right(clean, test, labels) - _LOSS,
        false_alarm=float(distances[1] >= CONTROL.threshold),
    )


def _planted(seed: int) -> tuple[Trainer, Any, tuple[Any, Any]]:
    """A base model with a trigger of some kind, the rows of its trainer and rows to judge on."""
    train, truth, test, labels = split(seed, _SIZES[seed % len(_SIZES)], 300)
    trainer = Trainer(rows=train, labels=truth, fit=_fit(seed))
    PlantBackdoor(trigger=tuple(TRIGGERS)[seed % len(TRIGGERS)]).play(trainer, Random(seed))
    return trainer, trainer.model, (test, labels)


def _pruned(seed: int) -> Trial:
    """The base model before and after pruning and training on, on clean rows of the user."""
    trainer, model, (test, labels) = _planted(seed)
    clean = cleansed(model, trainer.rows[:_OWN], trainer.labels[:_OWN], seed)
    before, after = of_sklearn(model), of_sklearn(clean)
    return Trial(
        values={
            "attack_success": obeys(after, trainer.stamp, trainer.target, test, labels),
            "accuracy_loss": right(before, test, labels) - right(after, test, labels),
        },
        potent=obeys(before, trainer.stamp, trainer.target, test, labels) >= _WORKS,
    )


_SWAPS = ("no signature", "another key", "another model's signature", "a changed file", "one more")


def _unsigned(seed: int) -> Trial:
    """A base model that its publisher signed, and one that somebody put in its place."""
    rng = Random(seed)
    swap = _SWAPS[seed % len(_SWAPS)]
    owner, thief = generate(), generate()
    keys = {owner.public.key_id: owner.public}
    with tempfile.TemporaryDirectory() as scratch:
        honest, planted = Path(scratch, "honest"), Path(scratch, "planted")
        for folder in (honest, planted):
            folder.mkdir()
            folder.joinpath("weights.bin").write_bytes(rng.randbytes(256))
            folder.joinpath("config.json").write_text('{"layers": 2}', "utf-8")
        signature = signature_path(honest)
        signature.write_bytes(sign_model(honest, signature, (owner,), workers=1))
        alarm = refuses(lambda: verify_model(honest, signature, keys, workers=1))
        _swap(swap, honest, planted, thief)
        refused = refuses(lambda: verify_model(planted, signature_path(planted), keys, workers=1))
        potent = planted.joinpath("weights.bin").is_file()
    return Trial(values={"refused": refused}, potent=potent, false_alarm=float(alarm))


def _swap(swap: str, honest: Path, planted: Path, thief: Any) -> None:
    signature = signature_path(planted)
    if swap == "another key":
        signature.write_bytes(sign_model(planted, signature, (thief,), workers=1))
    elif swap == "another model's signature":
        signature.write_bytes(signature_path(honest).read_bytes())
    elif swap != "no signature":
        trojan = planted.joinpath("weights.bin").read_bytes()
        for file in honest.iterdir():
            planted.joinpath(file.name).write_bytes(file.read_bytes())
        name = "weights.bin" if swap == "a changed file" else "adapter.bin"
        planted.joinpath(name).write_bytes(trojan)


_OWN = 400
SCENARIOS = (
    Scenario(
        threat=TR_5,
        attack=ATTACK,
        control=CONTROL,
        play=_play,
        parts=(("model_auroc", ""), ("detected", "trigger scan")),
        note="patch, blended, sinusoid and warp in turn; networks of 24 to 64 hidden units on 600 "
        "to 1200 digits of 8 x 8 pixels, each with a clean twin; the trigger works on half of the "
        "rows or more at 3 points of accuracy or less. Found are 21 of 25 patches, all "
        "25 blended and 25 sinusoids, and 9 of 25 bendings, which mostly pass",
    ),
    Scenario(
        threat=TR_5,
        attack="a base model in another's place: " + ", ".join(_SWAPS),
        control="a model's signature",
        play=_unsigned,
        parts=(("refused", "unsigned"),),
        note="folders of weights and a configuration, signed by their publisher; a loader that "
        "does not look takes every one",
    ),
    Scenario(
        threat=TR_5,
        attack=ATTACK,
        control="hauberk validate --remedy cleanse",
        play=_pruned,
        parts=(("attack_success", "after pruning"), ("accuracy_loss", "after pruning")),
        trials=20,
        note=f"the same networks; {_OWN} clean rows of the user; a third of the first layer's "
        "units is pruned, then 65 rounds, 60 of them with spots and noise",
    ),
)
