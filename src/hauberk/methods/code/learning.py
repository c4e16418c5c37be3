"""Mistakes of method in training and evaluation code, which make figures too good.

Order matters here: a scaler fitted before the split has seen the test rows, the same line
behind the split has not.

References:
    Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in machine-learning-based
    science, Patterns 4(9), the taxonomy of leakage.
"""

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
    scopes_of,
    statement_of,
    targets_of,
    texts,
    value_of,
)
from hauberk.methods.code.leakage import (
    chosen_by_test,
    copies_before,
    filled_from_later,
    statistics_before,
    target_among_features,
    tuned_by_test,
)
from hauberk.methods.code.learning_rules import (
    DROPPED,
    FIT_ON_TEST,
    FITTED,
    FUTURE,
    ITSELF,
    JOINED_LATER,
    RESAMPLED,
    SELECTED,
    STATISTIC,
    STOPPED,
    TARGET,
    TEST_TEXT,
    TIME,
    TRAINED,
)
from hauberk.methods.code.misplaced_rows import misplaced_hits
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.row_roles import TRAIN, named_role
from hauberk.methods.code.rules import Hit
from hauberk.methods.code.whole_fits import whole_fit_hits
from hauberk.methods.expressions import expression

_FITS = frozenset(
    {"fit", "fit_transform", "partial_fit", "fit_resample", "adapt", "learn_bpe", "fit_predict"}
    | {"fit_on_texts", "fit_on_sequences", "train_from_iterator", "build_vocab"}
    | {"build_vocab_from_iterator"}
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
_SPLITS = frozenset(
    {
        "train_test_split",
        "random_split",
        "randomSplit",
        "split_frame",
        "cross_val_score",
        "cross_validate",
        "cross_val_predict",
    }
    | {
        "TemporalSplit",
        "iterative_train_test_split",
        "split_dataset",
        "cv",
        "train_validation_split",
    }
)
_FOLDS = expression(
    r"Fold|ShuffleSplit|TimeSeriesSplit|\bkf\b|\bskf\b|\bcv\b|splitter|folds?\b", re.IGNORECASE
)
_SEARCHES = expression(
    r"(?:GridSearch|RandomizedSearch|HalvingGridSearch|BayesSearch|Optuna\w*)CV|\bsearch\b|\bgrid\b",
    re.IGNORECASE,
)
_TEST = expression(
    r"(?:^|_)(?:test|tests|testing|holdout|hold_out|heldout|unseen|te|tst)(?:_|\d|$)|^(?:x|y|X|Y)te(?:st)?$|^test[A-Z]|Test$",
    re.IGNORECASE,
)
_TRAIN_TEXT = expression(
    r"\b(?:\w+_)?(?:train|training|tr|trn)(?:_\w+|set)?\b|\b[Xxy]tr(?:ain)?\b", re.IGNORECASE
)
_METRICS = expression(
    r"^(?:accuracy_score|f1_score|precision_score|recall_score|roc_auc_score|average_precision_score|log_loss|"
    r"mean_squared_error|mean_absolute_error|root_mean_squared_error|r2_score|balanced_accuracy_score|classification_report|"
    r"confusion_matrix|matthews_corrcoef|cohen_kappa_score|brier_score_loss|fbeta_score|mean_absolute_percentage_error|"
    r"precision_recall_fscore_support|accuracy|f1|auc|auroc|roc_auc|mse|mae|rmse|r2|jaccard_score|roc_curve|median_absolute_error|explained_variance_score|top_k_accuracy_score|ndcg_score|evaluate_predictions|compute_metrics)$"
)
_PREDICTED = expression(
    r"pred|prob|conf|y_?hat|logit|resid|margin|certain|entropy|correct|wrong|agree|abs_?err|errors?\b|score",
    re.IGNORECASE,
)
_LABELS = expression(
    r"(?:^|_)(?:target|label|labels|y|outcome|class|churn(?:ed)?|default(?:ed)?|approved?|fraud|response|survived|next|future|horizon|diagnosis)(?:_|$|\d)",
    re.IGNORECASE,
)
_STOPS = expression(
    r"early_?stop|EarlyStopping|ModelCheckpoint|ReduceLROnPlateau|use_best_model|od_wait|best_iteration",
    re.IGNORECASE,
)


_TELLING = frozenset(
    {"shift", "score", "train", "evaluate", "EarlyStopping", "ModelCheckpoint", "bfill", "rolling"}
    | {"diff", "pct_change", "backward", "Trainer", "SFTTrainer", "randomSplit", "DMatrix", "lead"}
    | {"merge_asof", "join_asof"}
    | {"load_dataset", "concatenate_datasets", "predict", "predict_proba", "DataLoader", "Subset"}
)
"""Calls by which a module speaks of learning."""


_SPEAKING = _FITS | _SPLITS | _TELLING


def learning_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    speaks = index.called & _SPEAKING or any(_METRICS.match(name) for name in index.called)
    if not speaks and not _speaks_of_learning(index):
        return
    yield from tuned_by_test(index)
    for scope in scopes_of(index):
        yield from target_among_features(index, scope)
        if not scope.calls:
            continue
        yield from _before_split(index, scope)
        yield from _on_test(index, scope)
        yield from _stopping(index, scope)
        yield from _selection(index, scope)
        yield from _metrics(index, scope)
        yield from _features(index, scope)
        yield from _joined_later(index, scope)
        yield from _shuffled(index, scope)
        yield from _own_rows(index, scope)
        yield from misplaced_hits(index, scope)
        yield from whole_fit_hits(index, scope)
        yield from chosen_by_test(index, scope)
        yield from filled_from_later(index, scope)


def _speaks_of_learning(index: Index) -> bool:
    """Whether names of test rows, targets or tries stand in the module at all."""
    return any(
        isinstance(node, ast.Name)
        and (node.id in {"X", "y", "X_test", "y_test"} or _TEST.search(node.id) is not None)
        for node in index.kinds.get(ast.Name, ())
    )


# Before the split ----------------------------------------------------------------------


def _splits(index: Index, scope: Scope) -> Iterator[tuple[int, set[str]]]:
    """Where rows are split, and the names that are."""
    for call in scope.calls:
        name = _function_name(index, call)
        if name in _SPLITS:
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
        if not any(_TEST.search(name) for name in names):
            continue
        parts = value.elts if isinstance(value, ast.Tuple) else [value]
        cut = {base_name(part) for part in parts if isinstance(part, ast.Subscript)}
        cut |= _picked(value)
        cut |= _indexed(scope, {name for name in names if _TEST.search(name)})
        cut = {
            name
            for name in cut
            if name and not _TEST.search(name) and not _TRAIN_TEXT.fullmatch(name)
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


def _before_split(index: Index, scope: Scope) -> Iterator[Hit]:
    splits = list(_splits(index, scope))
    if not splits:
        return
    yield from statistics_before(index, scope, splits)
    yield from copies_before(index, scope, splits)
    first = min(line for line, _ in splits)
    for statement, inputs, outputs, broken in [*_fits(index, scope), *_statistics(scope)]:
        if any(_TRAIN_TEXT.fullmatch(name) for name in inputs) or statement.lineno >= max(
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
        if name in _FITS and isinstance(call.func, ast.Attribute) and (call.args or call.keywords):
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


# Test rows -----------------------------------------------------------------------------


def _on_test(index: Index, scope: Scope) -> Iterator[Hit]:
    for call in scope.calls:
        name = last_name(call.func)
        if name not in _FITS or not isinstance(call.func, ast.Attribute) or not call.args:
            continue
        given = call.args[0]
        text = texts(given)
        mixed = _mixed(index, given)
        is_test = bool(TEST_TEXT.search(text)) and not _TRAIN_TEXT.search(text)
        is_named = isinstance(given, (ast.Name, ast.Subscript, ast.Attribute))
        if mixed or (is_test and is_named and _TEST.search(base_name(given))):
            yield Hit(FIT_ON_TEST, call.lineno, texts(call)[:60])


def _mixed(index: Index, given: ast.expr) -> bool:
    """Training and test rows joined before they are fitted on."""
    nodes = [given]
    inner = given
    while isinstance(inner, (ast.Subscript, ast.Attribute)) or (
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute)
    ):
        inner = inner.func if isinstance(inner, ast.Call) else inner.value
    if isinstance(inner, ast.Name):
        nodes += index.lookup(inner)[-2:]
    for node in nodes:
        for part in parts_of(node):
            is_join = isinstance(part, ast.Call) and last_name(part.func) in {
                "concat",
                "vstack",
                "concatenate",
                "append",
                "hstack",
                "r_",
                "cat",
                "chain",
                "ConcatDataset",
            }
            if is_join or isinstance(part, ast.BinOp):
                text = texts(part)
                if TEST_TEXT.search(text) and _TRAIN_TEXT.search(text):
                    return True
    return False


def _stopping(index: Index, scope: Scope) -> Iterator[Hit]:
    for call in scope.calls:
        name = last_name(call.func)
        if name in {"EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau", "early_stopping"}:
            monitor = index.keyword(call, "monitor")
            if isinstance(monitor, str) and TEST_TEXT.search(monitor):
                yield Hit(STOPPED, call.lineno, f"monitor={monitor}")
            continue
        if name not in {"fit", "train", "fit_generator", "Trainer", "fit_one_cycle", "cv", "Pool"}:
            continue
        for key in (
            "eval_set",
            "validation_data",
            "valid_sets",
            "evals",
            "eval_dataset",
            "val_dataloaders",
            "X_val",
            "eval_df",
            "tuning_data",
        ):
            node = index.keyword_node(call, key)
            if not isinstance(node, ast.AST) or not TEST_TEXT.search(_spread(index, node)):
                continue
            if key in {"X_val", "val_dataloaders", "eval_dataset", "tuning_data"} or _STOPS.search(
                _context(index, call)
            ):
                yield Hit(STOPPED, node.lineno, f"{key}={texts(node)[:50]}")


def _spread(index: Index, node: ast.AST) -> str:
    """An argument with what its names were bound to."""
    text = texts(node)
    for part in parts_of(node):
        if isinstance(part, ast.Name):
            text += " " + " ".join(
                texts(value)[:200]
                for value in index.lookup(part)[-2:]
                if isinstance(value, (ast.Call, ast.Tuple, ast.List))
                and last_name(getattr(value, "func", value)) != "train_test_split"
            )
    return text


def _context(index: Index, call: ast.Call) -> str:
    """The call, what its callbacks are, and what its object was made by."""
    text = texts(call)
    for part in parts_of(call):
        if isinstance(part, ast.Name):
            text += " " + " ".join(texts(value)[:300] for value in index.lookup(part)[:4])
    return text


_FIGURED = expression(
    r"(?i)acc|score|loss|auc|f1|metric|r2|rmse|mae|mse|err|perplex|bleu|reward|evaluat|measure|\btest\("
)
_BEST = expression(r"best|max_|top_|highest|lowest|record|champion|winner", re.IGNORECASE)


def _selection(index: Index, scope: Scope) -> Iterator[Hit]:
    """Loops that keep the best try by a test result; ``max(..., key=...)`` over tries."""
    for statement in scope.statements:
        if not isinstance(statement, ast.If) or not isinstance(
            statement.test, (ast.Compare, ast.BoolOp)
        ):
            continue
        if not any(isinstance(held, (ast.For, ast.While)) for held in index.ancestors(statement)):
            continue
        text = texts(statement.test)
        if not _BEST.search(text + " ".join(texts(s) for s in statement.body[:4])):
            continue
        if not _is_kept(statement):
            continue
        spread = text
        for part in parts_of(statement.test):
            if isinstance(part, ast.Name):
                spread += " " + " ".join(texts(value)[:200] for value in index.lookup(part)[-3:])
        is_figure = _FIGURED.search(spread) is not None
        if is_figure and TEST_TEXT.search(spread) and not re.search(r"\bval(?:id|idation)?_", text):
            yield Hit(SELECTED if not _saves(statement) else STOPPED, statement.lineno, text[:60])


def _is_kept(statement: ast.If) -> bool:
    text = " ".join(texts(part) for part in statement.body)
    return bool(_BEST.search(text)) or "break" in text or _saves(statement)


def _saves(statement: ast.If) -> bool:
    return (
        re.search(
            r"\.save|torch\.save|dump\(|state_dict|break|patience",
            " ".join(texts(s) for s in statement.body),
        )
        is not None
    )


# Metrics -------------------------------------------------------------------------------


def _metrics(index: Index, scope: Scope) -> Iterator[Hit]:
    calls = [
        call for call in scope.calls if _METRICS.match(last_name(call.func)) and len(call.args) > 1
    ]
    for call in calls:
        first, second = call.args[:2]
        if _same(index, first, second):
            yield Hit(ITSELF, call.lineno, texts(call)[:60])
        elif _is_masked(index, first) or _is_masked(index, second) or _by_itself(index, second):
            yield Hit(DROPPED, call.lineno, texts(call)[:60])
        else:
            dropped = _dropped_before(scope, call)
            if dropped is not None:
                yield Hit(DROPPED, dropped.lineno, texts(dropped)[:60])


def _same(index: Index, first: ast.expr, second: ast.expr) -> bool:
    left, right = texts(first), texts(second)
    if left == right and isinstance(first, (ast.Name, ast.Attribute, ast.Subscript)):
        return True
    if isinstance(second, ast.Name) and re.search(r"pred|hat|out", second.id):
        values = index.lookup(second)
        text = texts(values[-1]) if len(values) == 1 else ""
        return text in {
            left,
            f"{left}.copy()",
            f"list({left})",
            f"np.array({left})",
            f"{left}.values",
            f"numpy.array({left})",
        }
    return False


def _is_masked(index: Index, node: ast.expr) -> bool:
    """``y[mask]`` with a mask that the model's answers decide."""
    if not isinstance(node, ast.Subscript):
        return False
    chosen = node.slice
    parts: list[ast.AST] = [chosen]
    for part in parts_of(chosen):
        if isinstance(part, ast.Name):
            parts += index.lookup(part)[-2:]
    for part in parts:
        compares = [n for n in parts_of(part) if isinstance(n, (ast.Compare, ast.Call))]
        if any(
            _PREDICTED.search(_with_origins(index, n))
            and (
                isinstance(n, ast.Compare)
                or re.search(
                    r"isnan|isfinite|isclose|where|nonzero|argsort|notna|notnull", texts(n)
                )
            )
            for n in compares
        ):
            return True
    return False


def _by_itself(index: Index, predicted: ast.expr) -> bool:
    """``p[sure]`` where ``sure`` was compared out of ``p``, whatever both are called."""
    if not isinstance(predicted, ast.Subscript) or not isinstance(predicted.slice, ast.Name):
        return False
    own = base_name(predicted)
    return bool(own) and any(
        isinstance(part, ast.Compare) and own in names_in(part)
        for value in index.lookup(predicted.slice)[-2:]
        for part in parts_of(value)
    )


def _with_origins(index: Index, node: ast.AST) -> str:
    """An expression, and of a comparison what its names were made of."""
    text = texts(node)
    if isinstance(node, ast.Compare):
        for part in parts_of(node):
            if isinstance(part, ast.Name):
                text += " " + " ".join(texts(value)[:200] for value in index.lookup(part)[-1:])
    return text


_DROPS = expression(
    r"\.(?:dropna|drop|query|drop_duplicates|nlargest|nsmallest|top_k|head|tail|filter)\(|\[[^\]]*(?:[<>]|==|!=|~|isin|notna|notnull|isfinite|between)"
)


def _dropped_before(scope: Scope, call: ast.Call) -> ast.stmt | None:
    """A statement that took rows out of what is measured, by predictions or because they lack."""
    measured = {base_name(node) for node in call.args[:2]} - {""}
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None or statement.lineno >= call.lineno:
            continue
        targets = {
            base_name(target) for target in targets_of(statement) if isinstance(target, ast.Name)
        }
        if not targets & measured or not names_in(value) & measured:
            continue
        text = texts(value)
        by_answers = _DROPS.search(text) and re.search(
            rf"{_PREDICTED.pattern}|abs\(",
            re.sub(r"^\s*\w+", "", text) + _columns_made(scope, statement, value),
            re.IGNORECASE,
        )
        lacking = re.search(r"\.dropna\(", text) and re.search(
            r"test|result|eval|pred|scored|report", " ".join(targets)
        )
        if (by_answers or lacking) and not re.search(
            r"\.(?:drop|filter)\([^)]*(?:axis=1|columns=)", text
        ):
            return statement
    return None


_BY_COLUMN = frozenset({"nlargest", "nsmallest", "sort_values", "query", "top_k", "sort"})


def _columns_made(scope: Scope, until: ast.stmt, value: ast.expr) -> str:
    """What the columns that a filter compares were made of."""
    compared = {
        part.attr if isinstance(part, ast.Attribute) else str(getattr(part.slice, "value", ""))
        for node in parts_of(value)
        if isinstance(node, ast.Compare)
        for part in parts_of(node)
        if isinstance(part, (ast.Attribute, ast.Subscript))
    }
    compared |= {
        word
        for node in parts_of(value)
        if isinstance(node, ast.Call) and last_name(node.func) in _BY_COLUMN
        for given in (*node.args, *(keyword.value for keyword in node.keywords))
        for part in parts_of(given)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
        for word in re.findall(r"\w+", part.value)
    }
    made = ""
    for statement in scope.assigned:
        source = value_of(statement)
        if source is None or statement.lineno >= until.lineno or not compared:
            continue
        for target in targets_of(statement):
            if isinstance(target, ast.Subscript) and texts(target.slice).strip("'\"") in compared:
                made += " " + texts(source)[:200]
        for part in parts_of(source):
            if isinstance(part, ast.Dict):
                made += " ".join(
                    " " + texts(inner)[:80]
                    for key, inner in zip(part.keys, part.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value in compared
                )
    return made


# Features ------------------------------------------------------------------------------


def _features(index: Index, scope: Scope) -> Iterator[Hit]:
    labels = {
        texts(value.slice)
        for statement in scope.assigned
        if isinstance(value := value_of(statement), ast.Subscript)
        and any(
            re.fullmatch(r"(?:y|Y|target|labels?|y_all|y_full)", base_name(t))
            for t in targets_of(statement)
        )
        and isinstance(value.slice, (ast.Constant, ast.Name))
    }
    labels |= {
        texts(part.slice)
        for statement in scope.assigned
        if (value := value_of(statement)) is not None
        and any(
            re.fullmatch(r"(?:y|Y|target|labels?)", base_name(t)) for t in targets_of(statement)
        )
        for part in parts_of(value)
        if isinstance(part, ast.Subscript)
        and isinstance(part.slice, ast.Constant)
        and isinstance(part.slice.value, str)
    }
    for statement in scope.assigned:
        value = value_of(statement)
        target = next(iter(targets_of(statement)), None)
        if value is None or not isinstance(target, ast.Subscript):
            continue
        column = texts(target.slice)
        if column in labels or _LABELS.search(column.strip("'\"")):
            continue
        read = [texts(part.slice) for part in parts_of(value) if isinstance(part, ast.Subscript)]
        is_read = any(label in read for label in labels) and isinstance(target.slice, ast.Constant)
        if is_read and not re.search(r"shift\(|groupby\(", texts(value)):
            yield Hit(
                TARGET, statement.lineno, f"{column} from {', '.join(sorted(labels & set(read)))}"
            )
        if _looks_ahead(value):
            yield Hit(FUTURE, statement.lineno, texts(statement)[:60])


_JOINED = {"forward": FUTURE, "nearest": JOINED_LATER}


def _joined_later(index: Index, scope: Scope) -> Iterator[Hit]:
    """Rows that are joined with what is known only behind their time."""
    for call in scope.calls:
        if last_name(call.func) not in {"merge_asof", "join_asof"}:
            continue
        for key in ("direction", "strategy"):
            broken = _JOINED.get(str(index.keyword(call, key)))
            if broken is not None:
                yield Hit(broken, call.lineno, texts(call)[:60])


_CUMULATED = frozenset(
    {"rolling", "ewm", "expanding", "cumsum", "cummax", "cummin", "cumprod", "cumcount"}
)


def _is_reversed(node: ast.AST) -> bool:
    """``rows[::-1].rolling(7)``: what lies behind a row in time comes before it."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            step = node.slice.step
            if isinstance(step, ast.UnaryOp) and isinstance(step.op, ast.USub):
                return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def _looks_ahead(value: ast.expr) -> bool:
    for part in parts_of(value):
        if isinstance(part, ast.Call) and last_name(part.func) in _CUMULATED:
            if isinstance(part.func, ast.Attribute) and _is_reversed(part.func.value):
                return True
        if isinstance(part, ast.Call) and last_name(part.func) in {"shift", "diff", "pct_change"}:
            given = (
                part.args[0]
                if part.args
                else next((k.value for k in part.keywords if k.arg == "periods"), None)
            )
            if isinstance(given, ast.UnaryOp) and isinstance(given.op, ast.USub):
                return True
        if isinstance(part, ast.Call) and last_name(part.func) == "lead":
            return True
        if isinstance(part, ast.Call) and last_name(part.func) == "rolling":
            if any(
                k.arg == "center" and isinstance(k.value, ast.Constant) and k.value.value is True
                for k in part.keywords
            ):
                return True
    return False


_DATED = expression(
    r"sort_values\([^)]*(?:date|time|timestamp|\bts\b|day|month|week)|set_index\([^)]*(?:date|time)|to_datetime\(|parse_dates|DatetimeIndex|\.shift\(|\.rolling\(|resample\(['\"]",
    re.IGNORECASE,
)


def _shuffled(index: Index, scope: Scope) -> Iterator[Hit]:
    lines: tuple[int, int] | None = None
    for call in scope.calls:
        if last_name(call.func) not in {
            "train_test_split",
            "KFold",
            "StratifiedKFold",
            "ShuffleSplit",
            "random_split",
            "randomSplit",
        } and not _is_drawn_part(index, call):
            continue
        shuffle = index.keyword(call, "shuffle")
        if shuffle is False or (last_name(call.func) == "KFold" and shuffle is not True):
            continue
        if lines is None:
            lines = _first_lines(scope)
        if max(lines) < call.lineno:
            yield Hit(TIME, call.lineno, texts(call)[:60])


_NEVER = 1 << 30
_ORDERED = expression(
    r"sort_values\([^)]*(?:date|time|timestamp|\bts\b)|set_index\([^)]*(?:date|time|\bts\b)|sort_index\(",
    re.IGNORECASE,
)


def _first_lines(scope: Scope) -> tuple[int, int]:
    """From where on rows are ordered, and from where on a date is spoken of."""
    ordered = dated = _NEVER
    for statement in scope.statements:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.If, ast.For, ast.With)):
            continue
        text = texts(statement)
        if ordered == _NEVER and _ORDERED.search(text):
            ordered = statement.lineno
        if dated == _NEVER and _DATED.search(text):
            dated = statement.lineno
    return ordered, dated


def _is_drawn_part(index: Index, call: ast.Call) -> bool:
    """``train = rows.sample(frac=0.8)``."""
    if last_name(call.func) != "sample" or not any(k.arg == "frac" for k in call.keywords):
        return False
    statement = statement_of(index, call)
    names = [base_name(target) for target in targets_of(statement)] if statement else []
    return any(_TRAIN_TEXT.fullmatch(name) or _TEST.search(name) for name in names)


_HOLDS_OUT = _SPLITS | {"split", "KFold", "fetch_test"}


def _own_rows(index: Index, scope: Scope) -> Iterator[Hit]:
    """Scores on exactly what was fitted on, where nothing was held out at all."""
    if index.called & _HOLDS_OUT:
        return
    fits: dict[str, int] = {}
    for call in scope.calls:
        name = last_name(call.func)
        if name == "fit" and len(call.args) > 1 and isinstance(call.func, ast.Attribute):
            fits[f"{texts(call.args[0])}|{texts(call.args[1])}"] = call.lineno
        elif (
            name == "score"
            and len(call.args) > 1
            and f"{texts(call.args[0])}|{texts(call.args[1])}" in fits
        ):
            if not _TRAIN_TEXT.search(texts(call.args[0]) + _told_as(index, call)):
                yield Hit(TRAINED, call.lineno, texts(call)[:60])
        elif _METRICS.match(name) and len(call.args) > 1:
            predicted = call.args[1]
            if isinstance(predicted, ast.Name):
                values = index.lookup(predicted)
                predicted = values[-1] if values else predicted
            is_predicted = (
                isinstance(predicted, ast.Call)
                and last_name(predicted.func).startswith("predict")
                and predicted.args
            )
            if (
                is_predicted
                and isinstance(predicted, ast.Call)
                and f"{texts(predicted.args[0])}|{texts(call.args[0])}" in fits
            ):
                if not _TRAIN_TEXT.search(texts(call) + _told_as(index, call)):
                    yield Hit(TRAINED, call.lineno, texts(call)[:60])


def _told_as(index: Index, call: ast.Call) -> str:
    """How a score is told: people who do not claim that it is of new rows get ``train``."""
    statement = statement_of(index, call)
    text = texts(statement) if statement is not None else ""
    claims = re.search(
        r"test|valid|general|unseen|new data|held|production|final", text, re.IGNORECASE
    )
    return text if claims else "train"
