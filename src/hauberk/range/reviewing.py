"""Trials over repositories in which every change is reviewed, and one is not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from hauberk.attacks.code.skip_review import PATHS, SkipReview
from hauberk.controls.code.poisoned_history import PoisonedHistory
from hauberk.core.finding import Level
from hauberk.engine.assess import assess
from hauberk.formats.source import open_tree
from hauberk.range.scenario import Trial
from hauberk.range.worlds.histories import grown

CONTROL = PoisonedHistory()
_REVIEWERS = ("Ines Moreau", "Tomas Berg", "Yuki Sato")


def _trailer(rng: Random) -> str:
    return f"\n\nReviewed-by: {rng.choice(_REVIEWERS)}"


def _number(rng: Random) -> str:
    return f" (#{rng.randrange(10, 900)})"


def _request(rng: Random) -> str:
    return f"\n\nSee merge request team/models!{rng.randrange(10, 900)}"


HABITS: tuple[Callable[[Random], str], ...] = (_trailer, _number, _request)


def unreviewed(paths: tuple[str, ...] = PATHS) -> Callable[[int], Trial]:
    """One change of a file that judges models, without review; the twin's was reviewed."""

    def play(seed: int) -> Trial:
        rng = Random(seed)
        path, habit = rng.choice(paths), HABITS[seed % len(HABITS)]
        alarm, _ = _denied(seed, path, habit, reviewed=True)
        refused, potent = _denied(seed, path, habit, reviewed=False)
        return Trial(values={"refused": refused}, potent=potent, false_alarm=alarm)

    return play


def _denied(
    seed: int, path: str, habit: Callable[[Random], str], *, reviewed: bool
) -> tuple[bool, bool]:
    """Whether a control denies, and whether the change is there."""
    with tempfile.TemporaryDirectory(prefix="hauberk-") as folder:
        made = grown(Path(folder), seed, habit)
        if not reviewed:
            made.signs_off = lambda _rng: ""
        told = SkipReview(path=path).play(made, Random(seed))
        found = assess(CONTROL, open_tree(made.root)).findings
    return any(item.level is Level.DEFECT for item in found), told.succeeded
