"""VD-6: a data set copied by somebody who may read it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.log.copy_data_set import CopyDataSet
from hauberk.controls.log.bulk_reads import BulkReads
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import found
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import logs

CONTROL = BulkReads()
ATTACK = CopyDataSet()
SEEN_SHARE = 0.05
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
)
