"""Leakage by the way that rows take: statistics, copies and choices that reach what judges them.

`learning` knows the calls of libraries; here it does not matter what computed something. A name
holds a statistic when it was aggregated over rows; a frame that is changed by a statistic and
split afterwards has told its test rows to its training rows. A list of results on the test set
out of which the best is taken has chosen by the test set.
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
    pairs_of,
    parts_of,
    targets_of,
    texts,
    value_of,
)
from hauberk.methods.code.learning_rules import (
    FUTURE,
    RESAMPLED,
    SELECTED,
    STATISTIC,
    TARGET,
    TEST_TEXT,
)
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.row_roles import TEST_WORD
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

MAX_SPLITS = 8
"""Splits of one function that are followed."""

Split = tuple[int, set[str]]
"""The line of a split, and the names that are split."""

_AGGREGATES = frozenset(
    {"mean", "median", "std", "var", "min", "max", "amin", "amax", "quantile", "percentile", "mode", "nanmean"}
    | {"nanmedian", "nanstd", "nanpercentile", "agg", "aggregate", "average", "ptp", "iqr", "describe", "cov"}
    | {"corr", "corrwith", "corrcoef", "skew", "nanmax", "nanmin", "std_mean", "var_mean", "zscore", "winsorize"}
)  # fmt: skip
_CHOOSERS = expression(
    r"^(?:mutual_info_\w+|chi2|f_classif|f_regression|r_regression|pearsonr|spearmanr|kendalltau|permutation_importance|"
    r"variance_inflation_factor|feature_importances_)$"
)
_CHANGERS = frozenset(
    {"fillna", "map", "replace", "merge", "join", "clip", "sub", "div", "subtract", "divide", "where", "mask", "impute"}
)  # fmt: skip


def _over_rows(call: ast.Call) -> bool:
    """Whether an aggregate runs over rows, and not over what stands in one row."""
    name = last_name(call.func)
    given: list[ast.expr] = [k.value for k in call.keywords if k.arg in {"axis", "dim"}]
    if not given and isinstance(call.func, ast.Attribute) and len(call.args) == 1:
        given = call.args[:1] if name not in {"quantile", "percentile", "agg", "aggregate"} else []
    if len(call.args) > 1 and name in {"mean", "median", "std", "min", "max", "amin", "amax"}:
        given = call.args[1:2]
    for node in given:
        if isinstance(node, ast.Constant) and node.value in {0, "index", None}:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, str)):
            return False
        if isinstance(node, (ast.Tuple, ast.UnaryOp)):
            return isinstance(node, ast.Tuple) and any(
                isinstance(part, ast.Constant) and part.value == 0 for part in node.elts
            )
    return True


def _aggregated(index: Index, value: ast.AST) -> set[str]:
    """Names of frames whose rows an expression aggregates."""
    found: set[str] = set()
    for part in parts_of(value):
        if not isinstance(part, ast.Call):
            continue
        name = last_name(part.func)
        if name in _AGGREGATES and _over_rows(part):
            dotted = index.dotted(part.func)
            is_module = dotted.partition(".")[0] in {
                "numpy",
                "np",
                "torch",
                "scipy",
                "statistics",
                "tf",
            }
            owner = part.args[0] if is_module and part.args else None
            if owner is None and isinstance(part.func, ast.Attribute):
                owner = part.func.value
            found |= {base_name(owner)} if owner is not None else set()
        elif _CHOOSERS.match(name) and part.args:
            found |= names_in(part.args[0])
    return found - {"", "np", "pd", "torch", "self"}


def statistics_before(index: Index, scope: Scope, splits: list[Split]) -> Iterator[Hit]:
    """Frames that a statistic of all their rows changes before they are split."""
    last = max(line for line, _ in splits)
    held: dict[str, set[str]] = {}
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None or statement.lineno >= last:
            continue
        targets = targets_of(statement)
        read = names_in(value)
        inline = _aggregated(index, value)
        used = {name for name in read if name in held}
        sources = inline.union(*(held[name] for name in used))
        if not sources:
            for target in targets:
                held.pop(target.id, None) if isinstance(target, ast.Name) else None
            continue
        if _changes(value, used, inline) and not _is_label(targets):
            outputs = {base_name(target) for target in targets} - {""}
            for line, names in splits[:MAX_SPLITS]:
                reaches = (
                    statement.lineno < line and carried(scope, statement, outputs, line) & names
                )
                if reaches and (sources & _kin(scope, outputs | read, statement)):
                    yield Hit(STATISTIC, statement.lineno, texts(statement)[:60])
                    break
        elif all(isinstance(target, ast.Name) for target in targets):
            held |= {target.id: set(sources) for target in targets if isinstance(target, ast.Name)}


def _kin(scope: Scope, names: set[str], until: ast.stmt) -> set[str]:
    """Names, and those that they were made from."""
    found = set(names)
    for statement in reversed(scope.statements):
        value = value_of(statement)
        if value is not None and statement.lineno <= until.lineno:
            if {base_name(target) for target in targets_of(statement)} & found:
                found |= names_in(value)
    return found


def _is_label(targets: list[ast.expr]) -> bool:
    """A label by the median of a column is no feature."""
    return any(
        re.search(r"(?i)^['\"]?(?:y|label|target|class)\w*['\"]?$", texts(target.slice))
        for target in targets
        if isinstance(target, ast.Subscript)
    ) or any(
        isinstance(t, ast.Name) and re.fullmatch(r"[yt]|labels?|targets?", t.id) for t in targets
    )


def _changes(value: ast.expr, held: set[str], inline: set[str]) -> bool:
    """Whether values are shifted, scaled, filled, looked up or picked by a statistic."""

    def is_statistic(node: ast.AST) -> bool:
        names = names_in(node)
        calls = any(
            isinstance(part, ast.Call) and last_name(part.func) in _AGGREGATES and _over_rows(part)
            for part in parts_of(node)
        )
        return bool(names & held) or (calls and bool(names & inline))

    for part in parts_of(value):
        if isinstance(part, ast.BinOp) and isinstance(part.op, (ast.Sub, ast.Div)):
            is_data = bool(names_in(part.left) - held) and not isinstance(part.left, ast.Constant)
            if is_statistic(part.right) and is_data and not _is_statistic_alone(part.left, held):
                return True
        elif isinstance(part, ast.Call) and last_name(part.func) in _CHANGERS:
            given = [*part.args, *(keyword.value for keyword in part.keywords)]
            if any(is_statistic(node) for node in given):
                return True
        elif isinstance(part, ast.Subscript) and names_in(part.slice) & held:
            is_mask = any(isinstance(node, ast.Compare) for node in parts_of(part.slice))
            if not is_mask and base_name(part) not in held:
                return True
    return False


def _is_statistic_alone(node: ast.AST, held: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in held


# Copies --------------------------------------------------------------------------------

_JOINS = frozenset({"concat", "concatenate", "vstack", "append", "cat", "r_", "extend"})
_REPEATS = frozenset({"repeat", "tile", "repeat_interleave"})


def copies_before(index: Index, scope: Scope, splits: list[Split]) -> Iterator[Hit]:
    """Rows that are joined with copies of themselves before they are split."""
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None:
            continue
        outputs = {base_name(target) for target in targets_of(statement)} - {""}
        for call in parts_of(value):
            if not isinstance(call, ast.Call) or not _copies(index, call):
                continue
            for line, names in splits[:MAX_SPLITS]:
                if statement.lineno < line and carried(scope, statement, outputs, line) & names:
                    yield Hit(RESAMPLED, statement.lineno, texts(statement)[:60])
                    break


def _copies(index: Index, call: ast.Call) -> bool:
    name = last_name(call.func)
    axis = next((k.value for k in call.keywords if k.arg in {"axis", "dim"}), None)
    if axis is not None and not (isinstance(axis, ast.Constant) and axis.value in {0, "index"}):
        return False
    if name in _REPEATS:
        dotted = index.dotted(call.func)
        return bool(call.args) and axis is not None and dotted.startswith(("numpy.", "torch."))
    if name == "sample" and any(
        k.arg == "replace" and isinstance(k.value, ast.Constant) and k.value.value
        for k in call.keywords
    ):
        return True
    if name not in _JOINS or not call.args:
        return False
    parts = _elements(call.args[0])
    whole = {part.id for part, _ in parts if isinstance(part, ast.Name)}
    if any(is_repeated for _, is_repeated in parts):
        return True
    for place, (part, _) in enumerate(parts):
        if _are_made_together(index, parts):
            break
        others = {p.id for n, (p, _) in enumerate(parts) if n != place and isinstance(p, ast.Name)}
        origin = _origins(index, part)
        if origin & others:
            return bool(whole)
    return False


def _are_made_together(index: Index, parts: list[tuple[ast.expr, bool]]) -> bool:
    """``old, new = reduced(old, new)``: both come out of one call, and none out of the other."""
    values = [index.lookup(part)[-1:] for part, _ in parts if isinstance(part, ast.Name)]
    return len(values) > 1 and all(value and value[0] is values[0][0] for value in values)


def _elements(node: ast.expr) -> list[tuple[ast.expr, bool]]:
    """Parts of a joined list, with whether one is there several times."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return [(part, False) for part in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_elements(node.left), *_elements(node.right)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        sides = [
            side for side in (node.left, node.right) if isinstance(side, (ast.List, ast.Tuple))
        ]
        return [(part, True) for side in sides for part, _ in _elements(side)]
    return []


def _origins(index: Index, part: ast.expr) -> set[str]:
    """The frame that a part is cut out of or made from, one assignment back."""
    found = set() if isinstance(part, ast.Name) else {base_name(part)} | _given(part)
    if isinstance(part, ast.Name):
        for value in index.lookup(part)[-1:]:
            if not isinstance(value, ast.Name) and not _is_split(value):
                found |= {base_name(value)} | _given(value)
        found -= {part.id}
    return found - {""}


def _given(node: ast.expr) -> set[str]:
    """What a plain call is given: ``flip(images)``."""
    if (
        isinstance(node, ast.Call)
        and node.args
        and isinstance(node.args[0], (ast.Name, ast.Subscript))
    ):
        return {base_name(node.args[0])}
    return set()


def _is_split(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and "split" in last_name(value.func)


# Choices -------------------------------------------------------------------------------

_PICKS = frozenset(
    {"max", "min", "argmax", "argmin", "nanargmax", "nanargmin", "idxmax", "idxmin", "nlargest", "nsmallest"}
    | {"sorted", "most_common", "argsort", "sort_values", "topk"}
)  # fmt: skip
_TRIED = expression(
    r"acc|score|loss|auc|f1|metric|result|err|rmse|mae|r2|perf|trial|tries|candidate|board|history|grid|thres|best",
    re.IGNORECASE,
)


_COMPARED = expression(r"(?i)diff|delta|deviat|laten|durat|elapsed|memory|toleran|times?(?:_|$)")
"""How far two results lie apart, or how long they took: the largest of those chooses nothing."""


def chosen_by_test(index: Index, scope: Scope) -> Iterator[Hit]:
    """The best of a collection of results on the test set."""
    if not index.speaks_of(TEST_WORD):
        return
    filled: dict[str, int] = {}
    for statement in scope.statements:
        value = value_of(statement)
        for target in targets_of(statement):
            if isinstance(target, ast.Subscript) and value is not None:
                if _is_in_loop(index, statement) and _tests(index, value):
                    filled.setdefault(base_name(target), statement.lineno)
            elif isinstance(target, ast.Name) and isinstance(
                value, (ast.ListComp, ast.DictComp, ast.GeneratorExp)
            ):
                inner = [value.value] if isinstance(value, ast.DictComp) else [value.elt]
                if any(_tests(index, node) for node in inner):
                    filled.setdefault(target.id, statement.lineno)
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            is_kept = last_name(call.func) in {"append", "add", "put", "heappush"} and call.args
            if is_kept and _is_in_loop(index, call):
                if any(_tests(index, node) for node in call.args):
                    filled.setdefault(base_name(call.func), statement.lineno)
    yield from _kept_best(index, scope)
    filled = {
        name: line
        for name, line in filled.items()
        if name
        and not _COMPARED.search(name)
        and (_TRIED.search(name) or name in _measured_in(scope))
    }
    for call in scope.calls if filled else ():
        if last_name(call.func) not in _PICKS:
            continue
        read = names_in(call) & set(filled)
        if (
            read
            and call.lineno >= min(filled[name] for name in read)
            and not _is_shown(index, call)
            and not _is_order_only(index, call)
        ):
            yield Hit(SELECTED, call.lineno, texts(call)[:60])
            return
    for call in scope.calls:
        if last_name(call.func) in {"max", "min"} and len(call.args) == 1:
            given = call.args[0]
            tried = isinstance(given, (ast.GeneratorExp, ast.ListComp)) and _tests(index, given.elt)
            key = next((k.value for k in call.keywords if k.arg == "key"), None)
            if tried or (isinstance(key, ast.Lambda) and _tests(index, key.body)):
                yield Hit(SELECTED, call.lineno, texts(call)[:60])


_MEASURES = expression(
    r"^(?:\w+_score|score|accuracy|evaluate|f1|auc|measure\w*|test_\w+|rmse|mae)$"
)


def _is_in_loop(index: Index, node: ast.AST) -> bool:
    return any(isinstance(held, (ast.For, ast.While)) for held in index.ancestors(node))


def _measured_in(scope: Scope) -> set[str]:
    """Lists to which a measurement is appended, whatever they are called."""
    return {
        base_name(call.func)
        for call in scope.calls
        if last_name(call.func) == "append"
        for node in call.args
        if any(
            isinstance(part, ast.Call) and _MEASURES.match(last_name(part.func))
            for part in parts_of(node)
        )
    }


def _kept_best(index: Index, scope: Scope) -> Iterator[Hit]:
    """``best = max(best, (result, settings))`` in a loop, with a result on the test set."""
    for statement in scope.assigned:
        value = value_of(statement)
        target = next(iter(targets_of(statement)), None)
        if not isinstance(value, ast.Call) or not isinstance(target, ast.Name):
            continue
        others = [
            node for node in value.args if not (isinstance(node, ast.Name) and node.id == target.id)
        ]
        is_kept = last_name(value.func) in {"max", "min"} and len(others) < len(value.args)
        if (
            is_kept
            and _is_in_loop(index, statement)
            and any(_tests(index, node) for node in others)
        ):
            yield Hit(SELECTED, statement.lineno, texts(statement)[:60])


_ORDERS = frozenset({"sorted", "argsort", "sort_values", "most_common"})


def _is_order_only(index: Index, call: ast.Call) -> bool:
    """Results that are put in an order and gone through whole: nothing is taken out of them."""
    if last_name(call.func) not in _ORDERS:
        return False
    held: ast.AST = call
    while isinstance(parent := index.parents.get(held), ast.Call) and held in parent.args:
        if last_name(parent.func) not in {"list", "dict", "tuple", "OrderedDict", "enumerate"}:
            return last_name(parent.func) in {"print", "display", "DataFrame"}
        held = parent
    parent = index.parents.get(held)
    if isinstance(parent, (ast.For, ast.comprehension)):
        return True
    if not isinstance(parent, ast.Assign) or not isinstance(parent.targets[0], ast.Name):
        return False
    name = parent.targets[0].id
    uses = [node for node in index.each(ast.Name) if node.id == name and _is_read(node)]
    return bool(uses) and all(_is_gone_through(index, node) for node in uses)


def _is_read(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _is_gone_through(index: Index, node: ast.AST) -> bool:
    parent = index.parents.get(node)
    if isinstance(parent, ast.Attribute) and parent.attr in {"items", "values", "keys"}:
        called = index.parents.get(parent)
        return called is not None and _is_gone_through(index, called)
    if isinstance(parent, ast.Call) and node in parent.args:
        return last_name(parent.func) in {"print", "len", "enumerate", "display", "dumps"}
    return isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is node


def _is_shown(index: Index, call: ast.Call) -> bool:
    """Bounds of a picture are no choice."""
    held = index.parents.get(call)
    name = last_name(held.func) if isinstance(held, ast.Call) else ""
    return re.search(r"lim$|plot|axhline|axvline|text|annotate|set_", name) is not None


def _tests(index: Index, node: ast.AST, depth: int = 0) -> bool:
    """Whether an expression measures on test rows, by itself or through a name of its scope."""
    if TEST_TEXT.search(re.sub(r"['\"][^'\"]*['\"]", "", texts(node))):
        return True
    if depth > 1:
        return False
    for part in parts_of(node):
        if isinstance(part, ast.Name):
            values = index.lookup(part)[-1:]
            if any(
                isinstance(v, ast.Call) and not _is_split(v) and _tests(index, v, depth + 2)
                for v in values
            ):
                return True
    return False


_TUNERS = frozenset(
    {"optimize", "fmin", "gp_minimize", "forest_minimize", "minimize", "Tuner", "run", "maximize", "differential_evolution"}
)  # fmt: skip


def tuned_by_test(index: Index) -> Iterator[Hit]:
    """Functions that a search for settings maximises, which measure on test rows."""
    named = {
        base_name(node)
        for call in index.calls
        if last_name(call.func) in _TUNERS
        for node in [
            *call.args,
            *(k.value for k in call.keywords if k.arg in {"fn", "objective", "func", "f"}),
        ]
    }
    for function in index.functions:
        arguments = [argument.arg for argument in function.args.args]
        if function.name not in named and "trial" not in arguments:
            continue
        for node in parts_of(function):
            told: list[ast.expr] = []
            if isinstance(node, ast.Return) and node.value is not None:
                told = [node.value]
            elif isinstance(node, ast.Call) and last_name(node.func) == "report":
                told = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(_tests(index, part) for part in told):
                yield Hit(SELECTED, told[0].lineno, texts(node)[:60])
                break


# Features ------------------------------------------------------------------------------

_INPUTS = expression(r"(?:X|x|features?|feats?|inputs?|predictors|covariates|design)(?:_\w+)?")
_OUTPUTS = expression(r"(?:y|Y|target|labels?|t|outcome|response)(?:_\w+)?")


def target_among_features(index: Index, scope: Scope) -> Iterator[Hit]:
    """``X = df[columns]`` where the columns hold what ``y = df[...]`` takes."""
    wanted: dict[str, str] = {}
    for statement in scope.assigned:
        for target, value in pairs_of(statement):
            if isinstance(target, ast.Name) and _OUTPUTS.fullmatch(target.id):
                column = _column(index, value)
                if column is not None:
                    wanted[column[1]] = column[0]
    if not wanted:
        return
    for statement, (target, value) in [(s, p) for s in scope.assigned for p in pairs_of(s)]:
        if not isinstance(target, ast.Name) or not _INPUTS.fullmatch(target.id):
            continue
        taken, left = _columns(index, value), _left_out_columns(index, value)
        both = [
            c
            for c in wanted
            if ((taken is not None and c in taken) or (left is not None and c not in left))
            and wanted[c] == base_name(value)
        ]
        if both and not _drops_later(scope, statement, both[0]):
            yield Hit(TARGET, statement.lineno, f"{target.id} holds {both[0]}")


def _column(index: Index, value: ast.expr | None) -> tuple[str, str] | None:
    while isinstance(value, (ast.Call, ast.Attribute)):
        if isinstance(value, ast.Call) and last_name(value.func) == "pop":
            return None
        value = value.func if isinstance(value, ast.Call) else value.value
    if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name):
        column = index.constant(value.slice)
        return (value.value.id, column) if isinstance(column, str) else None
    return None


_PLAIN = frozenset({"copy", "to_numpy", "astype", "fillna", "values"})


def _columns(index: Index, value: ast.expr) -> set[str] | None:
    """Names of columns that an expression takes out of a frame, where the module writes them."""
    for _ in range(8):
        func = value.func if isinstance(value, ast.Call) else None
        if isinstance(value, ast.Attribute):
            value = value.value
        elif isinstance(func, ast.Attribute) and func.attr in _PLAIN:
            value = func.value
    if not isinstance(value, ast.Subscript):
        return None
    chosen: ast.expr | None = value.slice
    if isinstance(chosen, ast.Tuple) and chosen.elts:
        chosen = chosen.elts[-1]
    if isinstance(chosen, ast.Name):
        values = index.lookup(chosen)
        chosen = values[0] if len(values) == 1 else None
    if not isinstance(chosen, (ast.List, ast.Tuple)):
        return None
    return {str(index.constant(part)) for part in chosen.elts}


def _left_out_columns(index: Index, value: ast.expr) -> set[str] | None:
    """Columns that a choice by exclusion leaves out; ``None`` where it is none, or not written.

    ``[c for c in df.columns if c != "id"]`` and ``df.drop(columns=["id"])`` take all the others.
    """
    for _ in range(8):
        func = value.func if isinstance(value, ast.Call) else None
        if isinstance(func, ast.Attribute) and func.attr in _PLAIN:
            value = func.value
        elif isinstance(value, ast.Attribute):
            value = value.value
    if isinstance(value, ast.Call) and last_name(value.func) == "drop":
        node = index.keyword_node(value, "columns")
        return _written(index, node) if isinstance(node, ast.expr) else None
    chosen = value.slice if isinstance(value, ast.Subscript) else None
    if isinstance(chosen, ast.Tuple) and chosen.elts:
        chosen = chosen.elts[-1]
    if isinstance(chosen, ast.Name):
        values = index.lookup(chosen)
        chosen = values[0] if len(values) == 1 else None
    if not isinstance(chosen, ast.ListComp) or len(chosen.generators) != 1:
        return None
    loop = chosen.generators[0]
    if not isinstance(loop.iter, ast.Attribute) or loop.iter.attr != "columns" or len(loop.ifs) > 1:
        return None
    for test in loop.ifs:
        if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], (ast.NotEq, ast.NotIn)):
            return None
        return _written(index, test.comparators[0])
    return set()


def _written(index: Index, node: ast.expr) -> set[str] | None:
    """Names that are all written in the module."""
    if isinstance(node, ast.Name):
        values = index.lookup(node)
        node = values[0] if len(values) == 1 else node
    parts = node.elts if isinstance(node, (ast.List, ast.Tuple, ast.Set)) else [node]
    found = [index.constant(part) for part in parts]
    return (
        {part for part in found if isinstance(part, str)}
        if all(isinstance(p, str) for p in found)
        else None
    )


def _drops_later(scope: Scope, start: ast.stmt, column: str) -> bool:
    return any(
        statement.lineno > start.lineno
        and re.search(r"\.(?:drop|pop|difference)\(|\bdel\b|remove\(", texts(statement)[:400])
        and column in texts(statement)
        for statement in scope.statements
    )


_ORDERED = expression(
    r"TimeSeriesSplit|sort_values\([^)]*(?:date|time|timestamp|\bts\b|day|month|week)|sort_index\(|\.shift\(|\.rolling\(|to_datetime|parse_dates",
    re.IGNORECASE,
)


def filled_from_later(index: Index, scope: Scope) -> Iterator[Hit]:
    """Gaps in rows ordered in time that are filled from later rows."""
    found: list[ast.Call] = []
    for call in scope.calls:
        name = last_name(call.func)
        way = index.keyword(call, "method")
        side = index.keyword(call, "limit_direction")
        is_back = name in {"bfill", "backfill"} or way in {"bfill", "backfill"}
        if is_back or (name == "interpolate" and side in {"both", "backward"}):
            found.append(call)
    if found and any(
        _ORDERED.search(texts(s))
        for s in scope.statements
        if not isinstance(s, (ast.FunctionDef, ast.ClassDef))
    ):
        for call in found:
            yield Hit(FUTURE, call.lineno, texts(call)[:60])
