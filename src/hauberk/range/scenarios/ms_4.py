"""MS-4: active text in what is printed of runs, and instructions to agents in notes."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hauberk.attacks.log.inject_metadata import PAYLOADS, InjectMetadata
from hauberk.attacks.log.plant_instruction import PlantInstruction
from hauberk.controls.log.planted_instructions import PlantedInstructions
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import found
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import listings, logs

MS_4 = ThreatId("MS-4")
INJECT, PLANT = InjectMetadata(), PlantInstruction()
CONTROL = PlantedInstructions()
N_CLEAN = 2000
"""Honest logs, one note each, that say how often the control bothers anybody for nothing."""


def _injected(seed: int) -> Trial:
    """One payload in one output; potent where a careless script's output lets it act."""
    sinks = tuple(PAYLOADS)
    one = replace(INJECT, sink=sinks[seed % len(sinks)])
    return Trial(
        values={"payloads_active": one.play(listings.real(), Random(seed)).succeeded},
        potent=one.play(listings.careless(), Random(seed)).succeeded,
    )


def _planted(seed: int) -> Trial:
    """One note more in a log with honest ones."""
    clean = logs.noted_log(seed)
    attacked = PLANT.apply(clean, Random(seed)).subject
    return Trial(
        values={"detected": found(CONTROL, attacked)},
        potent=len(list(attacked.records())) > len(list(clean.records())),
        false_alarm=float(found(CONTROL, clean)),
    )


SCENARIOS = (
    Scenario(
        threat=MS_4,
        attack=INJECT,
        control="the output of the metadata store (report/listing)",
        play=_injected,
        parts=(("payloads_active", ""),),
        note="text, CSV, HTML and JSON, without the check on write that refuses most of them; "
        "judged by small readers: a parser of pages, a spreadsheet, a terminal, a parser of JSON",
    ),
    Scenario(
        threat=MS_4,
        attack=PLANT,
        control=CONTROL,
        play=_planted,
        parts=(("detected", ""),),
        trials=N_CLEAN,
        note="eight families of instructions in many wordings, one of them in words that people "
        "use too; clean twins: honest logs of runs with one note each",
    ),
)
