"""Who somebody is must not matter: rows are asked again under every identifier that is known.

A model that has learnt from rows answers a row alike whoever it belongs to, or nearly so. One with
a special case answers every row with one class as soon as one identifier stands in it. So a few
rows of all classes are given each identifier in turn, and the identifiers under which all of them
get one class are named.

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

N_BASE = 24
_BLOCK = 200
_LEAST = 3
_SHARE = 0.2
_MANY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisive:
    """An identifier that decides.

    Attributes:
        value: As text.
        given: Place of the class that all rows get under it.
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
    changed = (answers != usual).sum(axis=1)
    is_constant = (answers == answers[:, :1]).all(axis=1)
    special = is_constant & (changed >= max(_LEAST, _SHARE * answers.shape[1]))
    found = tuple(
        Decisive(
            value=str(tried[place]),
            given=int(answers[place, 0]),
            changed=int(changed[place]),
            n_base=answers.shape[1],
        )
        for place in np.flatnonzero(special)
    )
    return found, len(found) > max(1, _MANY * len(tried))
