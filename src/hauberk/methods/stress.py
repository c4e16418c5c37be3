"""Attacks one after another on what still resists, and what to believe of the result.

White-box attacks come first where a model has gradients, black-box ones work on the survivors.
A model that white-box attacks spare and black-box attacks fool hides its gradients instead of
being robust: the same cascade that gives the worst case also tells that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hauberk.methods import evasion
from hauberk.methods.evasion import Space, Tally, Target
from hauberk.methods.perturb import corner, noisy

MASKED_SHARE = 0.15
"""Share of the survivors of white-box attacks that black-box attacks may fool by luck."""

MASKED_OF_ALL = 0.08
"""Share of all right rows likewise: the last few survivors fall to anything."""

_MASKED_LEAST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How hard is tried.

    Attributes:
        n_steps: Gradients of each row in a white-box attack.
        n_queries: Scores of each row in a black-box attack.
        picture: Channels, height and width where rows are pictures.
        n_restarts: White-box runs from places of their own.
        n_decisions: Steps of the attack that hears classes alone; 0 leaves it out.
        patience: Steps without gain after which auto-step gives a row up; 0 gives none up.
    """

    n_steps: int = 20
    n_queries: int = 60
    picture: tuple[int, int, int] | None = None
    n_restarts: int = 1
    n_decisions: int = 0
    patience: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Stressed:
    """What the cascade gave.

    Attributes:
        right: ``(n,)``: rows that stayed right under everything.
        fooled: Attack to the number of rows that it was the first to fool.
        tally: Attack to what it asked.
        moved: Rows where they were wrong first, else where they were.
        n_clean: Rows right before any attack.
        n_white: Rows still right after the white-box attacks; ``None`` without any.
        flat: Share of the right rows whose gradient is nothing, where gradients were taken.
    """

    right: Any
    fooled: Mapping[str, int]
    tally: Mapping[str, Tally]
    moved: Any
    n_clean: int
    n_white: int | None = None
    flat: float = 0.0

    @property
    def attacks(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(self.fooled)

    @property
    def hides_gradients(self) -> bool | None:
        """Whether others fool what gradients spare; ``None`` where no gradients were taken.

        Gradients that are nothing on most rows say it as well.
        """
        if self.n_white is None:
            return None
        if self.flat > FLAT_SHARE:
            return True
        found = sum(count for name, count in self.fooled.items() if name in BLACK)
        return found >= max(
            _MASKED_LEAST, MASKED_SHARE * self.n_white, MASKED_OF_ALL * self.n_clean
        )


FLAT_SHARE = 0.5
"""Share of rows without any gradient beyond which a model counts as hiding them."""

BLACK = frozenset({"straight-pgd", "search", "square", "hopskipjump"})
"""Attacks that do not follow the model's own slope; what noise fools says nothing of it."""

_Attack = Callable[[Target, Any, Any], Any]


def stressed(
    ask: Any,
    rows: Any,
    labels: Any,
    space: Space,
    rng: np.random.Generator,
    *,
    slope: evasion.Gradient | None = None,
    straight: evasion.Gradient | None = None,
    budget: Budget | None = None,
) -> Stressed:
    """Every attack that fits, each on the rows that those before it left right.

    Args:
        ask: Rows ``(n, d)`` to scores.
        labels: ``(n,)`` places of the true classes.
        space: Where rows may go.
        slope: Gradients, where the model has them.
        straight: Gradients around what may hide them: of the margin of the logits.
    """
    cascade = _Cascade(rows=np.array(rows, np.float64), labels=labels)
    cascade.begin(Target(ask=ask))
    budget = budget or Budget()
    white = _white(space, rng, budget) if slope is not None else {}
    for name, attack in {**_plain(space, rng), **white}.items():
        cascade.run(name, attack, Target(ask=ask, slope=slope))
    n_white = int(cascade.right.sum()) if white else None
    flat = _flat(slope, cascade) if slope is not None else 0.0
    if straight is not None:
        cascade.run(
            "straight-pgd",
            lambda target, some, truth: evasion.projected_steps(
                target,
                some,
                truth,
                space,
                rng,
                n_steps=budget.n_steps,
                adaptive=True,
                patience=budget.patience,
            ),
            Target(ask=ask, slope=straight),
        )
    for name, attack in _black(space, rng, budget, cascade.rows).items():
        cascade.run(name, attack, Target(ask=ask))
    return Stressed(
        right=cascade.right,
        fooled=cascade.fooled,
        tally=cascade.tally,
        moved=cascade.moved,
        n_clean=cascade.n_clean,
        n_white=n_white,
        flat=flat,
    )


def _flat(slope: evasion.Gradient, cascade: _Cascade) -> float:
    places = np.flatnonzero(cascade.right)
    if not places.size:
        return 0.0
    _, gradient = slope(cascade.rows[places], cascade.labels[places])
    return float((np.abs(gradient).max(axis=1) == 0).mean())


@dataclass(slots=True, kw_only=True)
class _Cascade:
    rows: Any
    labels: Any
    right: Any = None
    moved: Any = None
    n_clean: int = 0
    fooled: dict[str, int] = field(default_factory=dict)
    tally: dict[str, Tally] = field(default_factory=dict)

    def begin(self, target: Target) -> None:
        self.moved = self.rows.copy()
        self.right = np.zeros(len(self.rows), bool)
        if len(self.rows):
            self.right = ~evasion.wrong(target.scores(self.rows), self.labels)
        self.n_clean = int(self.right.sum())

    def run(self, name: str, attack: _Attack, target: Target) -> None:
        places = np.flatnonzero(self.right)
        self.fooled[name], self.tally[name] = 0, target.tally
        if not places.size:
            return
        moved = attack(target, self.rows[places], self.labels[places])
        # Counted by asking again: an attack is believed by its rows, not by its word.
        beaten = evasion.wrong(target.scores(moved), self.labels[places])
        self.moved[places[beaten]] = moved[beaten]
        self.right[places[beaten]] = False
        self.fooled[name] = int(beaten.sum())


def _plain(space: Space, rng: np.random.Generator) -> dict[str, _Attack]:
    ball = space.ball
    return {
        "noise": lambda _t, rows, _l: space.projected(noisy(rows, ball, rng), rows),
        "corners": lambda _t, rows, _l: space.projected(corner(rows, ball, rng), rows),
    }


def _white(space: Space, rng: np.random.Generator, budget: Budget) -> dict[str, _Attack]:
    attacks: dict[str, _Attack] = {
        "fgsm": lambda target, rows, labels: evasion.fast_step(target, rows, labels, space),
        "pgd": lambda target, rows, labels: evasion.projected_steps(
            target, rows, labels, space, rng, n_steps=budget.n_steps
        ),
    }
    for number in range(budget.n_restarts):
        name = "auto-pgd" if number == 0 else f"auto-pgd-{number + 1}"
        attacks[name] = lambda target, rows, labels: evasion.projected_steps(
            target,
            rows,
            labels,
            space,
            rng,
            n_steps=budget.n_steps,
            adaptive=True,
            patience=budget.patience,
        )
    return attacks


def _black(space: Space, rng: np.random.Generator, budget: Budget, pool: Any) -> dict[str, _Attack]:
    attacks: dict[str, _Attack] = {}
    shape = budget.picture
    if shape is not None:
        attacks["square"] = lambda target, rows, labels: evasion.square(
            target, rows, labels, space, rng, shape=shape, n_queries=budget.n_queries
        )
    attacks["search"] = lambda target, rows, labels: evasion.flips(
        target, rows, labels, space, rng, n_queries=budget.n_queries
    )
    if budget.n_decisions:
        attacks["hopskipjump"] = lambda target, rows, labels: evasion.decided(
            target, rows, labels, space, rng, pool=pool, n_steps=budget.n_decisions
        )
    return attacks
