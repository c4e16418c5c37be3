"""How a booster was grown, from the numbers of its file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hauberk.methods.booster_recipes import of_xgboost

_SUMS = np.array([[-60.0, 20.0], [30.0, 25.0], [-10.0, 5.0], [45.0, 15.0]])
"""First and second derivatives of the rows that each of four lowest nodes holds."""


def _tree(rng, rate, smoothing, alpha=0.0, leaf_sums=_SUMS):
    """A full tree of two levels as XGBoost computes it from the sums of its leaves."""
    sums = leaf_sums * rng.uniform(0.5, 2.0, leaf_sums.shape)
    nodes = np.array([sums.sum(0), sums[:2].sum(0), sums[2:].sum(0), *sums])
    pulled = np.sign(nodes[:, 0]) * np.maximum(np.abs(nodes[:, 0]) - alpha, 0)
    weights = -pulled / (nodes[:, 1] + smoothing)
    cuts = np.array([0.1, 0.2, 0.3, *(weights[3:] * rate)])
    return {
        "base_weights": weights.astype(np.float32).tolist(),
        "split_conditions": cuts.astype(np.float32).tolist(),
        "sum_hessian": nodes[:, 1].astype(np.float32).tolist(),
        "loss_changes": [9.0, 4.0, 2.5, 0, 0, 0, 0],
        "left_children": [1, 3, 5, -1, -1, -1, -1],
        "right_children": [2, 4, 6, -1, -1, -1, -1],
    }


def _file(trees, objective="binary:logistic", n_class=0, booster="gbtree"):
    return {
        "learner": {
            "objective": {"name": objective},
            "learner_model_param": {"num_class": str(n_class), "base_score": "5E-1"},
            "gradient_booster": {
                "name": booster,
                "model": {"trees": trees, "gbtree_model_param": {"num_parallel_tree": "1"}},
            },
        }
    }


def _trees(n=40, seed=0, **how):
    rng = np.random.default_rng(seed)
    return [_tree(rng, **how) for _ in range(n)]


@pytest.mark.parametrize("rate", [0.03, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("smoothing", [0.0, 1.0, 7.5])
def test_rate_and_lambda_follow_from_the_weights(rate, smoothing):
    found = of_xgboost(_file(_trees(rate=rate, smoothing=smoothing)))
    assert found.settings["eta"] == pytest.approx(rate, rel=0.02)
    assert found.settings["lambda"] == pytest.approx(smoothing, rel=0.02, abs=0.02)
    assert (found.rounds, found.settings["max_depth"]) == (40, 2)


def test_rounds_of_several_classes_are_counted_once():
    trees = _trees(n=42, rate=0.3, smoothing=1.0)
    found = of_xgboost(_file(trees, "multi:softprob", 3))
    assert found.rounds == 14
    assert found.settings["num_class"] == 3


def test_rows_that_trees_were_not_shown_are_told_from_the_roots():
    trees = _trees(rate=0.3, smoothing=1.0)
    n_rows = round(2 * trees[0]["sum_hessian"][0] / 0.25)
    assert of_xgboost(_file(trees), n_rows).settings["subsample"] == pytest.approx(0.5, abs=0.01)
    assert "subsample" not in of_xgboost(_file(trees), n_rows // 2).settings


def test_other_rules_of_growing_are_noticed():
    with pytest.raises(ValueError, match="other rules"):
        of_xgboost(_file(_trees(rate=0.3, smoothing=1.0, alpha=20.0)))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "lacks"),
        (_file([], "rank:ndcg"), "objective is rank:ndcg"),
        (_file([], booster="gblinear"), "gblinear"),
        (_file([]), "split"),
        (_file([{"left_children": [7], "right_children": [0]}]), "lacks"),
        (_file([{**_trees(1, rate=1.0, smoothing=1.0)[0], "left_children": [0] * 7}]), "no tree"),
    ],
)
def test_a_file_that_does_not_tell_says_why(document, said):
    with pytest.raises(ValueError, match=said):
        of_xgboost(document)


@pytest.mark.parametrize(
    "how",
    [
        {"eta": 0.3, "lambda": 1.0, "max_depth": 5},
        {"eta": 0.07, "lambda": 4.0, "max_depth": 3, "subsample": 0.6},
        {"eta": 0.3, "lambda": 1.0, "max_depth": 4, "tree_method": "exact"},
    ],
)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_real_booster_gives_its_settings_back(how, classes):
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 5))
    codes = np.digitize(rows[:, 0] + rng.normal(size=600) / 2, [-0.5, 0.5][: classes - 1])
    plain = {"objective": "binary:logistic"}
    many = {"objective": "multi:softprob", "num_class": classes}
    settings = (plain if classes == 2 else many) | how | {"nthread": 1}
    booster = xgboost.train(settings, xgboost.DMatrix(rows, codes), 15)
    found = of_xgboost(json.loads(bytes(booster.save_raw("json"))), 600)
    assert found.rounds == 15
    for name in ("eta", "lambda", "max_depth"):
        assert found.settings[name] == pytest.approx(how[name], rel=0.05)
    assert found.settings.get("subsample", 1.0) == pytest.approx(how.get("subsample", 1), abs=0.06)
