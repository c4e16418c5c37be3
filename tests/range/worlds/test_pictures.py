"""The served model of pictures, its honest clients and its guests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hauberk.controls.exchange.iterated_queries import IteratedQueries
from hauberk.controls.exchange.synthetic_queries import SyntheticQueries
from hauberk.methods.oracles import REFUSED, Heard, drive
from hauberk.range.worlds import pictures, viewers

POOL = np.random.default_rng(0).random((40, 8, 8)).astype(np.float32)
LABELS = np.arange(40) % 4


@pytest.mark.parametrize("kind", viewers.kinds())
def test_honest_clients_send_eight_bit_pictures_and_the_same_again(kind):
    first, second = (
        list(viewers.stream(kind, POOL, LABELS, 30, np.random.default_rng(1))) for _ in range(2)
    )
    assert all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))
    assert all(np.allclose(one * 255, np.rint(one * 255), atol=1e-3) for one in first)
    assert len(first) == 30


def test_a_film_moves_in_small_steps():
    frames = list(viewers.stream("film", POOL, LABELS, 30, np.random.default_rng(2)))
    steps = [float(np.abs(one - two).mean()) for one, two in pairwise(frames)]
    assert max(steps) < 0.1


def test_the_guard_answers_as_the_model_does():
    watched = pictures.gallery("digits", watches=(IteratedQueries(), SyntheticQueries()))
    row = watched.victim.honest.rows[0]
    heard = watched.ask(row)
    assert heard.label == int(watched.victim.network.labels(row[None])[0])
    assert np.allclose(heard.scores, watched.victim.network.scores(row[None])[0], atol=1e-5)


def test_noise_from_one_account_is_hardened_through_the_real_door():
    watched = pictures.gallery("digits", watches=(SyntheticQueries(),))
    rng = np.random.default_rng(3)
    heard = [watched.ask(rng.random(64).astype(np.float32)) for _ in range(25)]
    assert 0 < heard[0].scores.max() < 1
    assert heard[-1].scores.max() == 1
    assert watched.noted("exchange/synthetic-queries") > 0


def test_a_prepared_memory_leaves_its_beginning_as_it_was():
    first = pictures.Prepared({})
    first.update("p", "k", lambda _: b"1")
    second = pictures.Prepared(first.all())
    second.update("p", "k", lambda old: (old or b"") + b"2")
    assert second.get("p", "k") == b"12"
    assert first.get("p", "k") == b"1"


def _asking(n):
    for number in range(n):
        heard = yield np.array([number])
        if heard.label == 3:
            return "found"
    return None


class _Counting:
    def __init__(self, refused=()):
        self.refused, self.accounts = refused, []

    def ask(self, row, account=0):
        self.accounts.append(account)
        return REFUSED if row[0] in self.refused else Heard(label=int(row[0]))


def test_a_stream_of_queries_ends_when_it_has_what_it_wants():
    played = drive(_asking(9), _Counting(), budget=20)
    assert (played.result, played.queries, played.first_refusal) == ("found", 4, 0)


def test_an_attacker_gives_up_after_refusals_in_a_row():
    played = drive(_asking(9), _Counting(refused={1, 2}), budget=20, patience=2)
    assert (played.result, played.queries, played.first_refusal) == (None, 3, 2)


def test_accounts_take_turns():
    oracle = _Counting()
    drive(_asking(9), oracle, budget=4, account=lambda number: number % 2)
    assert oracle.accounts == [0, 1, 0, 1]
