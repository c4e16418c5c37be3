"""Feedback that a few accounts steer: who pushes what, and what is left when it is held back.

Feedback is votes: an account says of a thing (an item, a word of an answer) how good it is.
Tastes differ, so that one vote says nothing; but tastes are shared, and what an account says
of one thing can be told from what it says of others. A thing is *steered* where far more
accounts than elsewhere speak against what is told of them, all in one direction.

1. Votes are averaged per account and thing, and freed of the account's and the thing's level:
   the thing's by its median, which a minority does not move.
2. Tastes are the main directions of what is left; they say what to expect of each account.
3. What goes beyond expectation by more than almost all votes do is a surprise. For each thing
   its surprises are counted by direction against the rate of all things.
4. The accounts behind the surprises of a steered thing are suspects; held back, they leave
   what others say.

References:
    Mehta and Nejdl (2009), Unsupervised strategies for shilling detection and robust
    collaborative filtering. Mobasher, Burke, Bhaumik and Williams (2007), Toward trustworthy
    recommender systems, section 3, for the attacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.statistics import binomial_tail

MIN_ACCOUNTS = 30
MIN_VOTES = 8
"""Accounts that must have spoken of a thing before it is judged."""

N_TASTES = 3
RARE = 0.95
"""Share of votes that are no surprise."""

_LEAST_RATE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Votes:
    """Who says what of which thing.

    Attributes:
        accounts: ``(n,)`` codes from 0.
        things: ``(n,)`` codes from 0.
        values: ``(n,)`` how good it is said to be.
    """

    accounts: Any
    things: Any
    values: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """One thing that is pushed.

    Attributes:
        p_value: Corrected for the number of things.
        accounts: Who pushes it.
        lift: How far its mean moves by them.
    """

    thing: int
    p_value: float
    accounts: tuple[int, ...]
    lift: float


def steered(votes: Votes, *, alpha: float = 1e-4) -> list[Steered]:
    """The things that are pushed, surest first."""
    n_accounts, n_things = _sizes(votes)
    if n_accounts < MIN_ACCOUNTS:
        return []
    means, known = _table(votes, n_accounts, n_things)
    left = _unexpected(means, known)
    edge = np.quantile(np.abs(left[known]), RARE)
    n_votes = known.sum(axis=0)
    found = []
    for sign in (1, -1):
        surprises = known & (sign * left > edge)
        rate = max(_LEAST_RATE, float(surprises.sum() / known.sum()))
        tails = binomial_tail(surprises.sum(axis=0), n_votes, rate) * 2 * n_things
        for thing in np.flatnonzero((tails < alpha) & (n_votes >= MIN_VOTES)):
            pushers = np.flatnonzero(surprises[:, thing])
            lift = _lift(means[:, thing], known[:, thing], surprises[:, thing])
            found.append(
                Steered(
                    thing=int(thing),
                    p_value=float(tails[thing]),
                    accounts=tuple(pushers.tolist()),
                    lift=lift,
                )
            )
    return sorted(found, key=lambda one: (one.p_value, one.thing))


def held_back(votes: Votes, suspects: list[Steered]) -> Any:
    """``(n,)`` whether a vote counts: all but those of suspects."""
    accounts = {account for one in suspects for account in one.accounts}
    return ~np.isin(votes.accounts, sorted(accounts))


def weights(votes: Votes, *, max_votes: int = 3) -> Any:
    """``(n,)`` weights by which no account counts for more than so many votes on one thing."""
    pairs = np.stack([votes.accounts, votes.things], axis=1)
    _, places, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    return np.minimum(1.0, max_votes / counts[places.reshape(-1)])


def released(times: Any, now: float, delay_s: float) -> Any:
    """``(n,)`` whether feedback has waited long enough to be looked at as a whole."""
    return np.asarray(times) <= now - delay_s


def levels(votes: Votes, counted: Any, n_things: int) -> Any:
    """``(n_things,)`` mean of each thing over accounts, drawn to the mean of all by four votes."""
    total = np.bincount(votes.things, counted * votes.values, n_things)
    weight = np.bincount(votes.things, counted, n_things)
    overall = float((counted * votes.values).sum() / max(counted.sum(), 1e-9))
    return (total + 4 * overall) / (weight + 4)


def _sizes(votes: Votes) -> tuple[int, int]:
    if not len(votes.accounts):
        return 0, 0
    return int(votes.accounts.max()) + 1, int(votes.things.max()) + 1


def _table(votes: Votes, n_accounts: int, n_things: int) -> tuple[Any, Any]:
    """Mean vote per account and thing, and where there is one."""
    cells = votes.accounts * n_things + votes.things
    size = n_accounts * n_things
    count = np.bincount(cells, minlength=size).reshape(n_accounts, n_things)
    total = np.bincount(cells, votes.values, size).reshape(n_accounts, n_things)
    return total / np.maximum(count, 1), count > 0


def _unexpected(means: Any, known: Any) -> Any:
    """What a vote goes beyond the level of its thing, of its account, and shared tastes."""
    holes = np.where(known, means, np.nan)
    speaks = known.any(axis=0)
    level = np.zeros(means.shape[1])
    level[speaks] = np.nanmedian(holes[:, speaks], axis=0)
    left = np.where(known, means - level, 0.0)
    own = left.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    left = np.where(known, left - own[:, None], 0.0)
    tastes, sizes, _ = np.linalg.svd(left, full_matrices=False)
    factors = tastes[:, :N_TASTES] * sizes[:N_TASTES]
    told = np.zeros_like(left)
    ridge = np.eye(factors.shape[1])
    for thing in range(left.shape[1]):
        own_rows = factors[known[:, thing]]
        gram = own_rows.T @ own_rows + ridge * max(1e-9, float((own_rows**2).mean() or 0) * 4)
        told[:, thing] = factors @ np.linalg.solve(gram, own_rows.T @ left[known[:, thing], thing])
    return np.where(known, left - told, 0.0)


def _lift(column: Any, known: Any, pushed: Any) -> float:
    others = known & ~pushed
    if not others.any():
        return float(column[known].mean())
    return float(column[known].mean() - column[others].mean())


def coded(texts: Any) -> tuple[Any, list[str]]:
    """Codes from 0 in the order of the texts, and the texts."""
    names, codes = np.unique(np.asarray(texts, object).astype(str), return_inverse=True)
    return codes.reshape(-1), names.tolist()


def by_name(found: Mapping[int, str], suspects: list[Steered]) -> list[str]:
    """Names of the accounts behind what is steered, each once."""
    return sorted({found[account] for one in suspects for account in one.accounts})
