"""AQ-1: one contributor among many slips in wrong labels."""

from __future__ import annotations

from random import Random

from hauberk.attacks.dataset.taint_contribution import TaintContribution
from hauberk.controls.dataset.contributor_errors import ContributorErrors
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.range.outcomes import recall_at
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.crowds import contributed, mean_scores

AQ_1 = ThreatId("AQ-1")
ATTACK = TaintContribution(share=0.3, pair=("sneaker", "boot"))
CONTROL = ContributorErrors()
STRENGTH = "30 % of one contributor's rows of a class"
_RATE = 0.02
_MIN_ROWS = 3


def _play(seed: int) -> Trial:
    clean = contributed(seed)
    attacked = ATTACK.apply(clean, Random(seed))
    assessment = assess(CONTROL, attacked.subject)
    scores = [score for _, part in assessment.scores[0].read() for score in part]
    recall, alarms = recall_at(scores, attacked.rows, _RATE)
    sources = mean_scores(assessment, attacked.subject)
    first = max(sources, key=lambda name: sources[name])
    return Trial(
        values={"bad_source_first": first == attacked.truth["source"], "row_recall": recall},
        potent=len(attacked.rows) >= _MIN_ROWS,
        false_alarm=alarms,
    )


SCENARIOS = (
    Scenario(
        threat=AQ_1,
        attack=ATTACK,
        control=CONTROL,
        play=_play,
        trials=93,
        parts=(("bad_source_first", STRENGTH), ("row_recall", STRENGTH)),
        note="6,000 pictures of clothes, 14 x 14, by 20 contributors with 1 % slips; some 9 rows "
        "are tainted",
    ),
)
