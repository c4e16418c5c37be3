"""Gaps between groups from counts alone, with their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.methods.fairness_gaps import gaps


def cases(n: int, lead: float):
    rng = np.random.default_rng(4)
    groups = rng.choice(["a", "b"], n)
    truth = np.where(rng.random(n) < 0.5, "yes", "no")
    chance = np.where(groups == "a", 0.4 + lead, 0.4)
    return truth, np.where(rng.random(n) < chance, "yes", "no"), groups


def found(n: int, lead: float):
    truth, predicted, groups = cases(n, lead)
    return gaps("sex", truth, predicted, groups, given="yes", rng=np.random.default_rng(0))


def test_the_gap_is_the_largest_less_the_smallest_rate():
    _, predicted, groups = cases(400, 0.2)
    rates = [(predicted[groups == name] == "yes").mean() for name in ("a", "b")]
    selection = found(400, 0.2)[0]
    assert selection.rate == "selection"
    assert selection.value == pytest.approx(abs(rates[0] - rates[1]))


def test_an_interval_holds_the_gap_and_narrows_with_the_rows():
    few, many = found(300, 0.2)[0], found(30_000, 0.2)[0]
    assert few.low <= few.value <= few.high
    assert many.low <= many.value <= many.high
    assert many.high - many.low < (few.high - few.low) / 4


def test_the_percentiles_are_those_of_rows_drawn_again():
    _, predicted, groups = cases(500, 0.2)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(800):
        rows = rng.integers(0, 500, 500)
        chosen, group = predicted[rows] == "yes", groups[rows] == "a"
        drawn.append(abs(chosen[group].mean() - chosen[~group].mean()))
    own = found(500, 0.2)[0]
    assert np.allclose(np.quantile(drawn, [0.05, 0.95]), [own.low, own.high], atol=0.02)


def test_a_rate_over_no_rows_is_left_out():
    rates = gaps(
        "sex",
        ["no"] * 20,
        ["no", "yes"] * 10,
        ["a", "b"] * 10,
        given="yes",
        rng=np.random.default_rng(0),
    )
    assert [gap.rate for gap in rates] == ["selection", "false positives"]
