"""Nodes of trees, held against what the libraries themselves say of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.methods.rare_regions import few_honest, moved
from hauberk.methods.tree_nodes import grown_on, of_estimator, of_lightgbm, of_onnx

ROWS = np.random.default_rng(5).normal(size=(300, 4)).astype(np.float32).astype(np.float64)
LABELS = (ROWS[:, 0] * ROWS[:, 1] + ROWS[:, 2] > 0).astype(int)


def _leaves(tree):
    """Rows in each leaf, sorted."""
    counts = tree.reached(ROWS)
    return sorted(counts[tree.feature < 0].tolist())


@pytest.fixture(scope="module")
def forest():
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(5, max_depth=6, bootstrap=False, random_state=1).fit(ROWS, LABELS)


def test_rows_come_by_the_nodes_that_the_library_names(forest):
    for tree, own in zip(of_estimator(forest, 4), forest.estimators_, strict=True):
        assert tree.reached(ROWS).tolist() == own.tree_.n_node_samples.tolist()
        assert tree.count.tolist() == own.tree_.n_node_samples.tolist()


def test_a_scaler_before_the_trees_moves_their_cuts():
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    model = make_pipeline(
        MinMaxScaler(), StandardScaler(), GradientBoostingClassifier(n_estimators=4)
    ).fit(ROWS, LABELS)
    for tree in of_estimator(model, 4):
        assert tree.reached(ROWS).tolist() == tree.count.tolist()


def test_an_unknown_step_before_the_trees_leaves_none():
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    assert of_estimator(make_pipeline(PCA(), DecisionTreeClassifier()).fit(ROWS, LABELS), 4) == []


def test_histogram_boosting_tells_its_nodes():
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=5).fit(ROWS, LABELS)
    for tree in of_estimator(model, 4):
        assert tree.reached(ROWS).tolist() == tree.count.tolist()


def test_lightgbm_tells_its_nodes():
    lightgbm = pytest.importorskip("lightgbm")
    data = lightgbm.Dataset(ROWS, LABELS, params={"verbose": -1})
    booster = lightgbm.train({"objective": "binary", "verbose": -1}, data, num_boost_round=4)
    for number, tree in enumerate(of_lightgbm(booster)):
        place = booster.predict(ROWS, pred_leaf=True)[:, number]
        assert _leaves(tree) == sorted(np.bincount(place.astype(int)).tolist())
        assert tree.reached(ROWS).tolist() == tree.count.tolist()


def test_a_graph_of_trees_is_counted_on_rows(forest):
    skl2onnx = pytest.importorskip("skl2onnx")
    graph = skl2onnx.to_onnx(forest, ROWS[:1].astype(np.float32), options={"zipmap": False})
    found = grown_on(of_onnx(graph.SerializeToString(), 4), ROWS)
    for tree, own in zip(found, of_estimator(forest, 4), strict=True):
        assert _leaves(tree) == _leaves(own)


def test_a_graph_without_trees_has_none():
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LogisticRegression

    graph = skl2onnx.to_onnx(LogisticRegression().fit(ROWS, LABELS), ROWS[:1].astype(np.float32))
    assert of_onnx(graph.SerializeToString(), 4) == []


def test_rows_moved_to_a_node_come_by_it(forest):
    tree = of_estimator(forest, 4)[0]
    for node in np.flatnonzero(tree.feature < 0):
        at = moved(ROWS, tree.box(int(node)))
        assert tree.reached(at)[node] == len(ROWS)


def test_whole_numbers_stay_whole_where_they_can():
    rows = np.array([[1.0, 1.0], [9.0, 9.0]])
    at = moved(rows, {0: (2.5, 4.5), 1: (-np.inf, 3.5)}, whole={0, 1})
    assert at.tolist() == [[4.0, 1.0], [4.0, 3.0]]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(0, 60), st.integers(0, 20))
def test_the_tail_is_the_one_of_scipy(grown, more, few):
    from scipy.stats import hypergeom

    total, honest, both = 60 + more, 80, grown + few
    (mine,) = few_honest(np.array([few]), np.array([both]), total, honest)
    theirs = -hypergeom.logsf(grown - 1, total + honest, both, total) / np.log(10)
    expected = both * honest / (total + honest)
    assert mine == pytest.approx(theirs if few < expected else 0.0, abs=1e-9)
