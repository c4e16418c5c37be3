"""MS-3: calls for another team's runs and traces."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.log.read_foreign_runs import WAYS, ReadForeignRuns
from hauberk.core.threat import ThreatId
from hauberk.lifecycle.production.metadata_access import OK, RUN_FIELDS
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import metadata

ATTACK = ReadForeignRuns()
DOOR = "the door of the metadata store (metadata_access)"
_NOTE = "ten ways in turn: other team's, expired, narrow, guessed and no tokens; traversal, ids"


def _play(seed: int) -> Trial:
    """One call; potent where a store without grants answers it."""
    door, lenient = metadata.doors(seed)
    attack = replace(ATTACK, way=tuple(WAYS)[seed % len(WAYS)])
    succeeded = attack.play(door, Random(seed)).succeeded
    lines = [read for read in door.noted if not read.allowed]
    return Trial(
        values={"calls_succeeded": succeeded, "logged": len(lines) == 1},
        potent=attack.play(lenient, Random(seed)).succeeded,
    )


def _honest(seed: int) -> Trial:
    """One call by whoever was let in."""
    rng = Random(seed)
    door, _ = metadata.doors(seed)
    run = rng.choice(door.runs)
    path = rng.choice(("runs", *(f"runs/{run}/{name}" for name in RUN_FIELDS)))
    status = door.ask(door.good, f"/projects/{door.target}/{path}")
    return Trial(values={"false_refusals": status != OK})


SCENARIOS = (
    Scenario(
        threat=ThreatId("MS-3"),
        attack=ATTACK,
        control=DOOR,
        play=_play,
        parts=(("calls_succeeded", ""), ("logged", "")),
        note=_NOTE,
    ),
    Scenario(
        threat=ThreatId("MS-3"),
        attack="honest calls",
        control=DOOR,
        play=_honest,
        parts=(("false_refusals", ""),),
        note="whoever was let in reads runs, metrics, steps, notes and traces",
    ),
)
