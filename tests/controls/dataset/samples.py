"""Small data sets for tests of the data controls."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from sklearn import datasets

from hauberk.core.artifact import Dataset, Splits
from hauberk.formats.tables import table_of


def table(x: np.ndarray, y: np.ndarray, name: str = "t") -> Dataset:
    columns = {f"c{chr(97 + i)}": pa.array(column) for i, column in enumerate(x.T)}
    return table_of(name, [pa.RecordBatch.from_pydict(columns | {"y": pa.array(y)})], label="y")


def images(x: np.ndarray, y: np.ndarray, name: str = "i") -> Dataset:
    cells = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(x))
    rows = pa.RecordBatch.from_arrays([cells, pa.array(y)], names=["X", "y"])
    return table_of(name, [rows], label="y")


def digits(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, y = datasets.load_digits(return_X_y=True)
    picks = np.random.default_rng(seed).permutation(len(y))[:n]
    return (x[picks] * 15).astype(np.uint8).reshape(-1, 8, 8), y[picks]


def cancer() -> tuple[np.ndarray, np.ndarray]:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return x[:, :12], y


def split(make, x: np.ndarray, y: np.ndarray, share: float = 0.75) -> Splits:
    cut = int(share * len(y))
    return Splits(train=make(x[:cut], y[:cut], "train"), test=make(x[cut:], y[cut:], "test"))
