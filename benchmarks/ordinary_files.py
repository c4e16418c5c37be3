"""Ordinary model files of library versions that the reviewed list was not made with.

Run it with the interpreter of an environment that holds other versions; it writes what people
write (estimators, pipelines, searches, frames, arrays, boosters, fits, checkpoints, graphs) and
needs nothing of Hauberk:

    SOME_ENV/bin/python benchmarks/ordinary_files.py write FOLDER

Then judge the folder, which says how many are called dangerous, for review or not assessed:

    python benchmarks/ordinary_files.py judge FOLDER
"""

from __future__ import annotations

import contextlib
import io
import pickle
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Made = tuple[str, Callable[[], bytes]]


def main() -> int:
    """Write or judge."""
    deed, folder = sys.argv[1], Path(sys.argv[2])
    return write(folder) if deed == "write" else judge(folder)


def write(folder: Path) -> int:
    """One file for each object that the installed libraries can make."""
    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for source in (of_sklearn, of_pandas, of_numpy, of_boosting, of_statsmodels, of_torch, of_onnx):
        with contextlib.suppress(ImportError):
            for name, make in source():
                with contextlib.suppress(Exception):
                    (folder / f"{count:03}-{name}").write_bytes(make())
                    count += 1
    print(f"{count} files")
    return 0


def judge(folder: Path) -> int:
    """Count the verdicts of a load gate; 1 where a file is called dangerous or malformed."""
    from hauberk.engine.load_gate import ModelState, scan_model

    states: Counter[str] = Counter()
    for path in sorted(folder.iterdir()):
        verdict = scan_model(path)
        states[verdict.state.value] += 1
        if not verdict.passes:
            print(f"{path.name}: {verdict.state.value}: {verdict.reason[:200]}")
    print(", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    return int(bool(states[ModelState.DANGEROUS.value] + states[ModelState.MALFORMED.value]))


def pickled(item: Any, protocol: int = 4) -> Callable[[], bytes]:
    """A pickle of it."""
    return lambda: pickle.dumps(item, protocol=protocol)


def dumped(item: Any, compress: Any = 0) -> Callable[[], bytes]:
    """A joblib file of it."""

    def make() -> bytes:
        import joblib

        file = io.BytesIO()
        joblib.dump(item, file, compress=compress)
        return file.getvalue()

    return make


def rows() -> tuple[Any, Any]:
    """60 rows of five features and three classes."""
    import numpy as np

    return np.random.default_rng(0).random((60, 5)), np.arange(60) % 3


def of_sklearn() -> Iterator[Made]:
    """Every estimator that fits without arguments, and what is built of them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils import all_estimators

    features, labels = rows()
    for number, (name, kind) in enumerate(all_estimators()):
        with contextlib.suppress(Exception):
            model = kind()
            if hasattr(model, "n_estimators"):
                model.set_params(n_estimators=3)
            model.fit(features, features[:, 0] if "egress" in name else labels)
            ways = (pickled(model, 2 + number % 4), dumped(model), dumped(model, 3))
            yield f"{name}.pkl", ways[number % 3]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.1, 1]},
        cv=2,
    )
    yield "search.joblib", dumped(search.fit(features, labels))
    with contextlib.suppress(ImportError):
        import skops.io

        yield "search.skops", lambda: skops.io.dumps(search)


def of_pandas() -> Iterator[Made]:
    """Frames and indexes of all kinds."""
    import pandas as pd

    frame = pd.DataFrame(rows()[0], columns=list("abcde"))
    frame["word"] = ["x", "y", "z"] * 20
    items = {
        "frame": frame,
        "category": frame["word"].astype("category"),
        "groups": frame.groupby(["word", "a"]).sum(),
        "times": pd.Series(range(5), index=pd.date_range("2020-01-01", periods=5, tz="UTC")),
        "periods": pd.period_range("2020-01", periods=4, freq="M"),
        "intervals": pd.cut(frame["a"], 3),
        "texts": frame["word"].astype("string"),
        "nullable": pd.array([1, None], dtype="Int64"),
    }
    for name, item in items.items():
        yield f"{name}.pkl", pickled(item)


def of_numpy() -> Iterator[Made]:
    """Arrays, scalars, generators."""
    import numpy as np

    items = {
        "array": np.ones((3, 4)),
        "objects": np.array(["a", 1, None], dtype=object),
        "records": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        "scalar": np.float32(3),
        "state": np.random.RandomState(1),
        "generator": np.random.default_rng(1),
        "masked": np.ma.array([1, 2], mask=[0, 1]),
    }
    for number, (name, item) in enumerate(items.items()):
        yield f"{name}.pkl", pickled(item, number % 6)
    yield "arrays.npz", lambda: _saved(lambda file: np.savez_compressed(file, **items))


def _saved(save: Callable[[Any], Any]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()


def of_boosting() -> Iterator[Made]:
    """Boosters of both libraries, pickled and in their own formats."""
    features, labels = rows()
    with contextlib.suppress(ImportError):
        import xgboost

        booster = xgboost.XGBClassifier(n_estimators=3).fit(features, labels)
        yield "xgboost.pkl", pickled(booster)
        yield "xgboost.ubj", lambda: bytes(booster.get_booster().save_raw("ubj"))
        yield "xgboost.json", lambda: bytes(booster.get_booster().save_raw("json"))
        yield "xgboost.bin", lambda: bytes(booster.get_booster().save_raw("deprecated"))
    with contextlib.suppress(ImportError):
        import lightgbm

        for kind in (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor):
            model = kind(n_estimators=3, verbose=-1).fit(features, labels)
            yield f"{kind.__name__}.pkl", pickled(model)
            yield f"{kind.__name__}.txt", model.booster_.model_to_string().encode


def of_statsmodels() -> Iterator[Made]:
    """Fits of some families."""
    import pandas as pd
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    features, labels = rows()
    frame = pd.DataFrame(features, columns=list("abcde")).assign(y=labels)
    fits: dict[str, Callable[[], Any]] = {
        "ols": sm.OLS(frame.y, sm.add_constant(frame[["a", "b"]])).fit,
        "formula": smf.ols("y ~ a + b + C(c > 0.5)", frame).fit,
        "poisson": sm.GLM(frame.y, frame[["a"]], family=sm.families.Poisson()).fit,
        "arima": sm.tsa.ARIMA(frame.a, order=(1, 0, 0)).fit,
        "robust": sm.RLM(frame.y, frame[["a"]]).fit,
        "quantiles": smf.quantreg("y ~ a", frame).fit,
        "smoothing": sm.tsa.ExponentialSmoothing(frame.a, trend="add").fit,
    }
    for name, fit in fits.items():
        yield f"{name}.pickle", lambda fit=fit: pickle.dumps(fit())


def of_torch() -> Iterator[Made]:
    """State dictionaries, modules, checkpoints, scripts and programs."""
    import torch
    from torch import nn

    modules = {
        "linear": nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 2)),
        "convolution": nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Flatten()),
        "recurrent": nn.LSTM(5, 6, 2, batch_first=True),
        "transformer": nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1),
    }
    for name, module in modules.items():
        yield f"{name}.pt", lambda m=module: _saved(lambda file: torch.save(m.state_dict(), file))
        yield f"{name}-whole.pth", lambda m=module: _saved(lambda file: torch.save(m, file))
        yield (
            f"{name}.bin",
            lambda m=module: _saved(
                lambda file: torch.save(m.state_dict(), file, _use_new_zipfile_serialization=False)
            ),
        )
    for name in ("SGD", "Adam", "AdamW", "RMSprop"):
        optimizer = getattr(torch.optim, name)(modules["linear"].parameters(), lr=0.1)
        facts = {"epoch": 3, "optimizer": optimizer.state_dict(), "loss": torch.tensor(0.5)}
        yield f"{name}.ckpt", lambda f=facts: _saved(lambda file: torch.save(f, file))
    row = torch.rand(2, 5)
    linear = modules["linear"].eval()
    yield (
        "traced.pt",
        lambda: _saved(lambda file: torch.jit.save(torch.jit.trace(linear, row), file)),
    )
    yield (
        "program.pt2",
        lambda: _saved(lambda file: torch.export.save(torch.export.export(linear, (row,)), file)),
    )


def of_onnx() -> Iterator[Made]:
    """Graphs of single operators, and of estimators where there is a converter."""
    from onnx import helper

    ends = [helper.make_tensor_value_info(name, 1, [None, 5]) for name in "xy"]
    for operator in ("Relu", "Softmax", "Erf", "HardSwish"):
        node = helper.make_node(operator, ["x"], ["y"])
        graph = helper.make_graph([node], "g", ends[:1], ends[1:])
        yield f"{operator}.onnx", helper.make_model(graph).SerializeToString


if __name__ == "__main__":
    sys.exit(main())
