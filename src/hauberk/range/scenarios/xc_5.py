"""XC-5: the share of a group in the training rows, inferred from a model's answers."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.model.infer_share import InferShare, Released
from hauberk.controls.model.inferable_share import InferableShare
from hauberk.core.control import findings_of
from hauberk.core.threat import ThreatId
from hauberk.methods.metrics import roc_auc
from hauberk.methods.property_inference import SHARES, with_share
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.shares import People, audit, people, trained

XC_5 = ThreatId("XC-5")
ATTACK = InferShare(n_rows=200)
CONTROL = InferableShare()
_SERVED, _N, _EACH = 40, 1600, 200
_WORKS = 0.75


def _play(seed: int) -> Trial:
    """An audit by the owner, and an attacker with rows and models of its own."""
    reached = _attacked(seed, differs=True)
    found = CONTROL.inference(_owned(seed, differs=True))
    alarm = bool(findings_of(CONTROL.check(_owned(seed, differs=False))))
    return Trial(
        values={
            "audited": reached <= found.high,
            "refused": bool(list(CONTROL.judged("model", found))),
        },
        potent=reached >= _WORKS,
        false_alarm=float(alarm),
    )


def _owned(seed: int, *, differs: bool) -> Any:
    everyone = people(seed, _N + 200, differs=differs)
    parts = [
        People(rows=everyone.rows[part], labels=everyone.labels[part], group=everyone.group[part])
        for part in (slice(0, _N), slice(_N, None))
    ]
    return audit(parts[0], parts[1], seed)


def _attacked(seed: int, *, differs: bool) -> float:
    """The area under the curve that the attack reaches on models it never saw."""
    victims = people(seed, 3 * _N, differs=differs)
    own = people(seed, 2 * _N, differs=differs)
    probes = people(seed, 100, differs=differs).rows
    rng = np.random.default_rng([seed, 3])
    is_large = np.arange(_SERVED) % 2 == 1
    served = []
    for number, large in enumerate(is_large):
        places = with_share(victims.group, SHARES[int(large)], _EACH, rng)
        served.append(trained(victims.rows[places], victims.labels[places], seed + number))
    target = Released(
        rows=own.rows,
        labels=own.labels,
        group=own.group,
        probes=probes,
        train=trained,
        served=served,
    )
    guesses = ATTACK.play(target, Random(seed)).facts["guesses"]
    return roc_auc(list(map(bool, is_large)), list(guesses))


SCENARIOS = (
    Scenario(
        threat=XC_5,
        attack=ATTACK,
        control=CONTROL,
        play=_play,
        parts=(
            ("audited", "attacker's AUROC with its interval"),
            ("refused", "above the policy's value"),
        ),
        note="30 or 70 % of 200 rows in a group whose classes follow another rule; an audit counts "
        "where an attacker with rows of its own reaches no more than its upper bound on 40 models "
        "that it never saw; clean twins are people whose group changes nothing; accepted is an "
        "area of 0.75",
    ),
)
