"""AQ-3: a mirror that serves other images under a locked name and version."""

from __future__ import annotations

import io
from functools import partial
from random import Random
from typing import Any

from hauberk.attacks.registry.republish_dataset import WAYS, RepublishDataset
from hauberk.core.attack import Transcript
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import digits
from hauberk.range.worlds.datasets import CONTROL, Trainee, Warehouse

AQ_3 = ThreatId("AQ-3")
NAME = "digits"
IMAGES = 300


def locked(seed: int) -> Warehouse:
    """Images under a name, with origin and licence signed into the version."""
    import numpy as np

    batches = list(digits(seed, IMAGES).read())
    images = np.concatenate([_pixels(batch) for batch in batches])
    labels = np.concatenate([np.array(batch.column("digit").to_pylist()) for batch in batches])
    sink = io.BytesIO()
    np.savez(sink, X=images, y=labels)
    house = Warehouse()
    words = {"origin": "https://data.example.org/digits/1.0", "licence": "CC0-1.0"}
    house.publish(NAME, {"digits.npz": sink.getvalue()}, **words)
    return house


def _pixels(batch: Any) -> Any:
    """The images of a batch; their column is the only one of tensors."""
    import pyarrow as pa

    tensors = (c for c in batch.columns if isinstance(c.type, pa.FixedShapeTensorType))
    return next(tensors).to_numpy_ndarray()


def _attacked(seed: int) -> Trial:
    attack = RepublishDataset(way=tuple(WAYS)[seed % len(WAYS)])
    play = partial(_play, attack, seed)
    return Trial(
        values={"refused": bool(play(guarded=True).facts["refused"])},
        potent=play(guarded=False).succeeded,
    )


def _play(attack: RepublishDataset, seed: int, *, guarded: bool) -> Transcript:
    return attack.play(Trainee(house=locked(seed), name=NAME, guarded=guarded), Random(seed))


def _clean(seed: int) -> Trial:
    alarm = alarmed(CONTROL, locked(seed).entry(NAME))
    return Trial(values={"false_refusals": alarm}, false_alarm=float(alarm))


SCENARIOS = (
    Scenario(
        threat=AQ_3,
        attack=RepublishDataset(),
        control=CONTROL,
        play=_attacked,
        parts=(("refused", "changed content under a locked name"),),
        note="300 handwritten digits: one in a hundred stamped and relabelled, or a newer file "
        "under the same version, in turn",
    ),
    Scenario(
        threat=AQ_3,
        attack="nobody",
        control=CONTROL,
        play=_clean,
        parts=(("false_refusals", ""),),
        note="the genuine images",
    ),
)
