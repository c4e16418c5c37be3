"""Write the list of names that honest pickles of scientific libraries contain.

The script makes objects of the libraries that are installed where it runs, writes them
with every pickle protocol and with joblib, reads the files with the product's own reader
and records which names were used and how. Classes of estimators, distributions, trees and
the like that no example here happened to reach are added by walking the packages named in
`WALKED`; functions are added only where pickles refer to them as values (metrics, ufuncs).

Run it once for each set of library versions; the results are merged. Arguments limit it to
some libraries (boosting stands for xgboost and lightgbm):

    PYTHONPATH=src python scripts/generate_pickle_allowlist.py [sklearn torch ...]

Review the difference before committing it: every new name is let through unseen.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import pickle
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hauberk.formats.pickle_events import Called, Imported, Received
from hauberk.formats.pickle_policy import Standing, known
from hauberk.formats.pickle_values import Call, Global, arguments
from hauberk.formats.pickles import read_pickle
from hauberk.formats.spans import span_of

TARGET = Path(__file__).parents[1] / "src/hauberk/formats/pickle_allowlist.json"
LIBRARIES = (
    "category_encoders",
    "imblearn",
    "joblib",
    "lightgbm",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "statsmodels",
    "torch",
    "xgboost",
)
STRAYS = ("_loss",)
"""Modules that compiled code of scikit-learn 1.3 to 1.5 names without their package."""

SKIPPED = (
    ".tests",
    ".externals",
    ".conftest",
    ".setup",
    "_testing",
    ".datasets",
    "._build_utils",
    "estimator_checks",
    "_test_common",
    "._show_versions",
    "_mocking",
    "_plot",
    ".sandbox",
    ".iolib",
    ".tools.web",
    ".graphics",
    ".compat",
    ".io.",
    "_pytest",
    "._lib.",
    "scipy.odr",
    "scipy.fft",
    "torch.nn.parallel.distributed",
)
ANY = ("*",)
"""Every class that a package defines: what is made of it is a state, which runs nothing."""

WALKED = {
    "sklearn": (
        "BaseEstimator",
        "Kernel",
        "_BaseScorer",
        "BaseCrossValidator",
        "BaseShuffleSplit",
        "_RepeatedSplits",
        "BaseLoss",
        "BaseLink",
        "Bunch",
        "LossFunction",
        "object",
    ),
    "scipy.stats": (
        *("rv_generic", "rv_frozen", "rv_sample", "multi_rv_generic", "multi_rv_frozen"),
        *("_KDE", "gaussian_kde", "tuple", "QMCEngine", "BootstrapResult", "Covariance", "object"),
    ),
    **dict.fromkeys(
        ("scipy.interpolate", "scipy.signal", "scipy.sparse", "scipy.spatial", "scipy.optimize"),
        ANY,
    ),
    "statsmodels": ANY,
    "imblearn": ("BaseEstimator",),
    "category_encoders": ("BaseEstimator",),
    "torch.nn.modules": ("Module",),
    "torch.nn.parallel": ("DataParallel",),
    "torch.nn.utils": ("BasePruningMethod", "WeightNorm", "SpectralNorm"),
    "torch.nn.qat": ("Module",),
    "torch.optim": ("Optimizer", "LRScheduler", "AveragedModel", "SWALR", "ReduceLROnPlateau"),
    "torch.distributions": ("Distribution", "Transform", "Constraint"),
    "torch.ao.nn": ("Module",),
    "torch.ao.quantization": ("Module", "QConfig", "tuple"),
}
OPENERS = ("__del__", "__enter__", "__fspath__", "__call_python__")
REFERRED = (
    *("sklearn.metrics", "sklearn.metrics.pairwise", "sklearn.feature_selection"),
    *("torch.nn.functional", "torch.nn.init"),
)
VALUES = (
    "numpy",
    "numpy.linalg",
    "numpy.fft",
    "scipy.special",
    "scipy.stats",
    "scipy.spatial.distance",
)
"""Packages whose public functions are handed about as values, never called by a pickle."""

EFFECTS = re.compile(
    r"^_|save|load|file|source|info|lookfor|show_|set_|^set|err|print|include|dlpack"
)
"""Public functions of numerical packages that do more than compute."""

STATE_HOOKS = ("__setstate__", "__setstate_cython__", "__new__", "__getattr__", "__getattribute__")
RUNS_CODE = re.compile(
    r"\b(eval|exec|compile|__import__|import_module|open|system|popen|Popen|loads?|run|unlink|remove"
    r"|rmtree|mkdir|makedirs|urlopen|getattr|setattr)\("
)
REVIEWED_HOOKS = (
    "torch.nn.modules",
    "torch.optim",
    "torch.ao",
    "sklearn.",
    "scipy.stats",
    "statsmodels",
)
"""Packages whose hooks were read by a person: they use ``setattr`` and the like on themselves."""


def main() -> None:
    """Record, merge with what is there, write."""
    only = set(sys.argv[1:])
    uses: dict[str, set[str]] = {}
    made = failed = 0
    for item in examples(only):
        ok = record(item, uses)
        made, failed = made + ok, failed + (not ok)
    for path, letters in walked(only):
        uses.setdefault(path, set()).update(letters)
    write(uses)
    print(f"{made} objects written, {failed} could not be, {len(uses)} names")


# Recording --------------------------------------------------------------------------------


def record(item: Any, uses: dict[str, set[str]]) -> bool:
    """Write ``item`` in all ways and record the names; whether any way worked."""
    worked = False
    for data, arrays in encodings(item):
        worked = True
        for event in read_pickle(span_of(data), arrays=arrays):
            note(event, uses)
    return worked


def encodings(item: Any) -> Iterator[tuple[bytes, bool]]:
    """The bytes of ``item`` in all protocols, and in joblib's layout."""
    import joblib

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with contextlib.suppress(Exception):
            yield pickle.dumps(item, protocol=protocol), False
    for protocol in (2, None):
        with contextlib.suppress(Exception):
            buffer = io.BytesIO()
            joblib.dump(item, buffer, protocol=protocol)
            yield buffer.getvalue(), True


def note(event: Any, uses: dict[str, set[str]]) -> None:
    """Take the use of a name from one event."""
    if isinstance(event, Imported):
        add(event.target, "r", uses)
    elif isinstance(event, Called):
        add(event.call.callee, "n" if event.call.opcode.startswith("NEWOBJ") else "c", uses)
        if is_reconstructor(event.call):
            add((arguments(event.call) or [None])[0], "n", uses)
    elif isinstance(event, Received) and isinstance(event.target, Call):
        add(event.target.callee, "k", uses)


def is_reconstructor(call: Call) -> bool:
    """Whether a call makes an object without its constructor."""
    return isinstance(call.callee, Global) and call.callee.module == "copyreg"


def add(target: Any, letter: str, uses: dict[str, set[str]]) -> None:
    """Record one use, if the name is one of the libraries'."""
    if isinstance(target, Global) and target.module.split(".")[0] in (*LIBRARIES, *STRAYS):
        uses.setdefault(f"{target.module} {target.name}", set()).add(letter)


def write(uses: dict[str, set[str]]) -> None:
    """Merge with the committed list and write it in a stable order."""
    old = (
        json.loads(TARGET.read_text("utf-8"))
        if TARGET.exists()
        else {"globals": {}, "libraries": {}}
    )
    merged = {
        module: {name: set(letters) for name, letters in names.items()}
        for module, names in old["globals"].items()
    }
    for key, letters in uses.items():
        module, name = key.split(" ")
        merged.setdefault(module, {}).setdefault(name, set()).update(letters)
    libraries = {name: set(found) for name, found in old["libraries"].items()}
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            libraries.setdefault(name, set()).add(importlib.import_module(name).__version__)
    body = {
        "globals": {
            module: {name: "".join(sorted(merged[module][name])) for name in sorted(merged[module])}
            for module in sorted(merged)
        },
        "libraries": {name: sorted(found) for name, found in sorted(libraries.items())},
    }
    TARGET.write_text(json.dumps(body, indent=1, ensure_ascii=True) + "\n", "utf-8")


# Walking packages -------------------------------------------------------------------------


def walked(only: set[str]) -> Iterator[tuple[str, str]]:
    """Classes and values of the packages that no example reached, with their uses."""
    chosen = {
        package: bases
        for package, bases in WALKED.items()
        if not only or package.partition(".")[0] in only
    }
    for package, bases in chosen.items():
        for module in modules_of(package):
            for name, item in vars(module).items():
                if is_own_class(item, module) and fits(item, bases):
                    yield f"{module.__name__} {item.__qualname__}", "rn"
                elif name.startswith("__pyx_unpickle_"):
                    yield f"{module.__name__} {name}", "rc"
    yield from (pair for package in REFERRED for pair in functions_of(package))
    yield from (pair for package in VALUES for pair in values_of(package))


def values_of(package: str) -> Iterator[tuple[str, str]]:
    """Public functions of a numerical package under the names that pickles give them."""
    with contextlib.suppress(ImportError):
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            item = getattr(module, name, None)
            home = getattr(item, "__module__", None) or package
            is_function = callable(item) and not inspect.isclass(item)
            if (
                is_function
                and not EFFECTS.search(name)
                and home.split(".")[0] == package.split(".", maxsplit=1)[0]
            ):
                found = known(Global(home, getattr(item, "__name__", name), 0))
                if found.standing is Standing.UNKNOWN:
                    yield f"{home} {getattr(item, '__name__', name)}", "r"


def functions_of(package: str) -> Iterator[tuple[str, str]]:
    """Functions that a package defines, as values to refer to."""
    with contextlib.suppress(ImportError):
        for item in vars(importlib.import_module(package)).values():
            if inspect.isfunction(item) and item.__module__.startswith(package):
                yield f"{item.__module__} {item.__qualname__}", "r"


def modules_of(package: str) -> Iterator[Any]:
    """All modules below a package that are not about tests, plots or data sets."""
    try:
        root = importlib.import_module(package)
    except ImportError:
        return
    yield root
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not any(part in info.name for part in SKIPPED):
            with contextlib.suppress(Exception):
                yield importlib.import_module(info.name)


def is_own_class(item: Any, module: Any) -> bool:
    """Whether a class is defined in the module in which it was found."""
    return inspect.isclass(item) and item.__module__ == module.__name__


def fits(item: type, bases: tuple[str, ...]) -> bool:
    """Whether a class descends from one of the named ones and holds nothing open."""
    if any(name in vars(item) for name in OPENERS) or issubclass(item, BaseException):
        return False
    if runs_code(item):
        return False
    names = {base.__name__ for base in item.__mro__[:-1]}
    is_compiled = "__pyx_vtable__" in vars(item) or "__setstate_cython__" in vars(item)
    return bases == ANY or bool(names & set(bases)) or is_compiled


def runs_code(item: type) -> bool:
    """Whether making an object and setting its state may run text, open files or import."""
    if item.__module__.startswith(REVIEWED_HOOKS):
        return False
    for base in item.__mro__[:-1]:
        for name in STATE_HOOKS:
            hook = vars(base).get(name)
            hook = getattr(hook, "__func__", hook)
            if inspect.isfunction(hook) and RUNS_CODE.search(source_of(hook)):
                return True
    return False


def source_of(hook: Any) -> str:
    """The text of a function; one that is made at run time counts as running code."""
    try:
        return inspect.getsource(hook)
    except (OSError, TypeError):
        is_tuple = "_cls" in hook.__code__.co_varnames  # what collections.namedtuple makes
        return "" if is_tuple else "exec("


# Examples ---------------------------------------------------------------------------------


def examples(only: set[str]) -> Iterator[Any]:
    """Objects of all libraries, each made on its own so that one failure costs one."""
    for source in (
        of_numpy,
        of_scipy,
        of_pandas,
        of_sklearn,
        of_boosting,
        of_statsmodels,
        of_torch,
    ):
        if only and source.__name__.removeprefix("of_") not in only:
            continue
        with contextlib.suppress(ImportError):
            yield from source()


def of_numpy() -> Iterator[Any]:
    """Arrays, scalars, generators and the small classes around them."""
    import numpy as np

    kinds = (
        "?",
        "i1",
        "i2",
        "i4",
        "i8",
        "u1",
        "u2",
        "u4",
        "u8",
        "f2",
        "f4",
        "f8",
        "c8",
        "c16",
        "U5",
        "S5",
        "V3",
        "M8[ns]",
        "m8[D]",
        "O",
        ">f8",
        "g",
    )
    for kind in kinds:
        with contextlib.suppress(Exception):
            array = np.zeros((2, 3), dtype=kind)
            yield from (
                array,
                array[0, 0],
                np.asfortranarray(array),
                array[:, :2],
                array.dtype,
                array.dtype.type,
            )
            yield type(array.dtype)
    yield np.zeros(2, dtype=[("a", "f8"), ("b", "O"), ("c", "i4", (2,))])
    yield np.zeros(2, dtype=[("a", "f8")])[0]
    yield np.rec.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")])
    yield from (
        np.ma.masked_array([1, 2], mask=[0, 1]),
        np.ma.masked,
        np.ma.mvoid,
        np.matrix([[1]]),
    )
    yield from (np.random.RandomState(0), np.random.default_rng(0), np.random.SeedSequence(1))
    for name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        yield np.random.Generator(getattr(np.random, name)(1))
        yield getattr(np.random, name)(1)
    yield from (np.poly1d([1, 2]), np.polynomial.Polynomial([1]), np.polynomial.Chebyshev([1]))
    yield from (
        np.polynomial.Legendre([1]),
        np.polynomial.Hermite([1]),
        np.polynomial.Laguerre([1]),
    )
    yield from (value for value in vars(np).values() if isinstance(value, np.ufunc))
    yield from (
        np.mean,
        np.median,
        np.std,
        np.sum,
        np.nan_to_num,
        np.clip,
        np.ravel,
        np.char.array(["a"]),
    )
    yield from (
        np.min,
        np.max,
        np.var,
        np.argmax,
        np.percentile,
        np.nanmean,
        np.nanmedian,
        np.nanstd,
    )
    yield [
        np.float64(1),
        {"x": np.int64(1)},
        np.bool_(1),
        np.str_("a"),
        np.bytes_(b"a"),
        np.void(b"a"),
    ]
    yield from (
        np.ndarray,
        np.generic,
        np.number,
        np.floating,
        np.integer,
        np.nditer,
        np.errstate(),
    )


def of_scipy() -> Iterator[Any]:
    """Sparse matrices, distributions, interpolators, trees and results."""
    import numpy as np
    from scipy import interpolate, optimize, signal, sparse, spatial, special, stats

    dense = np.eye(4)
    for name in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok"):
        for suffix in ("matrix", "array"):
            with contextlib.suppress(Exception):
                yield getattr(sparse, f"{name}_{suffix}")(dense)
    x, y = np.arange(6.0), np.arange(6.0) ** 2
    makers = (
        lambda: interpolate.interp1d(x, y),
        lambda: interpolate.CubicSpline(x, y),
        lambda: interpolate.BSpline(x, y[:2], 3),
        lambda: interpolate.PchipInterpolator(x, y),
        lambda: interpolate.UnivariateSpline(x, y),
        lambda: interpolate.RegularGridInterpolator((x,), y),
        lambda: interpolate.Akima1DInterpolator(x, y),
        lambda: interpolate.RBFInterpolator(x[:, None], y),
        lambda: interpolate.PPoly(y[:, None], np.arange(2.0)),
        lambda: interpolate.InterpolatedUnivariateSpline(x, y),
        lambda: interpolate.NearestNDInterpolator(np.eye(3), x[:3]),
        lambda: interpolate.make_interp_spline(x, y),
        lambda: interpolate.Rbf(x, y),
        lambda: interpolate.BarycentricInterpolator(x, y),
        lambda: spatial.KDTree(dense),
        lambda: spatial.cKDTree(dense),
        lambda: spatial.transform.Rotation.from_quat([0, 0, 0, 1]),
        lambda: optimize.minimize(lambda v: (v**2).sum(), [1.0]),
        lambda: optimize.OptimizeResult(x=1),
        lambda: optimize.LinearConstraint(dense, 0, 1),
        lambda: optimize.Bounds(0, 1),
        lambda: stats.gaussian_kde(y),
        lambda: stats.norm(0, 1),
        lambda: stats.randint(0, 5),
        lambda: stats.linregress(x, y),
        lambda: stats.ttest_1samp(x, 0),
        lambda: stats.multivariate_normal(np.zeros(2), np.eye(2)),
        lambda: stats.rv_histogram(np.histogram(x)),
        lambda: stats.describe(x),
        lambda: stats.pearsonr(x, y),
        lambda: signal.lti([1], [1, 2]),
        lambda: signal.dlti([1], [1, 2]),
        lambda: special.orthogonal.legendre(3),
        lambda: special.legendre(3),
    )
    for maker in makers:
        with contextlib.suppress(Exception):
            yield maker()
    for name in dir(stats):
        item = getattr(stats, name)
        if isinstance(item, stats.rv_continuous | stats.rv_discrete):
            yield item
    yield stats.rv_continuous
    yield from (value for value in vars(special).values() if isinstance(value, np.ufunc))
    with contextlib.suppress(Exception):
        yield from (
            stats.uniform(0, 1),
            stats.loguniform(1e-3, 1),
            stats.expon(scale=2),
            stats.poisson(3),
        )


def of_pandas() -> Iterator[Any]:
    """Frames, series and indexes over the types of pandas."""
    import numpy as np
    import pandas as pd

    when = pd.date_range("2024-01-01", periods=4, tz="Europe/Paris")
    columns = {
        "i": [1, 2, 3, 4],
        "f": [1.0, np.nan, 2, 3],
        "s": list("abcd"),
        "b": [True, False] * 2,
        "t": when,
        "n": when.tz_localize(None),
        "d": pd.to_timedelta([1, 2, 3, 4]),
        "c": pd.Categorical(list("abab"), ordered=True),
        "p": pd.period_range("2024", periods=4, freq="M"),
        "v": pd.interval_range(0, 4),
        "I": pd.array([1, None, 2, 3], dtype="Int64"),
        "F": pd.array([1, None, 2, 3], dtype="Float64"),
        "B": pd.array([True, None, False, True], dtype="boolean"),
        "S": pd.array(list("abcd"), dtype="string"),
        "o": [object, None, "x", 1],
        "sp": pd.arrays.SparseArray([0, 0, 1, 0]),
    }
    frame = pd.DataFrame(columns)
    yield from (
        frame,
        frame.T,
        frame.set_index(["i", "s"]),
        frame[["i", "f"]].describe(),
        frame.dtypes,
        frame[["i", "f"]],
    )
    for name in columns:
        yield from (
            frame[name],
            frame[name].dtype,
            pd.Index(frame[name]),
            frame.set_index(name)[["i"] if name != "i" else ["f"]],
        )
        with contextlib.suppress(Exception):
            yield frame[name].iloc[0]
    yield from (
        pd.Timestamp("2024"),
        pd.Timedelta(1),
        pd.NaT,
        pd.NA,
        pd.Period("2024"),
        pd.Interval(0, 1),
        pd.RangeIndex(3),
    )
    yield from (
        pd.MultiIndex.from_product([[1, 2], ["a"]]),
        pd.CategoricalDtype(["a"]),
        pd.Int8Dtype(),
        pd.StringDtype(),
    )
    for name in dir(pd.offsets):
        with contextlib.suppress(Exception):
            yield getattr(pd.offsets, name)()
    yield from (
        frame[["b", "f"]].groupby("b").mean(),
        pd.Series([1, 2], name="x").rolling(2).mean(),
    )
    for dtype in ("Int8", "Int16", "Int32", "UInt8", "UInt16", "UInt32", "UInt64", "Float32"):
        yield from (pd.Series([1, None], dtype=dtype), pd.array([1], dtype=dtype).dtype)
    with contextlib.suppress(Exception):
        yield pd.Series(["a"], dtype="string[pyarrow]")


def of_sklearn() -> Iterator[Any]:
    """Every estimator, fitted where its defaults allow it, with the options that matter."""
    import numpy as np
    from sklearn.utils import Bunch, all_estimators

    rng = np.random.RandomState(0)
    points = np.abs(rng.normal(size=(60, 4)))
    labels = (points[:, 0] > points[:, 1]).astype(int)
    for _, kind in all_estimators():
        for maker in variants(kind):
            with contextlib.suppress(Exception):
                estimator = maker()
                yield estimator
                yield fitted(estimator, points, labels)
    yield Bunch(a=1)
    yield from special_sklearn(points, labels)


def variants(kind: type) -> Iterator[Any]:
    """Ways to make one estimator."""
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression, Ridge

    yield kind
    for argument in (
        LogisticRegression(),
        Ridge(),
        [("a", LogisticRegression()), ("b", LogisticRegression())],
        [("a", Ridge()), ("b", Ridge())],
        KMeans(2),
    ):
        yield lambda argument=argument: kind(argument)
    yield lambda: kind(LogisticRegression(), {"C": [1, 2]})
    options = {
        "loss": (
            "squared_error",
            "log_loss",
            "exponential",
            "hinge",
            "huber",
            "modified_huber",
            "squared_hinge",
            "perceptron",
            "absolute_error",
            "quantile",
            "poisson",
            "gamma",
            "epsilon_insensitive",
            "deviance",
            "ls",
            "lad",
        ),
        "kernel": ("linear", "poly", "rbf", "sigmoid"),
        "solver": (
            "liblinear",
            "sag",
            "lbfgs",
            "svd",
            "cholesky",
            "eigen",
            "sgd",
            "adam",
            "newton-cholesky",
        ),
        "metric": (
            "euclidean",
            "manhattan",
            "chebyshev",
            "minkowski",
            "haversine",
            "hamming",
            "canberra",
            "braycurtis",
            "jaccard",
            "dice",
        ),
        "algorithm": ("ball_tree", "kd_tree", "brute", "auto", "lloyd", "elkan", "SAMME"),
        "criterion": ("gini", "entropy", "log_loss", "friedman_mse", "absolute_error", "poisson"),
        "splitter": ("random",),
        "n_estimators": (3,),
        "early_stopping": (True,),
        "power": (1.5, 2.0, 3.0),
        "method": ("sigmoid", "isotonic"),
    }
    parameters = inspect.signature(kind).parameters
    for name, values in options.items():
        if name in parameters:
            for value in values:
                yield lambda name=name, value=value: kind(**{name: value})


def fitted(estimator: Any, points: Any, labels: Any) -> Any:
    """``estimator`` fitted on numbers, on positive whole numbers, on text or on targets."""
    from sklearn.base import clone

    attempts = (
        (points, labels),
        (points, points[:, 0]),
        ((points * 5).astype(int), labels),
        (["a b", "b c"] * 30, labels),
        ([{"a": 1}, {"b": 2}] * 30, labels),
        (points, points[:, :2]),
        (points[:, 0], points[:, 1]),
        (labels, labels),
        (points @ points.T, labels),
    )
    for values, targets in attempts:
        try:
            return clone(estimator).fit(values, targets)
        except Exception:  # noqa: BLE001 - many do not fit, on purpose
            continue
    raise ValueError


def special_sklearn(points: Any, labels: Any) -> Iterator[Any]:
    """Compositions, kernels, splitters, scorers and trees that defaults do not reach."""
    import numpy as np
    from scipy import stats
    from sklearn import (
        compose,
        ensemble,
        feature_extraction,
        gaussian_process,
        linear_model,
        metrics,
        model_selection,
        neighbors,
        pipeline,
        preprocessing,
        svm,
        tree,
    )

    kernels = gaussian_process.kernels
    makers = (
        lambda: pipeline.make_pipeline(
            preprocessing.StandardScaler(), svm.SVC(probability=True)
        ).fit(points, labels),
        lambda: compose.make_column_transformer(
            (preprocessing.StandardScaler(), [0]),
            (preprocessing.OneHotEncoder(), [1]),
            remainder="passthrough",
        ).fit(points, labels),
        lambda: compose.make_column_transformer(
            (preprocessing.StandardScaler(), compose.make_column_selector(dtype_include=float))
        ),
        lambda: pipeline.make_union(
            preprocessing.StandardScaler(), preprocessing.MinMaxScaler()
        ).fit(points),
        lambda: model_selection.GridSearchCV(
            tree.DecisionTreeClassifier(),
            {"max_depth": [1, 2]},
            cv=model_selection.StratifiedKFold(2),
        ).fit(points, labels),
        lambda: model_selection.RandomizedSearchCV(
            linear_model.LogisticRegression(),
            {"C": stats.uniform(0.1, 2), "tol": stats.loguniform(1e-4, 1e-2)},
            n_iter=2,
        ).fit(points, labels),
        lambda: gaussian_process.GaussianProcessRegressor(
            kernels.RBF() + kernels.WhiteKernel() * kernels.Matern() + kernels.DotProduct() ** 2
        ).fit(points, points[:, 0]),
        lambda: [
            kernels.RationalQuadratic(),
            kernels.ExpSineSquared(),
            kernels.ConstantKernel(),
            kernels.CompoundKernel([kernels.RBF()]),
            kernels.PairwiseKernel(),
        ],
        lambda: neighbors.KDTree(points),
        lambda: neighbors.BallTree(points),
        lambda: tree.ExtraTreeRegressor().fit(points, points[:, 0]),
        lambda: ensemble.HistGradientBoostingClassifier(max_iter=3).fit(points, np.arange(60) % 3),
        lambda: ensemble.GradientBoostingClassifier(n_estimators=3).fit(points, np.arange(60) % 3),
        lambda: ensemble.HistGradientBoostingRegressor(max_iter=3, categorical_features=[1]).fit(
            (points * 5).astype(int), labels
        ),
        lambda: ensemble.StackingClassifier(
            [("a", tree.DecisionTreeClassifier()), ("b", linear_model.LogisticRegression())]
        ).fit(points, labels),
        lambda: feature_extraction.text.TfidfVectorizer().fit(["a b c", "big cat"]),
        feature_extraction.text.HashingVectorizer,
        lambda: preprocessing.FunctionTransformer(np.log1p),
        lambda: feature_extraction.text.CountVectorizer(tokenizer=str.split, token_pattern=None),
        lambda: preprocessing.FunctionTransformer(np.sqrt, inverse_func=np.square),
        linear_model.LogisticRegression().fit(points, labels).sparsify,
        lambda: [metrics.get_scorer(name) for name in metrics.get_scorer_names()],
        lambda: [
            getattr(model_selection, name)
            for name in model_selection.__all__
            if "Fold" in name or "Shuffle" in name or "Split" in name
        ],
        lambda: [
            getattr(model_selection, name)()
            for name in (
                "KFold",
                "StratifiedKFold",
                "GroupKFold",
                "ShuffleSplit",
                "TimeSeriesSplit",
                "LeaveOneOut",
                "RepeatedKFold",
                "RepeatedStratifiedKFold",
                "StratifiedShuffleSplit",
                "GroupShuffleSplit",
                "LeaveOneGroupOut",
                "StratifiedGroupKFold",
            )
        ],
    )
    for maker in makers:
        with contextlib.suppress(Exception):
            yield maker()


def of_boosting() -> Iterator[Any]:
    """XGBoost and LightGBM models."""
    import numpy as np

    points = np.random.RandomState(0).normal(size=(80, 4))
    labels = (points[:, 0] > 0).astype(int)
    for package, names in (
        (
            "xgboost",
            ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker"),
        ),
        ("lightgbm", ("LGBMClassifier", "LGBMRegressor", "LGBMRanker")),
    ):
        with contextlib.suppress(ImportError):
            module = importlib.import_module(package)
            for name in names:
                model = getattr(module, name)(n_estimators=3)
                yield model
                with contextlib.suppress(Exception):
                    extra = {"group": [80]} if "Ranker" in name else {}
                    yield model.fit(points, labels, **extra)
                    yield model.get_booster() if package == "xgboost" else model.booster_
                with contextlib.suppress(Exception):
                    stops = [module.callback.EarlyStopping(2)] if package == "xgboost" else []
                    yield getattr(module, name)(callbacks=stops)
            with contextlib.suppress(Exception):
                yield (
                    [module.DMatrix(points, labels)]
                    if package == "xgboost"
                    else [module.Dataset(points, labels)]
                )


def of_statsmodels() -> Iterator[Any]:
    """Results of the common regressions."""
    import numpy as np
    import statsmodels.api as sm
    import statsmodels.tsa.api as tsa

    points = sm.add_constant(np.random.RandomState(0).normal(size=(80, 3)))
    target = points @ np.arange(4.0)
    labels = (points[:, 1] + np.random.RandomState(1).normal(size=80) > 0).astype(int)
    for maker in (
        lambda: sm.OLS(target, points).fit(),
        lambda: sm.WLS(target, points).fit(),
        lambda: sm.GLM(labels, points, family=sm.families.Binomial()).fit(),
        lambda: sm.Logit(labels, points).fit(disp=0),
        lambda: sm.Probit(labels, points).fit(disp=0),
        lambda: sm.RLM(target, points).fit(),
        lambda: sm.QuantReg(target, points).fit(),
        lambda: sm.tsa.ARIMA(target, order=(1, 0, 0)).fit(),
        lambda: sm.tsa.SimpleExpSmoothing(target).fit(),
        lambda: sm.tsa.ExponentialSmoothing(target).fit(),
        lambda: sm.MNLogit(labels, points).fit(disp=0),
        lambda: sm.GLM(labels, points, family=sm.families.Poisson()).fit(),
        lambda: sm.tsa.AutoReg(target, 1).fit(),
        lambda: tsa.ETSModel(target).fit(disp=0),
        lambda: tsa.ETSModel(np.exp(target), error="mul", trend="add").fit(disp=0),
    ):
        with contextlib.suppress(Exception):
            yield maker()


def of_torch() -> Iterator[Any]:
    """Tensors, modules, optimisers and schedules."""
    import torch
    import torch.nn.utils.prune

    linear = torch.nn.Linear(2, 2)
    yield torch.nn.Sequential(linear, torch.nn.ReLU())
    yield [
        torch.nn.functional.relu,
        torch.nn.functional.gelu,
        torch.relu,
        torch.tanh,
        torch.sigmoid,
    ]
    for dtype in (torch.float32, torch.float16, torch.int64, torch.bool, torch.complex64):
        yield torch.zeros(2).to(dtype)
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
        optimiser = getattr(torch.optim, name)(linear.parameters(), lr=0.1)
        yield optimiser
        yield torch.optim.lr_scheduler.StepLR(optimiser, 2)
        yield torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 2)
    yield torch.nn.LazyLinear(3)
    yield torch.distributions.Normal(0.0, 1.0)
    yield torch.utils.data.TensorDataset(torch.ones(3))
    yield torch.nn.utils.weight_norm(torch.nn.Linear(2, 2))
    pruned = torch.nn.Linear(4, 4)
    torch.nn.utils.prune.l1_unstructured(pruned, "weight", 0.5)
    yield pruned
    yield torch.optim.swa_utils.AveragedModel(linear)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
