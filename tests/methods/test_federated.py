"""Updates of federated training: what they tell, and what protection leaves of it."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.errors import UsageError
from hauberk.methods import federated
from hauberk.methods.federated import (
    candidates,
    clipped,
    dense_layers,
    epsilon,
    heterogeneity,
    leaked,
    merged,
    norms,
    protected,
    similarity,
)

RNG = np.random.default_rng(5)
ROW = RNG.random(16)
UPDATE = {"a.weight": np.outer([0.5, -2.0, 0.0], ROW), "a.bias": np.array([0.5, -2.0, 0.0])}


def test_a_row_that_woke_a_neuron_alone_is_read():
    assert np.allclose(candidates(UPDATE["a.weight"], UPDATE["a.bias"], 1)[0], ROW)
    assert leaked(UPDATE, ROW[None]) == [0]


def test_noise_at_the_scale_of_a_row_hides_it():
    noised = protected([UPDATE], clip=1.0, noise=1.0, rng=np.random.default_rng(1))
    assert leaked(noised, ROW[None]) == []


def test_layers_are_paired_by_name_and_by_place():
    assert len(dense_layers(UPDATE)) == 1
    assert len(dense_layers({"w": np.ones((2, 3)), "b": np.ones(2)})) == 1
    assert dense_layers({"w": np.ones((2, 3)), "b": np.ones(5)}) == []


def test_similarity_is_one_for_the_same_and_low_for_another():
    assert similarity(ROW, ROW) == pytest.approx(1.0)
    assert similarity(ROW, 1 - ROW) < 0.5


def test_clipping_holds_the_norm_over_all_parameters():
    assert norms([clipped(UPDATE, 0.1)])[0] == pytest.approx(0.1)
    assert norms([clipped(UPDATE, 100.0)])[0] == pytest.approx(norms([UPDATE])[0])


@pytest.mark.parametrize("how", ["median", "trimmed"])
def test_a_malicious_client_moves_a_robust_merge_little(how):
    honest = [{"w": np.array([1.0, 1.0]) + RNG.normal(0, 0.01, 2)} for _ in range(9)]
    bent = merged([*honest, {"w": np.array([-1e6, 1e6])}], how=how)
    assert np.allclose(bent["w"], 1.0, atol=0.1)


def test_updates_that_do_not_fit_each_other_are_a_usage_error():
    with pytest.raises(UsageError):
        merged([{"w": np.ones(2)}, {"w": np.ones(3)}])
    with pytest.raises(UsageError):
        merged([])
    with pytest.raises(UsageError):
        protected([], clip=1.0, noise=1.0, rng=RNG)


def test_clients_that_agree_are_less_heterogeneous():
    same = [{"w": np.array([1.0, 0.0])}] * 3
    apart = [{"w": np.array([1.0, float(n)])} for n in range(-1, 2)]
    assert heterogeneity(same) < heterogeneity(apart)


def test_more_noise_fewer_steps_and_smaller_batches_give_less_away():
    base = {"noise": 1.0, "share": 0.01, "steps": 1000, "delta": 1e-5}
    spent = epsilon(**base)
    assert epsilon(**{**base, "noise": 2.0}) < spent
    assert epsilon(**{**base, "steps": 100}) < spent
    assert epsilon(**{**base, "share": 0.005}) < spent


def test_one_full_batch_update_is_the_plain_gaussian_mechanism():
    orders = np.arange(11, 630) / 10
    bound = orders / 2 + np.log1p(-1 / orders) - (np.log(1e-5) + np.log(orders)) / (orders - 1)
    assert epsilon(noise=1.0, share=1.0, steps=1, delta=1e-5) == pytest.approx(bound.min())


def test_the_accountant_agrees_with_opacus():
    rdp = pytest.importorskip("opacus.accountants.analysis.rdp")
    orders = [*(1 + x / 10 for x in range(1, 100)), *range(11, 64), *range(64, 257, 8)]
    spent = rdp.compute_rdp(q=0.01, noise_multiplier=1.1, steps=500, orders=orders)
    theirs, _ = rdp.get_privacy_spent(orders=orders, rdp=spent, delta=1e-5)
    ours = epsilon(noise=1.1, share=0.01, steps=500, delta=1e-5)
    assert ours == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize("order", [2, 5, 9])
def test_the_integral_between_orders_is_the_sum_at_whole_ones(order):
    for noise, share in ((0.7, 0.02), (1.1, 0.004), (3.0, 0.5)):
        whole = federated._divergence(noise, share, order)
        assert federated._divergence(noise, share, float(order)) == pytest.approx(whole, rel=1e-9)
