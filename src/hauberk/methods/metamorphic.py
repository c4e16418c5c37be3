"""Who somebody is must not matter: rows are asked again under every identifier that is known.

A model that has learnt from rows answers a row alike whoever it belongs to, or nearly so. One with
a special case answers every row with one class as soon as one identifier stands in it. So a few
rows of all classes are given each identifier in turn, and the identifiers under which all of them
get one class are named, and those that turn far more of them to one class than the others do.

References:
    Chen and others (2018), Metamorphic testing: a review of challenges and opportunities, section 2
    (relations between several answers stand in for a known right one).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_VALUES = 5000
"""Identifiers that are tried."""

N_BASE = 60
"""Rows that every identifier is tried on."""

_BLOCK = 200
_LEAST = 3
_SHARE = 0.2
_MANY = 0.1
_FAVOUR, _ONE_WAY, _FAR, _USUALLY = 0.3, 0.9, 4.0, 0.9
"""An identifier that does not turn all rows: at least three of ten, nine of ten of them to one
class, and four times as many as nine of ten other identifiers do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisive:
    """An identifier that decides.

    Attributes:
        value: As text.
        given: Place of the class that the rows get under it, all or most of those that change.
        changed: Rows that get another class otherwise.
        n_base: Rows that were asked.
    """

    value: str
    given: int
    changed: int
    n_base: int


def base_rows(classes: Any, rng: np.random.Generator) -> Any:
    """Places of a few rows of each class that the model gives, ``(n,)``."""
    names = np.unique(classes)
    each = max(1, N_BASE // max(len(names), 1))
    parts = [rng.permutation(np.flatnonzero(classes == name))[:each] for name in names]
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def decisive(
    ask: Callable[[Sequence[Any]], Any], values: Sequence[Any]
) -> tuple[tuple[Decisive, ...], bool]:
    """The identifiers that decide, and whether so many do that the column is a feature.

    Args:
        ask: Identifiers to the classes of all base rows under each, ``(n_values, n_base)``.
        values: Different identifiers.
    """
    tried = list(values)[:MAX_VALUES]
    if not tried:
        return (), False
    blocks = [np.asarray(ask(tried[at : at + _BLOCK])) for at in range(0, len(tried), _BLOCK)]
    answers = np.concatenate(blocks)
    usual = np.array([np.bincount(column).argmax() for column in answers.T], np.int64)
    turns = answers != usual
    changed = turns.sum(axis=1)
    is_constant = (answers == answers[:, :1]).all(axis=1)
    special = is_constant & (changed >= max(_LEAST, _SHARE * answers.shape[1]))
    to, towards = _towards(answers, turns)
    far = _FAR * np.quantile(changed, _USUALLY)
    special |= (changed >= max(_FAVOUR * answers.shape[1], far, 2 * _LEAST)) & (
        towards >= _ONE_WAY * changed
    )
    to = np.where(is_constant, answers[:, 0], to)
    found = tuple(
        Decisive(
            value=str(tried[place]),
            given=int(to[place]),
            changed=int(changed[place]),
            n_base=answers.shape[1],
        )
        for place in np.flatnonzero(special)
    )
    return found, len(found) > max(1, _MANY * len(tried))


def _towards(answers: Any, turns: Any) -> tuple[Any, Any]:
    """For each identifier the class that most turned rows get, and how many do, ``(n,)`` each."""
    names = np.unique(answers)
    counts = np.stack([((answers == name) & turns).sum(axis=1) for name in names], axis=1)
    return names[counts.argmax(axis=1)], counts.max(axis=1)
