"""OU-3: what a model said is stored, and comes back as data to learn from."""

from __future__ import annotations

from functools import cache
from random import Random

from hauberk.attacks.dataset.launder_outputs import LaunderOutputs
from hauberk.controls.dataset.generated_rows import GeneratedRows
from hauberk.core.artifact import Dataset
from hauberk.core.attack import Attacked
from hauberk.core.finding import RowScores
from hauberk.core.threat import ThreatId
from hauberk.methods import rewrite
from hauberk.range.outcomes import denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.outputs import N_TEXTS, believes, claim, said, written

OU_3 = ThreatId("OU-3")
CONTROL = GeneratedRows()
N_ROWS = 10
N_BATCHES = 10
"""Batches that share one set of texts; each has its own outputs and rows."""

EXACT = LaunderOutputs(edits=0.0, n_rows=N_ROWS)
NEAR = LaunderOutputs(edits=0.2, n_rows=N_ROWS)


@cache
def laundered(batch: int, edits: float) -> Attacked[Dataset]:
    """The twin of a set of texts with a batch of outputs among them."""
    world = batch // N_BATCHES
    attack = LaunderOutputs(outputs=said(world), edits=edits, n_rows=N_ROWS)
    return attack.apply(written(world), Random(batch))


@cache
def named(batch: int, edits: float | None) -> frozenset[int]:
    """Rows that the control names, of the twin or of the clean set."""
    world = batch // N_BATCHES
    subject = written(world) if edits is None else laundered(batch, edits).subject
    for result in CONTROL.check(subject):
        if isinstance(result, RowScores):
            scores = [score for _, part in result.read() for score in part]
            return frozenset(row for row, score in enumerate(scores) if score > 0)
    return frozenset()


@cache
def taught(batch: int, edits: float) -> bool:
    """Whether a model learns the claim from the twin, and not from the clean set."""
    world = batch // N_BATCHES
    attacked, clean = laundered(batch, edits).subject, written(world)
    texts, before = (rewrite.table(x).column("text").to_pylist() for x in (attacked, clean))
    return believes(texts, claim(world)) and not believes(before, claim(world))


def row_trial(seed: int, metric: str, edits: float) -> Trial:
    """One row of a twin; ten share one."""
    batch, place = divmod(seed, N_ROWS)
    row = laundered(batch, edits).rows[place]
    clean = batch // N_BATCHES * N_BATCHES
    return Trial(
        values={metric: row in named(batch, edits)},
        potent=taught(batch, edits),
        false_alarm=len(named(clean, None)) / N_TEXTS,
    )


def _exact(seed: int) -> Trial:
    return Trial(
        values={"refused": denied(CONTROL, laundered(seed, 0.0).subject)},
        potent=taught(seed, 0.0),
        false_alarm=float(bool(named(seed // N_BATCHES * N_BATCHES, None))),
    )


def _near(seed: int) -> Trial:
    return row_trial(seed, "detected", 0.2)


_WORLD = (
    "100 passages of 30 to 100 words of Python's own pages, ten of them replaced by answers made "
    "of other pages, with a false claim; potent where a model of three words in a row then makes "
    "the claim; marks as the guard writes them; ten batches share the texts"
)

SCENARIOS = (
    Scenario(
        threat=OU_3,
        attack=EXACT,
        control=CONTROL,
        play=_exact,
        parts=(("refused", "exact outputs"),),
        note=f"{_WORLD}; upper case, signs, spaces and invisible characters changed",
    ),
    Scenario(
        threat=OU_3,
        attack=NEAR,
        control=CONTROL,
        play=_near,
        trials=200,
        parts=(("detected", "near-duplicates"),),
        note=f"{_WORLD}; a fifth of the words left out, added, swapped or replaced; the "
        "false-alarm rate is of clean rows",
    ),
)
