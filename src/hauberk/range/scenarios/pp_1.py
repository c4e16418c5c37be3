"""PP-1: labels that a step, or somebody upstream, has changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random

from hauberk.attacks.dataset.flip_labels import FlipLabels
from hauberk.controls.dataset.changed_labels import ChangedLabels
from hauberk.controls.dataset.label_flips import LabelFlips
from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.threat import ThreatId
from hauberk.methods import rewrite
from hauberk.range.outcomes import alarmed, auroc, denied, recall_at, row_scores
from hauberk.range.pilots import accuracy, matrix, nearest
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import digits, generated, tumours
from hauberk.range.worlds.drawn import clothes

PP_1 = ThreatId("PP-1")
CONTRACT = ChangedLabels()
AUDIT = LabelFlips()
RATE = 0.01
"""False alarms, as a share of clean rows, at which recall is reported."""


def _step(seed: int) -> Trial:
    """A step that flips labels without declaring it."""
    clean = tumours(seed)
    attacked = FlipLabels(share=0.05).apply(clean, Random(seed))
    return Trial(
        values={"refused": denied(CONTRACT, Comparison(old=clean, new=attacked.subject))},
        potent=_changed(clean, attacked.subject),
        false_alarm=alarmed(CONTRACT, Comparison(old=clean, new=clean)),
    )


def _changed(clean: Dataset, twin: Dataset) -> bool:
    return bool((matrix(clean)[1] != matrix(twin)[1]).any())


def _rows(
    attack: FlipLabels,
    make: Callable[[int], Dataset],
    vouched: Callable[[int], Dataset] | None = None,
) -> Callable[[int], Trial]:
    """Flips from upstream, found row by row; the scores rank, a threshold decides."""

    def play(seed: int) -> Trial:
        clean = make(seed)
        attacked = attack.apply(clean, Random(seed))
        judged = attacked.subject
        if vouched is not None:
            judged = dataclasses.replace(judged, reference=vouched(seed))
        scores = row_scores(AUDIT, judged)
        recall, alarms = recall_at(scores, attacked.rows, RATE)
        flagged = [row for row, score in enumerate(scores) if score > 0.5]  # noqa: PLR2004 - likelier than not
        hits = len(set(flagged) & set(attacked.rows))
        return Trial(
            values={
                "row_recall": recall,
                "row_precision": hits / len(flagged) if flagged else 0.0,
                "row_auroc": auroc(scores, attacked.rows),
            },
            potent=_misleads(clean, attacked.subject),
            false_alarm=alarms,
        )

    return play


def _misleads(clean: Dataset, twin: Dataset) -> bool:
    """Whether a model that remembers its rows errs more often on the true labels."""
    features, truth = matrix(clean)
    labels = matrix(twin)[1]
    half = len(truth) // 2
    honest = accuracy(nearest(features[:half], truth[:half]), features[half:], truth[half:])
    misled = accuracy(nearest(features[:half], labels[:half]), features[half:], truth[half:])
    return misled < honest


def _clean(seed: int) -> Trial:
    clean = (generated, digits, generated, tumours)[seed % 4](seed, 400)
    return Trial(values={"false_alarms": alarmed(AUDIT, clean)})


def _flips(  # noqa: PLR0917 - what the scenario is made of
    strength: str,
    attack: FlipLabels,
    make: Callable[[int], Dataset],
    note: str,
    vouched: Callable[[int], Dataset] | None = None,
    trials: int = 20,
) -> Scenario:
    metrics = ["row_auroc"] if attack.choice == "targeted" else ["row_recall"]
    metrics += ["row_precision"] if strength == "random flips 10 %, images" else []
    return Scenario(
        threat=PP_1,
        attack=attack,
        control=AUDIT,
        play=_rows(attack, make, vouched),
        parts=tuple((metric, strength) for metric in metrics),
        trials=trials,
        note=note,
    )


def _clothes(seed: int) -> Dataset:
    return clothes(seed, textured=False, n_rows=N_JUDGED)


def _vouched_clothes(seed: int) -> Dataset:
    return clothes(seed, textured=False, n_rows=N_VOUCHED, part=1)


def _judged_tumours(seed: int) -> Dataset:
    whole = tumours(seed, 569)
    return rewrite.twin(whole, rewrite.table(whole).slice(0, N_JUDGED_TUMOURS))


def _vouched_tumours(seed: int) -> Dataset:
    whole = tumours(seed, 569)
    return rewrite.twin(whole, rewrite.table(whole).slice(N_JUDGED_TUMOURS))


N_JUDGED, N_VOUCHED, N_JUDGED_TUMOURS = 2_000, 2_000, 320
_DIGITS = "1,200 digits of 8 x 8 pixels"
_TUMOURS = "400 rows of 30 measurements"
SCENARIOS = (
    Scenario(
        threat=PP_1,
        attack=FlipLabels(share=0.05),
        control=CONTRACT,
        play=_step,
        parts=(("refused", "undeclared label change"),),
        note=_TUMOURS,
    ),
    _flips("random flips 1 %, images", FlipLabels(share=0.01), digits, _DIGITS),
    _flips("random flips 5 %, images", FlipLabels(share=0.05), digits, _DIGITS),
    _flips("random flips 10 %, images", FlipLabels(share=0.1), digits, _DIGITS),
    _flips("random flips 10 %, table", FlipLabels(share=0.1), tumours, _TUMOURS),
    _flips(
        "targeted flips, 10 % of a class",
        FlipLabels(share=0.1, choice="targeted"),
        digits,
        _DIGITS,
    ),
    _flips(
        "random flips 10 %, images, with reference",
        FlipLabels(share=0.1),
        _clothes,
        f"{N_JUDGED:,} pictures of clothes, 14 x 14, and {N_VOUCHED:,} trusted ones",
        _vouched_clothes,
        trials=8,
    ),
    _flips(
        "random flips 10 %, table, with reference",
        FlipLabels(share=0.1),
        _judged_tumours,
        f"{N_JUDGED_TUMOURS} rows of 30 measurements and the other 249 of them as trusted ones",
        _vouched_tumours,
    ),
    Scenario(
        threat=PP_1,
        attack="none: clean subjects",
        control=AUDIT,
        play=_clean,
        parts=(("false_alarms", ""),),
        note="sets of 400 rows: every second one generated, the others drawn from pools of 1,797 "
        "digits and 569 tumours and hence not quite independent",
    ),
)
