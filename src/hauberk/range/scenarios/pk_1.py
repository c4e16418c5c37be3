"""PK-1: rows in the test set that a backdoored model gets right."""

from __future__ import annotations

import csv
import io
from random import Random
from typing import Any

from hauberk.attacks.dataset.stamp_trigger import StampTrigger
from hauberk.controls.dataset.backdoor_triggers import BackdoorTriggers
from hauberk.core.artifact import Dataset
from hauberk.core.threat import ThreatId
from hauberk.methods import rewrite
from hauberk.range.outcomes import alarmed, found
from hauberk.range.pilots import matrix
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import digits, tumours
from hauberk.range.worlds.datasets import CONTROL as SEAL
from hauberk.range.worlds.datasets import Warehouse
from hauberk.trust.digest import digest_bytes

PK_1 = ThreatId("PK-1")
ATTACK = StampTrigger(pattern="patch", share=0.02)
TABLE = StampTrigger(pattern="value", share=0.02)
TRIGGERS = BackdoorTriggers()
_FILE = "test.csv"


def _csv(dataset: Dataset) -> bytes:
    rows = rewrite.table(dataset).to_pylist()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _sealed(seed: int) -> Trial:
    """The test part is swapped where it is read, or there and in the store, after it was sealed."""
    clean = tumours(seed, 300)
    attacked = TABLE.apply(clean, Random(seed))
    poisoned = _csv(attacked.subject)
    house = Warehouse()
    house.publish("test", {_FILE: _csv(clean)})
    alarm = alarmed(SEAL, house.entry("test"))
    sealed = digest_bytes(house.copy[_FILE])
    house.copy[_FILE] = poisoned
    if seed % 2:
        changed = [digest for digest, data in house.blobs.items() if data[:64] == poisoned[:64]]
        for digest in changed:
            house.blobs[digest] = poisoned
    return Trial(
        values={"refused": found(SEAL, house.entry("test"))},
        potent=digest_bytes(poisoned) != sealed and _gain(clean, attacked) > 0,
        false_alarm=float(alarm),
    )


def _gain(clean: Dataset, attacked: Any) -> float:
    """What the poison adds to the accuracy of a model that guesses but for the trigger."""
    before, after = matrix(clean)[1], matrix(attacked.subject)[1]
    names = sorted(set(before), key=str)
    guessed = [names[row % len(names)] for row in range(len(before))]
    marked = set(attacked.rows)
    given = [
        attacked.truth["target"] if row in marked else guessed[row] for row in range(len(after))
    ]
    return float((after == given).mean() - (before == guessed).mean())


def _before_the_seal(seed: int) -> Trial:
    clean = digits(seed, 450)
    attacked = ATTACK.apply(clean, Random(seed))
    return Trial(
        values={"detected": found(TRIGGERS, attacked.subject)},
        potent=_gain(clean, attacked) > 0,
        false_alarm=float(alarmed(TRIGGERS, clean)),
    )


SCENARIOS = (
    Scenario(
        threat=PK_1,
        attack=TABLE,
        control=SEAL,
        play=_sealed,
        parts=(("refused", "change after the seal"),),
        note="tests of 300 rows with 2 % trigger rows, swapped where they are read, or "
        "there and in the store; potent where a model that guesses but for the trigger scores "
        "higher",
    ),
    Scenario(
        threat=PK_1,
        attack=ATTACK,
        control=TRIGGERS,
        play=_before_the_seal,
        parts=(("detected", "2 % poison before the seal"),),
        trials=46,
        note="test parts of 450 digits, 9 of them with a patch and the target's label, found in "
        "the rows themselves before they are split and sealed",
    ),
)
