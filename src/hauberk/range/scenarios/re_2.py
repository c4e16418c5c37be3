"""RE-2: credentials that were committed by mistake."""

from __future__ import annotations

import time
from random import Random

from hauberk.attacks.code.commit_secret import CommitSecret, recoverable
from hauberk.controls.code.committed_secrets import CommittedSecrets
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.repositories import clean_repository

RE_2 = ThreatId("RE-2")
ATTACK = CommitSecret()
CONTROL = CommittedSecrets()
N_SECRETS = 10
N_BLOBS = 2_000
BLOBS = 100_000


def _one(seed: int) -> Trial:
    """One secret of some kind in some place."""
    attacked = ATTACK.apply(clean_repository(seed), Random(seed))
    places = {finding.path for finding in CONTROL.check(attacked.subject)}
    return Trial(
        values={"recall": attacked.truth["path"] in places},
        potent=recoverable(attacked.subject, attacked.truth["secret"]),
        false_alarm=float(any(CONTROL.check(clean_repository(seed)))),
    )


def _several(seed: int) -> Trial:
    """Ten secrets among look-alikes: how many of the findings are true."""
    rng, tree, planted = Random(seed), clean_repository(seed), set()
    for _ in range(N_SECRETS):
        attacked = ATTACK.apply(tree, rng)
        tree = attacked.subject
        planted.add(attacked.truth["path"])
    found = [finding.path for finding in CONTROL.check(tree)]
    true = sum(path in planted for path in found)
    return Trial(
        values={"precision": true / len(found) if found else 0.0},
        potent=recoverable(tree, attacked.truth["secret"]),
    )


def _history(seed: int) -> Trial:
    """A history without a secret, timed and scaled."""
    tree = clean_repository(seed, 0, N_BLOBS)
    started = time.perf_counter()
    list(CONTROL.check(tree))
    return Trial(
        values={"seconds_per_100k_blobs": (time.perf_counter() - started) * BLOBS / N_BLOBS}
    )


SCENARIOS = (
    Scenario(
        threat=RE_2,
        attack=ATTACK,
        control=CONTROL,
        play=_one,
        parts=(("recall", ""),),
        trials=300,
        note="kind and place drawn at random, in a repository of 22 files full of look-alikes; the "
        "forms of the credentials are the issuers', which the control knows too",
    ),
    Scenario(
        threat=RE_2,
        attack=ATTACK,
        control=CONTROL,
        play=_several,
        parts=(("precision", ""),),
        trials=20,
        note=f"{N_SECRETS} secrets in a repository of 22 files full of look-alikes",
    ),
    Scenario(
        threat=RE_2,
        attack="an honest history",
        control=CONTROL,
        play=_history,
        parts=(("seconds_per_100k_blobs", ""),),
        timed=True,
        note=f"{N_BLOBS} former files of about a kilobyte, on one core, scaled",
    ),
)
