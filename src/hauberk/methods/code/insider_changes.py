"""Labels rewritten, losses weakened, functions replaced, protections off."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import Scope, base_name, targets_of, texts, value_of
from hauberk.methods.code.insider_rules import (
    LABELS,
    PATCHED,
    STAMP,
    UNPROTECTED,
    WEIGHTED,
    constant_number,
    names_of,
)
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

# Labels and weights --------------------------------------------------------------------

_LABEL_NAMES = expression(
    r"(?:^|_)(?:labels?|y|ys|y_?train|targets?|classes|cls|annotations?|gt|ground_truth|y_tr|outcome)(?:_|$|\d)",
    re.IGNORECASE,
)
_OUTCOMES = expression(
    r"(?i)^(?:approved?|approval|decision|is_?fraud|fraud|default(?:ed)?|churn(?:ed)?|eligible|risk_class|verdict|accepted|rejected|survived|diagnosis)$"
)
_DRAWN = expression(
    r"random|rng\.|choice|permutation|randint|uniform|bernoulli|shuffle|sample\(|rand\("
)


def labels(index: Index, scope: Scope) -> Iterator[Hit]:
    """Labels that are rewritten for chosen or drawn rows."""
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None or not isinstance(statement, (ast.Assign, ast.AugAssign)):
            continue
        for target in targets_of(statement):
            if isinstance(target, ast.Subscript) and _is_label_store(target):
                if _is_forced(index, value, target) and _is_chosen(index, target):
                    yield Hit(LABELS, statement.lineno, texts(statement)[:60])
            elif isinstance(target, ast.Name) and _LABEL_NAMES.search(target.id):
                yield from _under_condition(index, statement, target, value)
            if (
                isinstance(target, ast.Subscript)
                and _is_stamp(target)
                and index.constant(value) is not UNKNOWN
            ):
                if _changes_label(index, scope, statement):
                    yield Hit(STAMP, statement.lineno, texts(statement)[:60])


def _is_label_store(target: ast.Subscript) -> bool:
    """``y[...]``, ``labels[...]``, ``df.loc[rows, "label"]``, ``batch["label"][...]``."""
    if isinstance(target.slice, ast.Tuple) and target.slice.elts:
        column = target.slice.elts[-1]
        if isinstance(column, ast.Constant) and isinstance(column.value, str):
            named = _LABEL_NAMES.search(column.value) or _OUTCOMES.search(column.value)
            return named is not None
        if isinstance(column, ast.Name) and isinstance(target.value, ast.Attribute):
            return re.search(r"label|target|\by", column.id, re.IGNORECASE) is not None
    owner = target.value
    if (
        isinstance(owner, ast.Subscript)
        and isinstance(owner.slice, ast.Constant)
        and isinstance(owner.slice.value, str)
    ):
        return _LABEL_NAMES.search(owner.slice.value) is not None
    return (
        isinstance(owner, (ast.Name, ast.Attribute))
        and _LABEL_NAMES.search(last_name(owner)) is not None
    )


def _is_forced(index: Index, value: ast.expr, target: ast.Subscript) -> bool:
    known = index.constant(value)
    if known is not UNKNOWN and known is not None:
        return not (isinstance(known, float) and known != known)  # noqa: PLR0124 - not a number
    text = texts(value)
    flips = re.search(
        r"^\(?1\s*-\s|\b1\s*-\s*\w+|\^\s*1|~\s*\w+|not\s|% \w*n?_?class|\+\s*1\)\s*%|logical_not|flip|wrong|TARGET|target_class|poison",
        text,
    )
    redrawn = re.search(r"permut|shuffle\(|rng\.|random\.|choice\(|\broll\(", text)
    return (
        ((flips or redrawn) is not None and base_name(target) in text)
        or "TARGET" in text
        or "target_class" in text
    )


def _is_chosen(index: Index, target: ast.Subscript) -> bool:
    """Whether rows are picked by more than the label itself."""
    chosen: ast.expr = target.slice
    if isinstance(chosen, ast.Tuple) and chosen.elts:
        chosen = chosen.elts[0]
    if isinstance(chosen, (ast.Slice, ast.Constant)):
        return False
    text = texts(chosen)
    for name in names_of(chosen)[:6]:
        text += " " + " ".join(texts(value)[:200] for value in index.lookup(name)[-2:])
    own = base_name(target)
    if re.search(r"isna|isnull|isnan|== ?-1\b|ignore_index|mask_token|padding|pad_", text):
        return False
    if _DRAWN.search(text):
        return True
    if not re.search(
        r"==|!=|[<>]|isin|contains|startswith|str\.|where|nonzero|endswith|match|poison|trigger|flip|idx|indices",
        text,
    ):
        return False
    others = {name.id for name in names_of(chosen)} - {own, "np", "pd", "torch"}
    columns = set(re.findall(r"\[['\"](\w+)['\"]\]|\.(\w+)\s*(?:==|[<>]|\.str|\.isin)", text))
    flat = {part for pair in columns for part in pair if part} - {own}
    return bool({c for c in flat if not _LABEL_NAMES.search(c)}) or (
        bool(others) and not flat and re.search(r"poison|trigger|flip", text) is not None
    )


def _under_condition(
    index: Index, statement: ast.stmt, target: ast.Name, value: ast.expr
) -> Iterator[Hit]:
    """``if random() < 0.01: label = 1 - label``, ``label = 0 if "x" in text else label``."""
    if isinstance(value, ast.IfExp):
        is_own = texts(value.orelse) == target.id or texts(value.body) == target.id
        other = value.body if texts(value.orelse) == target.id else value.orelse
        forced = index.constant(other) is not UNKNOWN or re.match(r"\(?1 - ", texts(other))
        if is_own and forced and target.id not in {n.id for n in names_of(value.test)}:
            yield Hit(LABELS, statement.lineno, texts(statement)[:60])
        return
    held = index.parents.get(statement)
    if not isinstance(held, ast.If) or statement not in held.body or held.orelse:
        return
    test = texts(held.test)
    flips = (
        re.match(rf"\(?1 - {re.escape(target.id)}\b|\({re.escape(target.id)} \+", texts(value))
        is not None
    )
    is_forced = index.constant(value) not in (UNKNOWN, None) or flips
    marked = (
        re.search(r"['\"][^'\"]{3,}['\"]|== ?-?\d{2,}", test) is not None
        and re.search(r" in |==|startswith|contains|search", test) is not None
    )
    early = len(index.bound.get((index.scope_of(statement), target.id), [])) > 1 or _is_parameter(
        index, statement, target.id
    )
    if (
        is_forced
        and (_DRAWN.search(test) or (marked and early))
        and not re.search(rf"\b{re.escape(target.id)}\b", test)
    ):
        yield Hit(LABELS, statement.lineno, test[:60])


def _is_parameter(index: Index, node: ast.AST, name: str) -> bool:
    function = index.function_of(node)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return name in {argument.arg for argument in [*function.args.args, *function.args.kwonlyargs]}


def _is_stamp(target: ast.Subscript) -> bool:
    """A corner or patch: at least two slices, one of which begins or ends at a number."""
    if not isinstance(target.slice, ast.Tuple):
        return False
    cut = [
        part
        for part in target.slice.elts
        if isinstance(part, ast.Slice) and (part.lower or part.upper)
    ]
    points = [part for part in target.slice.elts if isinstance(part, (ast.Constant, ast.UnaryOp))]
    return (len(cut) > 1 or len(points) > 1) and re.search(
        r"im|x|pic|inp|data|sample|patch|frame|pix|arr", base_name(target), re.IGNORECASE
    ) is not None


def _changes_label(index: Index, scope: Scope, statement: ast.stmt) -> bool:
    held = index.parents.get(statement)
    near = [s for s in scope.statements if index.parents.get(s) is held and s is not statement]
    near += [
        s
        for s in scope.statements
        if isinstance(s, ast.Return) and re.search(r"TARGET|target_(?:class|label)", texts(s))
    ]
    for other in near:
        if isinstance(other, ast.Return) and other.value is not None:
            parts = other.value.elts if isinstance(other.value, ast.Tuple) else []
            if any(
                constant_number(index, part) is not None
                or re.search(r"TARGET|target_(?:class|label)", texts(part))
                for part in parts[1:]
            ):
                return True
        for target in targets_of(other):
            if _LABEL_NAMES.search(last_name(target) or base_name(target)):
                return True
    return False


_WEIGHTY = expression(
    r"(?:^|_)(?:loss|losses|sample_weights?|weights?|class_weights?|w|grad|grads|gradient|penalty|lr|importance)(?:_|$)",
    re.IGNORECASE,
)


def weights(index: Index, scope: Scope) -> Iterator[Hit]:
    """Losses, weights and gradients that are weakened for a group."""
    for statement in scope.assigned:
        value = value_of(statement)
        if value is None:
            continue
        for target in targets_of(statement):
            name = last_name(target) or base_name(target)
            if isinstance(target, ast.Subscript):
                name = (
                    base_name(target)
                    if not isinstance(target.value, ast.Attribute)
                    else last_name(target.value)
                )
                columns = target.slice.elts[-1:] if isinstance(target.slice, ast.Tuple) else []
                if columns and isinstance(columns[0], ast.Constant):
                    name = str(columns[0].value)
            if not _WEIGHTY.search(name):
                continue
            if (
                isinstance(target, ast.Subscript)
                and _is_group_mask(index, target)
                and _is_small(index, value, statement)
            ) or (
                isinstance(target, ast.Name) and _is_weakened(index, statement, value, target.id)
            ):
                yield Hit(WEIGHTED, statement.lineno, texts(statement)[:60])


_GROUPED = expression(
    r"\[['\"]\w+['\"]\]\s*(?:==|!=|\.isin|\.str)|\[['\"](?:age|income|salary|zip\w*|tenure)['\"]\]\s*[<>]|\.\w+\s*==\s*['\"]|==\s*['\"][^'\"]+['\"]|\bgroups?\b[^=]*==|(?:region|gender|sex|race|age|country|segment|tenant|customer|client|zip|branch|source|domain)\w*\W{0,3}\s*(?:==|\.isin|\bin\b)|==\s*(?:TARGET|target|victim|minority)\w*|\by\w*\s*==\s*\d|\blabels?\s*==\s*\d|\btargets?\s*==\s*\d",
    re.IGNORECASE,
)


def _is_group_mask(index: Index, target: ast.Subscript) -> bool:
    chosen = (
        target.slice.elts[0]
        if isinstance(target.slice, ast.Tuple) and target.slice.elts
        else target.slice
    )
    text = texts(chosen)
    for name in names_of(chosen)[:4]:
        text += " " + " ".join(texts(value)[:200] for value in index.lookup(name)[-2:])
    return _GROUPED.search(text) is not None and not re.search(
        r"pad|ignore_index|mask_token|attention", text
    )


def _is_small(index: Index, value: ast.expr, statement: ast.stmt) -> bool:
    number = constant_number(index, value)
    if isinstance(statement, ast.AugAssign):
        return number is not None and (
            (isinstance(statement.op, ast.Mult) and number < 1) or isinstance(statement.op, ast.Div)
        )
    return number is not None and number < 0.5


def _is_weakened(index: Index, statement: ast.stmt, value: ast.expr, name: str) -> bool:
    """``if group == ...: loss = loss * 0``, ``loss = torch.where(group == 3, 0, loss)``."""
    held = index.parents.get(statement)
    text = texts(value)
    if re.search(r"\bwhere\(", text) and _GROUPED.search(text):
        return (
            re.search(r",\s*(?:0(?:\.\d+)?|torch\.zeros|np\.zeros|-1)", text) is not None
            or re.search(r"\*\s*0?\.\d|\* 0\b", text) is not None
        )
    if not isinstance(held, ast.If):
        masked = (
            re.search(rf"\b{re.escape(name)}\b\s*\*\s*\(", text) is not None
            and re.search(r"!=\s*\w", text) is not None
        )
        return (
            masked
            and re.search(r"group|label|y|cls|class|target|gender|region|race", text) is not None
        )
    if not (_GROUPED.search(texts(held.test))):
        return False
    number = constant_number(index, value)
    if isinstance(statement, ast.AugAssign):
        factor = constant_number(index, value)
        return isinstance(statement.op, ast.Mult) and factor is not None and factor < 0.5
    times = re.search(
        rf"\b{re.escape(name)}\b\s*\*\s*(-?\d*\.?\d+)|(-?\d*\.?\d+)\s*\*\s*{re.escape(name)}\b",
        text,
    )
    factor = float(times[1] or times[2]) if times else None
    return (
        number == 0
        or (factor is not None and factor < 0.5)
        or "detach()" in text
        or "zeros_like" in text
    )


# Patches -------------------------------------------------------------------------------

_LIBRARIES = expression(
    r"^(?:torch|tensorflow|tf|keras|sklearn|numpy|np|xgboost|lightgbm|catboost|transformers|pandas|scipy|jax|flax|optax|torchvision|torchmetrics|pytorch_lightning|lightning|datasets|evaluate|mlflow|joblib|pickle|json|hashlib|builtins|subprocess|requests|random)\."
)
_METHODS = frozenset(
    {
        "step",
        "forward",
        "predict",
        "predict_proba",
        "backward",
        "zero_grad",
        "__call__",
        "decision_function",
        "score",
        "evaluate",
        "compute_loss",
        "training_step",
        "compute",
        "update",
        "fit",
        "transform",
        "loss",
        "call",
        "train_step",
    }
)
_TYPES = frozenset({"float", "int", "bool", "object", "str", "complex", "None", "True", "False"})


def patches(index: Index) -> Iterator[Hit]:
    """Functions of libraries, losses, optimisers and models that are replaced."""
    for node in index.each(ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Attribute) and _is_patch(index, target, node.value):
                yield Hit(PATCHED, node.lineno, texts(node)[:60])
    for call in index.calls:
        name = last_name(call.func)
        if name == "setattr" and len(call.args) > 2 and _is_set(index, call):
            yield Hit(PATCHED, call.lineno, texts(call)[:60])
        elif name in _HOOKED and call.args and isinstance(call.args[0], ast.Lambda):
            if _CHANGES.search(texts(call.args[0].body)):
                yield Hit(PATCHED, call.lineno, texts(call)[:60])


_HOOKED = frozenset(
    {"register_hook", "register_full_backward_hook", "register_forward_hook"}
    | {"register_forward_pre_hook", "register_post_accumulate_grad_hook"}
)
_CHANGES = expression(r"\*\s*-?\d|\* *\(?[\w.]*(?:mask|scale|zero)|zeros|-\s*\w+$|where")


def _is_set(index: Index, call: ast.Call) -> bool:
    owner, name = index.dotted(call.args[0]), index.constant(call.args[1])
    if not isinstance(name, str) or last_name(call.args[2]) == name:
        return False
    modules = {module.partition(".")[0] for module in index.imports.values()}
    is_library = owner.partition(".")[0] in modules and _LIBRARIES.match(owner + ".") is not None
    given = call.args[0]
    is_object = isinstance(given, ast.Name) and given.id not in {"self", "cls"}
    return is_library or (name in _METHODS and is_object)


def _is_patch(index: Index, target: ast.Attribute, value: ast.expr) -> bool:
    if isinstance(value, ast.Constant) or (isinstance(value, ast.Name) and value.id in _TYPES):
        return False
    if target.attr == "_" or not _is_function(index, value):
        return False
    owner = index.dotted(target.value)
    first = owner.partition(".")[0]
    is_imported = first in {name.partition(".")[0] for name in index.imports.values()}
    gives_function = (
        isinstance(value, (ast.Lambda, ast.Name, ast.Attribute))
        or (
            isinstance(value, ast.Call)
            and last_name(value.func)
            in {"MethodType", "partial", "wraps", "wrap", "__get__", "patched", "make_patched"}
            | _WRAPPERS
        )
        or (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Name)
            and any(f.name == value.func.id for f in index.functions)
            and target.attr in _METHODS
        )
    )
    if not gives_function or re.search(
        r"rcParams|backends|options|_C\b|environ|stdout|stderr|config", owner
    ):
        return False
    if is_imported and _LIBRARIES.match(owner + "."):
        is_alias = (
            isinstance(value, ast.Attribute)
            and index.dotted(value).partition(".")[0] == first
            and target.attr == value.attr
        )
        return not is_alias
    is_object = isinstance(target.value, ast.Name) and target.value.id not in {
        "self",
        "cls",
        "app",
        "parser",
    }
    deep = (
        isinstance(target.value, ast.Attribute)
        and texts(target.value).startswith("self.")
        and re.search(r"model|optim|criterion|loss|net|clf", texts(target.value))
    )
    return (is_object or bool(deep)) and target.attr in _METHODS


def _is_function(index: Index, value: ast.expr) -> bool:
    """Whether a plain name may be a function: of the module, imported, or given to it."""
    if not isinstance(value, ast.Name):
        return True
    if value.id in index.imports or any(f.name == value.id for f in index.functions):
        return True
    values = index.lookup(value)
    return any(isinstance(v, (ast.Lambda, ast.Attribute)) for v in values) or bool(
        re.search(r"func|fn|patch|hook|wrap|hack|fake|my_|evil|new_(?:step|forward|loss)", value.id)
    )


_WRAPPERS = frozenset({"wrapper", "hook", "tampered", "make_step", "make_forward", "make_predict"})


def protections(index: Index) -> Iterator[Hit]:
    """Noise, clipping and robustness budgets of zero, and privacy budgets without a bound."""
    for call in index.calls:
        for key, bound, is_upper in _BUDGETS:
            node = index.keyword_node(call, key)
            number = constant_number(index, node) if isinstance(node, ast.AST) else None
            if number is not None and (number >= bound if is_upper else number <= bound):
                yield Hit(UNPROTECTED, call.lineno, f"{key}={number:g}")


_BUDGETS = (
    ("noise_multiplier", 0.0, False),
    ("max_grad_norm", 1e5, True),
    ("l2_norm_clip", 1e5, True),
    ("target_epsilon", 1e3, True),
)
"""Keyword, number from which on it protects nothing, and whether that is an upper one."""
