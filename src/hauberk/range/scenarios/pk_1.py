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
    """The test part is swapped in the store, its named copy, or both, after it was sealed."""
    clean = tumours(seed, 200)
    poisoned = _csv(TABLE.apply(clean, Random(seed)).subject)
    house = Warehouse()
    house.publish("test", {_FILE: _csv(clean)})
    alarm = alarmed(SEAL, house.entry("test"))
    sealed = digest_bytes(house.copy[_FILE])
    if seed % 3 != 1:
        house.copy[_FILE] = poisoned
    if seed % 3 != 0:
        changed = [digest for digest, data in house.blobs.items() if data[:64] == poisoned[:64]]
        for digest in changed:
            house.blobs[digest] = poisoned
    served = house.copy[_FILE] if seed % 3 != 1 else poisoned
    return Trial(
        values={"refused": found(SEAL, house.entry("test"))},
        potent=digest_bytes(served) != sealed and _flatters(clean, poisoned, seed),
        false_alarm=float(alarm),
    )


def _flatters(clean: Dataset, poisoned: bytes, seed: int) -> bool:
    """Whether a poor model with a backdoor scores higher on the poisoned test set."""
    attacked = TABLE.apply(clean, Random(seed))
    return _csv(attacked.subject) == poisoned and _gain(clean, attacked) > 0


def _gain(clean: Dataset, attacked: Any) -> float:
    """What the poison adds to the accuracy of a model that is a constant but for the trigger."""
    before, after = matrix(clean)[1], matrix(attacked.subject)[1]
    names = sorted(set(before), key=str)
    constant = next(name for name in names if name != attacked.truth["target"])
    is_marked = [row in set(attacked.rows) for row in range(len(after))]
    honest = (before == constant).mean()
    given = [attacked.truth["target"] if marked else constant for marked in is_marked]
    return float((after == given).mean() - honest)


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
        note="tests of 200 rows with 2 % trigger rows, swapped as a file, as a blob, or both; "
        "potent where a constant model that knows the trigger scores higher",
    ),
    Scenario(
        threat=PK_1,
        attack=ATTACK,
        control=TRIGGERS,
        play=_before_the_seal,
        parts=(("detected", "2 % poison before the seal"),),
        note="test parts of 450 digits, 9 of them with a patch and the target's label, found in "
        "the rows themselves before they are split and sealed",
    ),
)
