"""VD-1: wrong labels that come with each release, too few in any of them to be seen."""

from __future__ import annotations

from random import Random

from hauberk.attacks.dataset.creep_labels import CreepLabels
from hauberk.controls.dataset.creeping_poison import CreepingPoison
from hauberk.core.artifact import Dataset, History
from hauberk.core.threat import ThreatId
from hauberk.methods import rewrite
from hauberk.range.outcomes import alarmed, found
from hauberk.range.pilots import accuracy, matrix, nearest
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import digits, generated
from hauberk.range.worlds.drawn import clothes, releases

VD_1 = ThreatId("VD-1")
ATTACK = CreepLabels(share=0.003)
CONTROL = CreepingPoison()
MAX_POISON = 0.02
"""Share of all rows by which the poison must have been noticed."""


def _creep(seed: int) -> Trial:
    """Judge the history as it stands when at most 2 % of its rows are poison."""
    whole = digits(seed, 1_200)
    clean = releases(whole)
    attacked = ATTACK.apply(clean, Random(seed))
    n = _until(attacked.truth["per_release"], clean)
    return Trial(
        values={"detected": found(CONTROL, History(versions=attacked.subject.versions[: n + 1]))},
        potent=_harms(clean.versions[-1], attacked.subject.versions[-1], attacked.truth["pair"]),
    )


def _until(per_release: tuple[int, ...], history: History) -> int:
    """Releases after which the poison is still at most 2 % of all rows."""
    sizes = [rewrite.table(version).num_rows for version in history.versions[1:]]
    sums = [sum(per_release[: k + 1]) / size for k, size in enumerate(sizes)]
    return sum(share <= MAX_POISON for share in sums)


def _harms(clean: Dataset, twin: Dataset, pair: tuple[str, str]) -> bool:
    """Whether a model that remembers its rows calls more of the first class the second."""
    features, truth = matrix(clean)
    labels = matrix(twin)[1]
    # The rows of odd place teach, those of even place are asked.
    asked = truth[::2] == pair[0]
    honest = nearest(features[1::2], truth[1::2])
    misled = nearest(features[1::2], labels[1::2])
    before = accuracy(honest, features[::2][asked], pair[1])
    return accuracy(misled, features[::2][asked], pair[1]) > before


def _clean(seed: int) -> Trial:
    """One release after another, all honest."""
    if seed % 4 == 2:  # noqa: PLR2004 - each kind in its turn
        whole = generated(seed, 300)
    elif seed % 4:
        whole = digits(seed, 500)
    else:
        whole = clothes(seed, textured=False, n_rows=500)
    return Trial(values={"false_alarms": alarmed(CONTROL, releases(whole, 3))})


SCENARIOS = (
    Scenario(
        threat=VD_1,
        attack=ATTACK,
        control=CONTROL,
        play=_creep,
        parts=(("detected", "by 2 % of total poison"),),
        note="1,200 digits, 55 % of them in the first version and "
        "the rest in ten releases; each brings 0.3 % of its rows with wrong labels of one pair, "
        "and the history is judged while at most 2 % are wrong",
    ),
    Scenario(
        threat=VD_1,
        attack="none: clean subjects",
        control=CONTROL,
        play=_clean,
        parts=(("false_alarms", ""),),
        trials=473,
        note="three honest releases over 300 to 500 rows, judged together as one trial: every "
        "second set digits, the others generated or drawn from clothes",
    ),
)
