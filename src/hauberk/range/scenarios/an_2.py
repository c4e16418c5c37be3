"""AN-2: annotators who give wrong labels on purpose, alone or together."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from hauberk.attacks.dataset.misannotate import Misannotate
from hauberk.controls.dataset.annotator_errors import AnnotatorErrors
from hauberk.core.artifact import Dataset
from hauberk.core.finding import Assessment
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.range.outcomes import auroc
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.crowds import annotated, mean_scores

AN_2 = ThreatId("AN-2")
CONTROL = AnnotatorErrors()
KINDS = ("spammer", "constant", "flipper", "targeted", "camouflaged")
_HARM = 0.001
N_ITEMS = 500


def _named(assessment: Assessment) -> set[str]:
    return {finding.message.split()[1] for finding in assessment.findings}


def _play(kinds: tuple[str, ...], *, gold: int = 0) -> Callable[[int], Trial]:
    def play(seed: int) -> Trial:
        clean = annotated(seed, n_items=N_ITEMS, gold=gold)
        attack = Misannotate(kind=kinds[seed % len(kinds)])
        attacked = attack.apply(clean, Random(seed))
        assessment = assess(CONTROL, attacked.subject)
        bad = set(attacked.truth["people"])
        people = mean_scores(assessment, attacked.subject)
        places = {place for place, name in enumerate(people) if name in bad}
        n_clean = len(people) - len(bad)
        return Trial(
            values={
                "annotator_auroc": auroc(list(people.values()), places),
                "detected": len(_named(assessment) & bad) / len(bad),
                "false_alarms": len(_named(assessment) - bad) / n_clean,
            },
            potent=_harms(attacked.rows, clean),
            false_alarm=len(_named(assess(CONTROL, clean))) / len(people),
        )

    return play


def _harms(rows: tuple[Any, ...], clean: Dataset) -> bool:
    """Whether labels are wrong that were right before, and not just a few."""
    return len(rows) > _HARM * sum(batch.num_rows for batch in clean.read())


def _scenario(
    parts: tuple[tuple[str, str], ...], kinds: tuple[str, ...], *, gold: int = 0, trials: int = 50
) -> Scenario:
    return Scenario(
        threat=AN_2,
        attack=Misannotate(kind=kinds[0]),
        control=CONTROL,
        play=_play(kinds, gold=gold),
        parts=parts,
        trials=trials,
        note=f"{N_ITEMS} digits with 3 votes each by 30 annotators, 3 of them careless and 3 bad "
        f"({', '.join(kinds)})" + (f"; {gold} gold rows" if gold else ""),
    )


SCENARIOS = (
    _scenario((("annotator_auroc", ""),), KINDS),
    _scenario(
        (
            ("annotator_auroc", "colluders"),
            ("detected", "three colluders of thirty"),
            ("false_alarms", "three colluders of thirty"),
        ),
        ("colluding",),
    ),
    _scenario((("annotator_auroc", "camouflage"),), ("camouflaged",), trials=1_000),
    _scenario((("annotator_auroc", "with gold rows"),), KINDS, gold=200),
)
