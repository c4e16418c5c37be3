"""VA-6: a group of people that is decided worse for, among groups that are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from hauberk.attacks.model.penalise_group import PenaliseGroup
from hauberk.controls.model.unfair_decisions import UnfairDecisions
from hauberk.core.artifact import Batch, Evaluation, ModelFile
from hauberk.core.threat import ThreatId
from hauberk.formats.tables import table_of
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial

VA_6 = ThreatId("VA-6")
ATTACK = PenaliseGroup()
CONTROL = UnfairDecisions(tolerance=0.0)
N_ROWS = 3600
SKILL = 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class _Skilled:
    """A model that is right for everybody alike, as the column of luck says."""

    @property
    def classes(self) -> tuple[str, ...]:
        return ("no", "yes")

    def scores(self, batch: Batch) -> Any:
        import numpy as np

        deserved = np.array(batch.column("approve").to_pylist()) == "yes"
        luck = batch.column("luck").to_numpy()
        given = np.where(luck < SKILL, deserved, ~deserved)
        sure = 0.6 + 0.4 * luck
        return np.stack([np.where(given, 1 - sure, sure), np.where(given, sure, 1 - sure)], axis=1)


def people(seed: int) -> Evaluation:
    """Applicants with three sensitive attributes, eight intersections, and a fair model."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    cells = {
        "luck": rng.random(N_ROWS),
        "sex": rng.choice(["f", "m"], N_ROWS, p=[0.45, 0.55]).tolist(),
        "origin": rng.choice(["here", "there"], N_ROWS, p=[0.6, 0.4]).tolist(),
        "age": rng.choice(["old", "young"], N_ROWS).tolist(),
        "approve": rng.choice(["no", "yes"], N_ROWS).tolist(),
    }
    sensitive = ("sex", "origin", "age")
    data = table_of("people", [pa.record_batch(cells)], label="approve", sensitive=sensitive)
    model = ModelFile(name="skilled", path=Path("skilled"))
    return Evaluation(model=model, predictor=_Skilled(), data=data)


def _play(seed: int) -> Trial:
    fair = people(seed)
    attacked = ATTACK.apply(fair, Random(seed))
    alarm = alarmed(CONTROL, fair)
    return Trial(
        values={"detected": denied(CONTROL, attacked.subject), "false_alarms": alarm},
        potent=_gap(attacked.subject, attacked.truth["group"]) >= ATTACK.gap / 2,
        false_alarm=float(alarm),
    )


def _gap(unfair: Evaluation, group: str) -> float:
    """By how much less often the group is given the second class than everybody else."""
    import numpy as np

    (batch,) = unfair.data.read()
    given = unfair.predictor.scores(batch).argmax(axis=1) == 1
    names = [batch.column(name).to_pylist() for name in unfair.data.sensitive]
    mine = np.array([" & ".join(cells) == group for cells in zip(*names, strict=True)])
    return float(given[~mine].mean() - given[mine].mean())


SCENARIOS = (
    Scenario(
        threat=VA_6,
        attack=ATTACK,
        control=CONTROL,
        play=_play,
        parts=(("detected", "gap of 10 points, 200 rows"), ("false_alarms", "")),
        trials=100,
        note="3600 applicants in 8 intersections of three attributes, of which one of at least 200 "
        "rows is penalised; a model that is right in 97 of 100; no difference is tolerated, all "
        "tests corrected together",
    ),
)
