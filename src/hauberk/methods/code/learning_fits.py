"""What is fitted, or counted, before the rows are split; see `hauberk.methods.code.learning`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import (
    Scope,
    base_name,
    carried,
    names_in,
    parts_of,
    statement_of,
    targets_of,
    texts,
    value_of,
)
from hauberk.methods.code.leakage import (
    copies_before,
    statistics_before,
)
from hauberk.methods.code.learning_names import FITS, SPLITS, TEST, TRAIN_TEXT
from hauberk.methods.code.learning_rules import (
    FITTED,
    RESAMPLED,
    STATISTIC,
)
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.row_roles import TRAIN, named_role
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_FOLDS = expression(
    r"Fold|ShuffleSplit|TimeSeriesSplit|\bkf\b|\bskf\b|\bcv\b|splitter|folds?\b", re.IGNORECASE
)
_SEARCHES = expression(
    r"(?:GridSearch|RandomizedSearch|HalvingGridSearch|BayesSearch|Optuna\w*)CV|\bsearch\b|\bgrid\b",
    re.IGNORECASE,
)
_HARMLESS = expression(
    r"LabelEncoder|LabelBinarizer|FunctionTransformer|label_encoder|labelencoder|\ble\b|KMeans|TSNE|UMAP|tokeniz",
    re.IGNORECASE,
)
_TRANSFORMERS = expression(
    r"Scaler|Imputer|Encoder|Normalizer|Normalization|Transformer\b|PCA|SVD|NMF|FastICA|Select(?:K|From|Percentile|Fpr|Fdr|Fwe)|VarianceThreshold|RFE|"
    r"Vectorizer|Discretizer|KBins|Binarizer|SMOTE|ADASYN|OverSampler|UnderSampler|TomekLinks|NearMiss|"
    r"PolynomialFeatures|Quantile|Power|Whiten|Boruta|LDA\b|TargetEnc|WOE|CountFreq|Winsor|FactorAnalysis|Isomap|KernelPCA|GaussianRandomProjection|"
    r"IsolationForest|LocalOutlierFactor|EllipticEnvelope|OneClassSVM",
)
_TRANSFORMER_NAMES = expression(
    r"scal|imput|encod|normali|pca|svd|selector|select|vectori|smote|sampler|discreti|reducer|whiten|transformer|tfidf|prep|standard",
    re.IGNORECASE,
)
_TAUGHT = expression(r"UMAP|NeighborhoodComponents|PLS|CCA")
"""Reductions that look at the answers where they are given."""
_SAMPLERS = expression(r"SMOTE|ADASYN|Sampler|Tomek|NearMiss|sampler|smote|resampl", re.IGNORECASE)


def _splits(index: Index, scope: Scope) -> Iterator[tuple[int, set[str]]]:
    """Where rows are split, and the names that are."""
    for call in scope.calls:
        name = _function_name(index, call)
        if name in SPLITS:
            given = [
                *call.args,
                *(k.value for k in call.keywords if k.arg in {"X", "y", "arrays", "data"}),
            ]
            if (
                isinstance(call.func, ast.Attribute)
                and index.dotted(call.func.value) not in _MODULES
            ):
                given.append(call.func.value)  # A method of what is split.
            skip = 1 if name.startswith("cross_val") else 0
            yield (
                call.lineno,
                set().union(*(names_in(node) for node in given[skip:])) if given[skip:] else set(),
            )
        elif name == "split" and isinstance(call.func, ast.Attribute):
            owner = texts(call.func.value) + index.dotted(call.func.value)
            if _FOLDS.search(owner) and call.args:
                yield call.lineno, set().union(*(names_in(node) for node in call.args))
        elif name == "fit" and isinstance(call.func, ast.Attribute):
            owner = _made_by(index, call.func.value)
            if _SEARCHES.search(owner) and call.args:
                yield call.lineno, names_in(call.args[0])
        elif (
            name == "sample"
            and isinstance(call.func, ast.Attribute)
            and any(k.arg == "frac" for k in call.keywords)
        ):
            statement = statement_of(index, call)
            if statement is not None and any(
                "train" in base_name(t).lower() or TRAIN in named_role(base_name(t))
                for t in targets_of(statement)
            ):
                yield call.lineno, {base_name(call.func.value)}
    yield from _slices(scope)


_MODULES = frozenset(
    {"sklearn.model_selection", "torch.utils.data", "torch.utils", "torch", "model_selection"}
    | {"sklearn", "dask_ml.model_selection", "cuml.model_selection", "data", "utils"}
)


def _function_name(index: Index, call: ast.Call) -> str:
    """The last part of what is called, behind the name that an import gave it."""
    name = last_name(call.func)
    return index.imports.get(name, name).rpartition(".")[2] if name else ""


def _slices(scope: Scope) -> Iterator[tuple[int, set[str]]]:
    """``test = X[n:]`` and masks: names of tests cut out of a larger name."""
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None:
            continue
        names = [base_name(target) for target in targets_of(statement)]
        if not any(TEST.search(name) for name in names):
            continue
        parts = value.elts if isinstance(value, ast.Tuple) else [value]
        cut = {base_name(part) for part in parts if isinstance(part, ast.Subscript)}
        cut |= _picked(value)
        cut |= _indexed(scope, {name for name in names if TEST.search(name)})
        cut = {
            name
            for name in cut
            if name and not TEST.search(name) and not TRAIN_TEXT.fullmatch(name)
        }
        if cut:
            yield statement.lineno, cut


_PICKERS = frozenset(
    {"Subset", "select", "take", "index_select", "gather", "skip", "filter", "loc"}
)


def _picked(value: ast.expr) -> set[str]:
    """``Subset(rows, places)``, ``rows.select(places)``: what the part is taken from."""
    if not isinstance(value, ast.Call) or last_name(value.func) not in _PICKERS:
        return set()
    if isinstance(value.func, ast.Attribute) and last_name(value.func) != "Subset":
        return {base_name(value.func.value)}
    return {base_name(value.args[0])} if value.args else set()


def _indexed(scope: Scope, places: set[str]) -> set[str]:
    """Names that are taken apart by places of test rows: ``X[te]`` makes ``X`` what is split."""
    return {
        base_name(part.value)
        for statement in scope.statements
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and names_in(statement) & places
        for part in parts_of(statement)
        if isinstance(part, ast.Subscript)
        and isinstance(part.slice, ast.Name)
        and part.slice.id in places
    }


def _made_by(index: Index, node: ast.expr) -> str:
    """What an object was made by, in words: its class and its name."""
    made = index.dotted(node) if not isinstance(node, ast.Name) else ""
    if isinstance(node, ast.Name):
        made = " ".join(
            texts(value.func) for value in index.lookup(node) if isinstance(value, ast.Call)
        )
        made = made or node.id
    if isinstance(node, ast.Attribute) and base_name(node) in {"self", "cls"}:
        kept = [v for v in index.attributes.get(node.attr, ()) if isinstance(v, ast.Call)]
        made += " " + " ".join(texts(value.func) for value in kept)
    return made


def _is_transformer(index: Index, node: ast.expr) -> bool:
    made = _made_by(index, node)
    if _HARMLESS.search(made):
        return False
    if _TRANSFORMERS.search(made):
        return True
    is_plain = isinstance(node, ast.Name) and not any(
        isinstance(v, ast.Call) for v in index.lookup(node)
    )
    return is_plain and _TRANSFORMER_NAMES.search(made) is not None


def fitted_before_split(index: Index, scope: Scope) -> Iterator[Hit]:
    """Transformers, statistics and resamplers that have seen the rows that are split off later."""
    splits = list(_splits(index, scope))
    if not splits:
        return
    yield from statistics_before(index, scope, splits)
    yield from copies_before(index, scope, splits)
    first = min(line for line, _ in splits)
    for statement, inputs, outputs, broken in [*_fits(index, scope), *_statistics(scope)]:
        if any(TRAIN_TEXT.fullmatch(name) for name in inputs) or statement.lineno >= max(
            line for line, _ in splits
        ):
            continue
        for line, names in splits:
            reached = carried(scope, statement, outputs, line)
            is_same = bool(inputs & names) and broken is not STATISTIC and line == first
            if statement.lineno < line and (reached & names or is_same):
                yield Hit(broken, statement.lineno, texts(statement)[:60])
                break


def _fits(index: Index, scope: Scope):  # type: ignore[no-untyped-def]  # noqa: ANN202 - rows of a table
    """Statements that fit a transformation: what goes in, what carries its result."""
    for call in scope.calls:
        name = last_name(call.func)
        statement = statement_of(index, call)
        if statement is None:
            continue
        outputs = {base_name(target) for target in targets_of(statement)} - {""}
        if name in FITS and isinstance(call.func, ast.Attribute) and (call.args or call.keywords):
            owner = call.func.value
            is_taught = len(call.args) > 1 and _TAUGHT.search(_made_by(index, owner))
            if name != "fit_resample" and not is_taught and not _is_transformer(index, owner):
                continue
            given = call.args[0] if call.args else call.keywords[0].value
            made = _made_by(index, owner)
            broken = RESAMPLED if name == "fit_resample" or _SAMPLERS.search(made) else FITTED
            yield statement, names_in(given), outputs | ({base_name(owner)} - {""}), broken
        elif name in {
            "resample",
            "scale",
            "normalize",
            "minmax_scale",
            "robust_scale",
            "quantile_transform",
            "power_transform",
            "maxabs_scale",
            "zscore",
            "whiten",
            "boxcox",
            "yeojohnson",
            "rankdata",
        }:
            dotted = index.dotted(call.func)
            if dotted.startswith(("sklearn.", "scipy.")) and call.args and name != "normalize":
                yield (
                    statement,
                    names_in(call.args[0]),
                    outputs,
                    RESAMPLED if name == "resample" else FITTED,
                )


def _statistics(scope: Scope):  # type: ignore[no-untyped-def]  # noqa: ANN202 - rows of a table
    """Statistics of whole columns written back into the rows."""
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None:
            continue
        text = texts(value)
        outputs = {base_name(target) for target in targets_of(statement)} - {""}
        is_scaled = (
            re.search(r"(\b\w+\b)[^-]*-\s*\(?\1\b[^/]*\.(?:mean|min|median)\(", text) is not None
        )
        is_filled = re.search(r"\bfillna\([^)]*\.(?:mean|median|mode|quantile)\(", text) is not None
        is_grouped = (
            re.search(
                r"groupby\([^)]*\).*(?:transform|map|agg)\(.*(?:mean|median|std|target)", text
            )
            is not None
        )
        is_mapped = re.search(r"\.map\(.*groupby\(.*\.(?:mean|median|std)\(", text) is not None
        is_chosen = re.search(r"\.corr(?:with)?\(", text) is not None
        if _is_scaled_column(value):
            yield statement, {base_name(value)}, outputs, STATISTIC
            continue
        if is_scaled or is_filled or is_grouped or is_mapped or is_chosen:
            yield statement, names_in(value) & outputs, outputs, STATISTIC


_COLUMN_CALLS = frozenset({"with_columns", "assign", "withColumn", "mutate", "select"})
_OF_ROWS = frozenset({"mean", "std", "median", "min", "max", "quantile", "var", "stddev", "avg"})


def _is_scaled_column(value: ast.expr) -> bool:
    """``frame.with_columns((col("a") - col("a").mean()) / ...)``: by a statistic of all rows."""
    if not isinstance(value, ast.Call) or last_name(value.func) not in _COLUMN_CALLS:
        return False
    given = [*value.args, *(keyword.value for keyword in value.keywords)]
    return any(
        isinstance(part, ast.BinOp)
        and isinstance(part.op, (ast.Sub, ast.Div))
        and any(
            isinstance(inner, ast.Call) and last_name(inner.func) in _OF_ROWS
            for inner in parts_of(part.right)
        )
        and ".over(" not in texts(part)
        and "Window" not in texts(part)
        for node in given
        for part in parts_of(node)
    )
