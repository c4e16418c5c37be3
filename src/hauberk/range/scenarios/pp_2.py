"""PP-2: noise with honest labels, in a step that says it only denoises, and from upstream."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random

from hauberk.attacks.dataset.overlay_signal import OverlaySignal
from hauberk.controls.dataset.overlaid_signals import OverlaidSignals
from hauberk.controls.dataset.undeclared_changes import UndeclaredChanges
from hauberk.core.artifact import ColumnChange, Dataset, Transformation
from hauberk.core.attack import Attacked
from hauberk.core.threat import ThreatId
from hauberk.methods import rewrite
from hauberk.methods.replay import replayed
from hauberk.range.outcomes import alarmed, denied, found, recall_at, row_scores
from hauberk.range.pilots import matrix, network
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import digits
from hauberk.range.worlds.drawn import clothes

PP_2 = ThreatId("PP-2")
CONTRACT = UndeclaredChanges()
CONTROL = OverlaidSignals()
RATE = 0.01
"""False alarms, as a share of clean rows, at which recall is reported."""

MIN_SUCCESS = 0.5
"""Share of marked honest rows of other classes that a victim must give the target."""

N_ROWS = 2_000
N_HELD = 500
N_TRUSTED = 1_500
_DENOISE = (ColumnChange(column="image", deed="median", numbers={"size": 3.0}),)
_PATTERNS = ("sinusoid", "consistent")


def _step(seed: int) -> Trial:
    """A step that declares a median filter and lays a wave of 8 levels over 5 % of a class."""
    old = digits(seed, 400)
    images = rewrite.table(old).column("image").to_numpy_ndarray()
    every = list(range(len(images)))
    honest = rewrite.with_cells(old, "image", every, replayed(images, _DENOISE))
    attacked = OverlaySignal(share=0.005, amplitude=8.0).apply(honest, Random(seed))
    step = Transformation(old=old, new=attacked.subject, declared=_DENOISE)
    return Trial(
        values={"detected": denied(CONTRACT, step)},
        potent=bool((matrix(attacked.subject)[0] != matrix(honest)[0]).any()),
        false_alarm=alarmed(CONTRACT, dataclasses.replace(step, new=honest)),
    )


def _rows(*, textured: bool, trusted: bool) -> Callable[[int], Trial]:
    def play(seed: int) -> Trial:
        _, attacked, held = _played(seed, textured=textured)
        judged = attacked.subject
        if trusted:
            vouched = clothes(seed, textured=textured, n_rows=N_TRUSTED, part=2)
            judged = dataclasses.replace(judged, reference=vouched)
        recall, alarms = recall_at(row_scores(CONTROL, judged), attacked.rows, RATE)
        return Trial(
            values={"row_recall": recall}, potent=_obeys(attacked, held, seed), false_alarm=alarms
        )

    return play


def _whole(seed: int) -> Trial:
    """Whether a poisoned set is named at all; plain and textured in turn."""
    clean, attacked, held = _played(seed, textured=seed % 4 > 1)
    return Trial(
        values={"detected": found(CONTROL, attacked.subject)},
        potent=_obeys(attacked, held, seed),
        false_alarm=alarmed(CONTROL, clean),
    )


def _played(seed: int, *, textured: bool) -> tuple[Dataset, Attacked[Dataset], Dataset]:
    clean = clothes(seed, textured=textured, n_rows=N_ROWS)
    attack = OverlaySignal(pattern=_PATTERNS[seed % 2])
    held = clothes(seed, textured=textured, n_rows=N_HELD, part=1)
    return clean, attack.apply(clean, Random(seed)), held


def _obeys(attacked: Attacked[Dataset], held: Dataset, seed: int) -> bool:
    """Whether a victim gives marked honest rows of other classes the target."""
    import numpy as np

    x, y = matrix(attacked.subject)
    held_x, held_y = matrix(held)
    signal = np.array(attacked.truth["signal"])
    target = attacked.truth["target"]
    marked = np.clip(held_x[held_y != target] + signal, 0, 255)
    victim = network(x, y, seed)
    return bool((victim.predict(marked) == target).mean() >= MIN_SUCCESS)


_NOTE = (
    f"{N_ROWS:,} pictures of clothes, 14 x 14; a wave of 20 grey levels or label-consistent "
    "patches in turn, 3 % of all rows, some 30 % of one class"
)


def _scenario(strength: str, *, textured: bool, trusted: bool = False) -> Scenario:
    return Scenario(
        threat=PP_2,
        attack=OverlaySignal(),
        control=CONTROL,
        play=_rows(textured=textured, trusted=trusted),
        parts=(("row_recall", strength),),
        trials=12,
        note=_NOTE + (f"; {N_TRUSTED:,} trusted rows" if trusted else ""),
    )


SCENARIOS = (
    Scenario(
        threat=PP_2,
        attack=OverlaySignal(share=0.005, amplitude=8.0),
        control=CONTRACT,
        play=_step,
        parts=(("detected", "undeclared difference, replayed"),),
        note="400 digits, a declared median filter; a wave of 8 grey levels over two of them",
    ),
    _scenario("sinusoid or label-consistent, plain background", textured=False),
    _scenario("sinusoid or label-consistent, textured", textured=True),
    _scenario("sinusoid or label-consistent, with reference", textured=True, trusted=True),
    Scenario(
        threat=PP_2,
        attack=OverlaySignal(),
        control=CONTROL,
        play=_whole,
        parts=(("detected", "clean-label noise from upstream"),),
        trials=46,
        note=_NOTE,
    ),
)
