"""Ordinary model files, as people write them: the clean twins of hostile ones."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

_ESTIMATORS = (
    "calibration.CalibratedClassifierCV",
    "cluster.AgglomerativeClustering",
    "cluster.DBSCAN",
    "cluster.KMeans",
    "covariance.EllipticEnvelope",
    "decomposition.FastICA",
    "decomposition.NMF",
    "decomposition.PCA",
    "decomposition.TruncatedSVD",
    "discriminant_analysis.LinearDiscriminantAnalysis",
    "discriminant_analysis.QuadraticDiscriminantAnalysis",
    "dummy.DummyClassifier",
    "ensemble.AdaBoostClassifier",
    "ensemble.BaggingClassifier",
    "ensemble.ExtraTreesClassifier",
    "ensemble.GradientBoostingClassifier",
    "ensemble.HistGradientBoostingClassifier",
    "ensemble.IsolationForest",
    "ensemble.RandomForestClassifier",
    "feature_selection.SelectKBest",
    "feature_selection.VarianceThreshold",
    "gaussian_process.GaussianProcessClassifier",
    "impute.KNNImputer",
    "impute.SimpleImputer",
    "isotonic.IsotonicRegression",
    "kernel_ridge.KernelRidge",
    "linear_model.BayesianRidge",
    "linear_model.ElasticNet",
    "linear_model.HuberRegressor",
    "linear_model.Lasso",
    "linear_model.LogisticRegression",
    "linear_model.Perceptron",
    "linear_model.Ridge",
    "linear_model.RidgeClassifier",
    "linear_model.SGDClassifier",
    "manifold.Isomap",
    "mixture.GaussianMixture",
    "multiclass.OneVsRestClassifier",
    "naive_bayes.BernoulliNB",
    "naive_bayes.GaussianNB",
    "naive_bayes.MultinomialNB",
    "neighbors.KNeighborsClassifier",
    "neighbors.LocalOutlierFactor",
    "neighbors.NearestCentroid",
    "neural_network.MLPClassifier",
    "preprocessing.KBinsDiscretizer",
    "preprocessing.MinMaxScaler",
    "preprocessing.OneHotEncoder",
    "preprocessing.PolynomialFeatures",
    "preprocessing.PowerTransformer",
    "preprocessing.QuantileTransformer",
    "preprocessing.RobustScaler",
    "preprocessing.StandardScaler",
    "svm.LinearSVC",
    "svm.OneClassSVM",
    "svm.SVC",
    "tree.DecisionTreeClassifier",
    "tree.ExtraTreeRegressor",
)
_NEEDS_MODEL = ("calibration.", "multiclass.")
_N_ROWS = 60


def write_ordinary(folder: Path, rng: Random) -> Path:
    """A file in ``folder`` with a fitted estimator, a pipeline, arrays or a graph."""
    suffix, make = rng.choice(_WRITERS)
    path = folder / f"model{suffix}"
    path.write_bytes(make(rng))
    return path


def _fitted(rng: Random) -> Any:
    """An estimator of scikit-learn, often inside a pipeline, fitted on a few numbers."""
    import warnings

    import numpy as np
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    draws = np.random.default_rng(rng.getrandbits(32))
    labels = np.arange(_N_ROWS) % 2
    features = draws.random((_N_ROWS, 5)) + labels[:, None]
    name = rng.choice(_ESTIMATORS)
    model = _new(name)
    if name.startswith("isotonic."):
        features = features[:, 0]
    elif rng.random() < 0.5:  # noqa: PLR2004 - a coin
        model = make_pipeline(MinMaxScaler(), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a poor fit is as ordinary as a good one
        return model.fit(features, labels)


def _new(name: str) -> Any:
    import importlib

    from sklearn.linear_model import LogisticRegression

    module, _, kind = name.rpartition(".")
    estimator = getattr(importlib.import_module(f"sklearn.{module}"), kind)
    return estimator(LogisticRegression()) if name.startswith(_NEEDS_MODEL) else estimator()


def _pickled(rng: Random) -> bytes:
    return pickle.dumps(_fitted(rng), protocol=rng.choice((2, 3, 4, 5)))


def _bundled(rng: Random) -> bytes:
    """A dictionary with a model and what people keep beside it."""
    facts = {"model": _fitted(rng), "columns": ["a", "b"], "score": rng.random(), "tags": {"x"}}
    return pickle.dumps(facts)


def _dumped(compress: Any) -> Callable[[Random], bytes]:
    def make(rng: Random) -> bytes:
        import joblib

        file = io.BytesIO()
        joblib.dump(_fitted(rng), file, compress=compress)
        return file.getvalue()

    return make


def _array(rng: Random) -> bytes:
    import numpy as np

    file = io.BytesIO()
    draws = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.5:  # noqa: PLR2004 - a coin
        np.save(file, draws.random((rng.randint(1, 50), 4)).astype("float32"))
    else:
        np.savez_compressed(file, w=draws.random((4, 4)), b=draws.integers(0, 9, 4))
    return file.getvalue()


def _tensors(rng: Random) -> bytes:
    """The safetensors format: a length, a JSON header, raw numbers."""
    n_values = rng.randint(1, 200)
    header = {
        "__metadata__": {"format": "pt"},
        "weight": {"dtype": "F32", "shape": [n_values], "data_offsets": [0, 4 * n_values]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    numbers = struct.pack(f"<{n_values}f", *(rng.random() for _ in range(n_values)))
    return struct.pack("<Q", len(text)) + text + numbers


def _graph(rng: Random) -> bytes:
    from hauberk.range.worlds.served import classifier, parrot

    return rng.choice((classifier, parrot))()


_WRITERS: tuple[tuple[str, Callable[[Random], bytes]], ...] = (
    (".pkl", _pickled),
    (".pkl", _pickled),
    (".pickle", _bundled),
    (".joblib", _dumped(0)),
    (".joblib", _dumped(3)),
    (".joblib.gz", _dumped(("gzip", 3))),
    (".npz", _array),
    (".safetensors", _tensors),
    (".onnx", _graph),
)
