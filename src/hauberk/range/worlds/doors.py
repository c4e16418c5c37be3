"""The models of `served` behind the real guard, in this process.

The guard's request budget is set so high that it never decides: what a scenario measures
there is the control that it names.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from random import Random

from hauberk.formats.http import ServedModel
from hauberk.guard.app import App
from hauberk.guard.loopback import InProcess
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.service import open_service
from hauberk.range.worlds import served
from hauberk.range.worlds.lenient import LenientDoor

CLASSIFIER_PATH = "/v2/models/classifier/infer"
NO_BUDGET = GuardPolicy(rate_per_s=1e9, burst=1e9)


@cache
def guarded_classifier() -> InProcess:
    """The classifier behind the guard with its learnt schema."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = served.write_classifier(Path(folder) / "classifier", NO_BUDGET)
    return InProcess(app=App(open_service(bundle)))


def classifier_with_guard(seed: int) -> ServedModel:
    """What a client sees, with an honest sample that the seed draws."""
    return ServedModel(
        door=guarded_classifier(), path=CLASSIFIER_PATH, sample=honest_body(Random(seed))
    )


def classifier_without_guard(seed: int) -> ServedModel:
    """The same behind a lenient server."""
    return ServedModel(door=LenientDoor(), path=CLASSIFIER_PATH, sample=honest_body(Random(seed)))


def honest_body(rng: Random) -> bytes:
    """A request of one to eight rows within the range that training saw."""
    n_rows = rng.randint(1, 8)
    limit = served.RANGE
    tensor = {
        "name": "x",
        "shape": [n_rows, 2],
        "datatype": "FP32",
        "data": [round(rng.uniform(-limit, limit), 4) for _ in range(2 * n_rows)],
    }
    return json.dumps({"inputs": [tensor]}).encode()
