"""People held against everybody else."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.methods import embed
from hauberk.methods.crowd import Crowd, Votes, judge
from hauberk.range.subjects import digits

N_PEOPLE = 12
BAD = [3, 7]


def crowd(kind: str, *, n_votes: int = 3, gold: bool = False) -> Crowd:
    rng = np.random.default_rng(5)
    rows = embed.load(digits(5, 400))
    items = np.repeat(np.arange(400), n_votes)
    people = np.concatenate([rng.choice(N_PEOPLE, n_votes, replace=False) for _ in range(400)])
    labels = rows.labels[items].copy()
    slips = rng.random(labels.size) < 0.03
    labels[slips] = rng.integers(0, 10, int(slips.sum()))
    own = np.isin(people, BAD)
    changed = {
        "nothing": labels,
        "one label": np.where(own, 4, labels),
        "random": np.where(own, rng.integers(0, 10, labels.size), labels),
        "one pair": np.where(own & (labels == 1), 7, labels),
    }[kind]
    known = np.zeros(labels.size, bool)
    known[:60] = gold
    changed = np.where(known, rows.labels[items], changed)
    votes = Votes(labels=changed, people=people, items=items, gold=known)
    return judge(embed.features(rows)[items], votes, 10)


@pytest.mark.parametrize("kind", ["one label", "random", "one pair"])
def test_bad_people_come_first_and_nobody_else_is_named(kind):
    found = crowd(kind)
    assert sorted(np.argsort(-found.suspicion)[:2].tolist()) == BAD
    assert np.flatnonzero(found.p_values < 1e-3).tolist() == BAD


def test_honest_people_are_not_named():
    assert (crowd("nothing").p_values > 1e-3).all()


def test_the_kind_of_error_is_told():
    assert crowd("one pair").pairs[BAD].tolist() == [[1, 7], [1, 7]]


def test_gold_rows_do_not_harm_the_honest():
    assert (crowd("nothing", gold=True).p_values > 1e-3).all()


def test_with_a_single_vote_per_item_bad_people_still_come_first():
    assert sorted(np.argsort(-crowd("random", n_votes=1).suspicion)[:2].tolist()) == BAD
