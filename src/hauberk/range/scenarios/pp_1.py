"""PP-1: labels that a step, or somebody upstream, has changed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hauberk.attacks.dataset.flip_labels import FlipLabels
from hauberk.controls.dataset.changed_labels import ChangedLabels
from hauberk.controls.dataset.label_flips import LabelFlips
from hauberk.core.artifact import Comparison, Dataset
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed, auroc, denied, recall_at, row_scores
from hauberk.range.pilots import accuracy, matrix, nearest
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import digits, generated, tumours

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


def _rows(attack: FlipLabels, make: Callable[[int], Dataset]) -> Callable[[int], Trial]:
    """Flips from upstream, found row by row; the scores rank, a threshold decides."""

    def play(seed: int) -> Trial:
        clean = make(seed)
        attacked = attack.apply(clean, Random(seed))
        scores = row_scores(AUDIT, attacked.subject)
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


def _flips(
    strength: str, attack: FlipLabels, make: Callable[[int], Dataset], note: str
) -> Scenario:
    metrics = ["row_auroc"] if attack.choice == "targeted" else ["row_recall"]
    metrics += ["row_precision"] if strength == "random flips 10 %, images" else []
    return Scenario(
        threat=PP_1,
        attack=attack,
        control=AUDIT,
        play=_rows(attack, make),
        parts=tuple((metric, strength) for metric in metrics),
        trials=20,
        note=note,
    )


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
