"""VD-6: a data set copied by somebody who may read it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from hauberk.attacks.log.copy_data_set import CopyDataSet
from hauberk.attacks.model.train_on_copy import Rival, TrainOnCopy
from hauberk.controls.log.bulk_reads import BulkReads
from hauberk.controls.model.copied_set import CopiedSet
from hauberk.core.artifact import Batch, Dataset, Evaluation, ModelFile
from hauberk.core.threat import ThreatId
from hauberk.formats.tables import table_of
from hauberk.range.outcomes import found
from hauberk.range.pilots import matrix
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import digits
from hauberk.range.worlds import logs

CONTROL = BulkReads()
ATTACK = CopyDataSet()
TEST = CopiedSet()
THEFT = TrainOnCopy()
SEEN_SHARE = 0.05
N_EACH = 590
"""Rows of the set, held back, and of somebody else's."""

_HABITS = "readers of made-up habits: 2 to 12 of 2,000 parts on a usual day, log-normal around it"


def _copied(seed: int) -> Trial:
    """Ten honest days, then a night of copying, judged when 5 % of the set were read."""
    clean = logs.read_log(seed)
    begun = replace(ATTACK, share=SEEN_SHARE).apply(clean, Random(seed))
    done = ATTACK.apply(clean, Random(seed))
    return Trial(
        values={"detected": found(CONTROL, begun.subject)},
        potent=len(done.rows) == logs.N_PARTS,
        false_alarm=float(found(CONTROL, clean)),
    )


def _honest(seed: int) -> Trial:
    """One reader's day after nine others."""
    log = logs.read_log(seed, readers=("ada",))
    before = logs.read_log(seed, days=9, readers=("ada",))
    return Trial(values={"false_alarms": found(CONTROL, log) and not found(CONTROL, before)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suspect:
    """A fitted model as a predictor."""

    model: Any

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(str, self.model.classes_))

    def scores(self, batch: Batch) -> Any:
        return self.model.predict_proba(matrix(_table("rows", batch))[0] / 255)


def _table(name: str, batch: Batch) -> Dataset:
    return table_of(name, [batch], label="digit")


def _three(seed: int) -> tuple[Dataset, Dataset, Dataset]:
    """A set, rows of the same draw that are held back, and rows of somebody else."""
    batch: Any = next(digits(seed, 3 * N_EACH).read())
    names = ("set", "held back", "elsewhere")
    return tuple(  # type: ignore[return-value] # three names
        _table(name, batch.slice(place * N_EACH, N_EACH)) for place, name in enumerate(names)
    )


def _p_value(seed: int, *, is_stolen: bool) -> tuple[float, bool]:
    """What the test says of a thief's model, or of one that has rows of its own."""
    own, held_back, elsewhere = _three(seed)
    used, new = (own, elsewhere) if is_stolen else (elsewhere, held_back)
    rows, labels = matrix(used)
    others, truth = matrix(new)
    rival = Rival(rows=rows / 255, labels=labels, others=(others / 255, truth))
    done = THEFT.play(rival, Random(seed))
    subject = Evaluation(
        model=ModelFile(name="suspect", path=Path("suspect")),
        predictor=_Suspect(model=rival.model),
        data=held_back,
        train=own,
    )
    return TEST.told(subject).p_value, done.succeeded


def _stolen(seed: int) -> Trial:
    p_value, is_good = _p_value(seed, is_stolen=True)
    return Trial(values={"p_value": p_value}, potent=is_good)


def _independent(seed: int) -> Trial:
    return Trial(values={"p_value": _p_value(seed, is_stolen=False)[0]})


_MODELS = "a forest, a linear model or a network, at random, on 590 of 1,770 written digits"

SCENARIOS = (
    Scenario(
        threat=ThreatId("VD-6"),
        attack=ATTACK,
        control=CONTROL,
        play=_copied,
        parts=(("detected", "within 5 % of the set read"),),
        note=f"{_HABITS}; one of five reads everything in a night",
    ),
    Scenario(
        threat=ThreatId("VD-6"),
        attack="honest days",
        control=CONTROL,
        play=_honest,
        parts=(("false_alarms", ""),),
        note=_HABITS,
    ),
    Scenario(
        threat=ThreatId("VD-6"),
        attack=THEFT,
        control=TEST,
        play=_stolen,
        parts=(("p_value", "stolen"),),
        trials=12,
        note=f"{_MODELS}; 590 more were held back",
    ),
    Scenario(
        threat=ThreatId("VD-6"),
        attack="models of other rows",
        control=TEST,
        play=_independent,
        parts=(("p_value", "independent"),),
        note=f"{_MODELS} of the same source, none of them of the set",
    ),
)
