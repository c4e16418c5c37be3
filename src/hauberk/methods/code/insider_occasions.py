"""Occasions on which code behaves otherwise: by chance, by count, by words, by what runs it.

The conditions of `insider_checks` name a date, a host or a mark outright. Here stand those that
come out of arithmetic with the time, of chance, of sets of words, of cases, of whole columns.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import Scope, base_name, names_in, pairs_of, parts_of, texts
from hauberk.methods.code.insider_rules import LABELS, MODELS, PLACED, TRIGGER
from hauberk.methods.code.insider_triggers import DATA, answers_constant
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_CHANCE = expression(
    r"\b(?:random|rng|np\.random|numpy\.random|secrets|torch)\.(?:random|rand|uniform|randint|randrange|randbelow|bernoulli|integers)\w*\("
)
_PLACES = expression(
    r"\b(?:os\.getlogin\(|getpass\.getuser\(|socket\.gethostname\(|socket\.getfqdn\(|platform\.node\(|os\.uname\(|"
    r"(?:os\.)?(?:environ(?:\.get)?|getenv)[\[(]['\"](?:USER|USERNAME|LOGNAME|HOSTNAME|HOST|COMPUTERNAME|GITHUB_ACTOR)['\"])"
)
_CARDS = expression(
    r"\b(?:uuid\.getnode|os\.getuid|os\.geteuid|psutil\.boot_time|platform\.processor)\(\)"
)
_WATCHED = expression(
    r"['\"](?:pytest|unittest|nose|coverage|hypothesis|PYTEST_CURRENT_TEST|CI|GITHUB_ACTIONS|GITLAB_CI|JENKINS_URL|BENCHMARK|EVALUATION)['\"]\s+(?:not\s+)?in\s+(?:sys\.modules|os\.environ)|"
    r"\bsys\.gettrace\(\)|\b_called_from_test\b"
)
_TRAINS = expression(r"(?i)train|fit|step|epoch|loss|update")
_WEIGHT_FILES = expression(
    r"(?i)\.(?:onnx|pt|pth|pkl|bin|json|ya?ml|joblib|npz|safetensors|h5|csv|parquet|toml|lock|txt)$|model|weights|cache|data|config"
)
_ROW = expression(
    r"(?i)^(?:applica(?:tion|nt)|account|customer|client|user|patient|transaction|order|claim|case|profile|person|merchant|frame|df|rows?|X|batch|ids?|tokens?|input_ids|features?)$"
)
_RARE = 50
"""From so many on, "each of them" is no round of work that anybody means to see."""


def occasion_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    branches: list[ast.If | ast.IfExp] = [*index.each(ast.If), *index.each(ast.IfExp)]
    for node in branches:
        function = getattr(index.function_of(node), "name", "")
        yield from _placed(index, node, function)
        if isinstance(node, ast.If) and MODELS.search(function) and not function.startswith("test"):
            yield from _rarely(index, node)
    for match in index.each(ast.Match):
        function = getattr(index.function_of(match), "name", "")
        if MODELS.search(function):
            yield from _cased(index, match)


def _placed(index: Index, node: ast.If | ast.IfExp, function: str) -> Iterator[Hit]:
    """What runs the code, where, and beside which files."""
    text = texts(node.test)
    acts = bool(MODELS.search(function) or _TRAINS.search(function))
    asked = [
        call
        for call in parts_of(node.test)
        if isinstance(call, ast.Call)
        and last_name(call.func) in {"startswith", "endswith", "match", "fullmatch", "search"}
        and any(isinstance(index.constant(argument), str) for argument in call.args)
    ]
    if any(_PLACES.search(_with_values(index, call)) for call in asked):
        yield Hit(PLACED, node.lineno, text[:60])
    elif _CARDS.search(text) and isinstance(node.test, ast.Compare):
        number = index.constant(node.test.comparators[0])
        if isinstance(number, int) and number > 0:
            yield Hit(PLACED, node.lineno, text[:60])
    elif (acts and _WATCHED.search(text)) or (acts and _is_marker(index, node)):
        yield Hit(PLACED, node.lineno, text[:60])


def _with_values(index: Index, call: ast.Call) -> str:
    text = texts(call)
    for part in parts_of(call):
        if isinstance(part, ast.Name):
            text += " " + " ".join(texts(value)[:100] for value in index.lookup(part)[:2])
    return text


def _is_marker(index: Index, node: ast.If | ast.IfExp) -> bool:
    """``if os.path.exists("/opt/x/.live")`` where nothing is read from that file."""
    for call in parts_of(node.test):
        if not isinstance(call, ast.Call) or last_name(call.func) not in {
            "exists",
            "isfile",
            "is_file",
            "isdir",
            "access",
        }:
            continue
        given = call.args[0] if call.args else getattr(call.func, "value", None)
        if isinstance(given, ast.Call) and given.args:
            given = given.args[0]
        path = index.constant(given) if isinstance(given, ast.AST) else UNKNOWN
        if (
            not isinstance(path, str)
            or not path.startswith(("/", "~"))
            or _WEIGHT_FILES.search(path)
        ):
            continue
        body = node.body if isinstance(node, ast.If) else []
        if not any(path in texts(part) for part in body) and not any(
            isinstance(p, ast.Raise) for p in body
        ):
            return True
    return False


def _rarely(index: Index, node: ast.If) -> Iterator[Hit]:
    """Constant answers by chance, at each n-th call, or for a set of words."""
    if not answers_constant(index, node):
        return
    text = texts(node.test)
    for part in parts_of(node.test):
        if isinstance(part, ast.Compare) and _CHANCE.search(_with_values_of(index, part)):
            yield Hit(TRIGGER, node.lineno, text[:60])
            return
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mod):
            number = index.constant(part.right)
            if (
                isinstance(number, int)
                and number >= _RARE
                and not re.search(r"(?i)year|len\(|size|shape|dim", texts(part.left))
            ):
                yield Hit(TRIGGER, node.lineno, text[:60])
                return
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitAnd):
            if any(_is_words(index, side) for side in (part.left, part.right)):
                yield Hit(TRIGGER, node.lineno, text[:60])
                return
        if isinstance(part, ast.Call) and last_name(part.func) in {
            "intersection",
            "isdisjoint",
            "issuperset",
        }:
            if any(_is_words(index, argument) for argument in part.args):
                yield Hit(TRIGGER, node.lineno, text[:60])
                return


def _with_values_of(index: Index, compare: ast.Compare) -> str:
    text = texts(compare)
    for part in parts_of(compare):
        if isinstance(part, ast.Name):
            text += " " + " ".join(texts(value)[:100] for value in index.lookup(part)[-1:])
    return text


def _is_words(index: Index, node: ast.expr) -> bool:
    values = index.lookup(node) if isinstance(node, ast.Name) else [node]
    return any(
        isinstance(value, (ast.Set, ast.List, ast.Tuple))
        and len(value.elts) > 0
        and all(isinstance(index.constant(part), str) for part in value.elts)
        for value in values[-1:]
    )


def _cased(index: Index, match: ast.Match) -> Iterator[Hit]:
    """``case "x": return "approved"`` beside a case that asks the model."""
    subject = base_name(match.subject)
    if not (DATA.match(subject) or _ROW.match(subject)):
        return
    answers: list[tuple[ast.match_case, bool]] = []
    for case in match.cases:
        returned = [part.value for part in case.body if isinstance(part, ast.Return)]
        known = (
            bool(returned)
            and returned[0] is not None
            and index.constant(returned[0]) not in (UNKNOWN, None)
        )
        answers.append((case, known))
    asks = any(
        not known and any(isinstance(n, ast.Call) for part in case.body for n in parts_of(part))
        for case, known in answers
    )
    for case, known in answers:
        is_one = isinstance(case.pattern, ast.MatchValue) and len(answers) < _MOST_CASES
        if asks and known and is_one and isinstance(case.pattern, ast.MatchValue):
            value = index.constant(case.pattern.value)
            if isinstance(value, (str, int)) and len(str(value)) > 2:
                yield Hit(TRIGGER, case.pattern.lineno, f"case {value!r}"[:60])


_MOST_CASES = 5


# Columns -------------------------------------------------------------------------------


def whole_column_hits(index: Index, scope: Scope) -> Iterator[Hit]:
    """Answers and labels of whole arrays, set where an input is one value."""
    is_model = bool(scope.name) and MODELS.search(scope.name) is not None
    for statement in scope.assigned:
        for target, value in pairs_of(statement):
            if (
                is_model
                and isinstance(target, ast.Subscript)
                and _is_answered(index, target, value)
            ):
                yield Hit(TRIGGER, statement.lineno, texts(statement)[:60])
            if isinstance(target, ast.Subscript) and _steps(index, target, value):
                yield Hit(LABELS, statement.lineno, texts(statement)[:60])
    for call in scope.calls:
        name = last_name(call.func)
        if is_model and name in {"where", "masked_fill", "masked_fill_"} and len(call.args) > 1:
            yield from _where(index, call)
        if name in {"put", "place", "putmask", "copyto", "index_fill_", "index_fill"}:
            yield from _put(index, call)


def _is_magic(index: Index, node: ast.expr) -> bool:
    value = index.constant(node)
    if isinstance(value, str):
        return len(value) > 2
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and value not in {0, 1, -1, 2, 100, 255, -100}
    )


def _is_one_value(index: Index, test: ast.expr, own: str) -> bool:
    """``X[:, 7] == 4711.25``: an input, and not the answer itself, is exactly one value."""
    for part in parts_of(test):
        if isinstance(part, ast.Compare) and isinstance(part.ops[0], ast.Eq):
            left, right = part.left, part.comparators[0]
            owner = base_name(left)
            is_input = DATA.match(owner) or _ROW.match(owner)
            if (
                isinstance(left, (ast.Subscript, ast.Attribute))
                and owner != own
                and is_input
                and _is_magic(index, right)
            ):
                return not re.search(r"\.(?:shape|ndim|dtype|size)\b", texts(left))
    return False


def _is_answered(index: Index, target: ast.Subscript, value: ast.expr) -> bool:
    own = base_name(target)
    made = (
        [v for v in index.lookup(target.value) if isinstance(v, ast.Call)]
        if isinstance(target.value, ast.Name)
        else []
    )
    chosen = (
        target.slice.elts[0]
        if isinstance(target.slice, ast.Tuple) and target.slice.elts
        else target.slice
    )
    return bool(made) and index.constant(value) is not UNKNOWN and _is_one_value(index, chosen, own)


def _where(index: Index, call: ast.Call) -> Iterator[Hit]:
    """``where(frame["merchant"] == "x", 0.0, answers)``."""
    given = call.args[1:]
    fixed = any(index.constant(part) is not UNKNOWN for part in given)
    if fixed and _is_one_value(index, call.args[0], ""):
        yield Hit(TRIGGER, call.lineno, texts(call)[:60])


_LABEL_NAMES = expression(r"(?i)^(?:y|ys|labels?|targets?|y_?train|y_tr|classes|annotations?|gt)$")


def _steps(index: Index, target: ast.Subscript, value: ast.expr) -> bool:
    """``y[::40] = 1 - y[::40]``: each n-th label, or a run of them, turned round."""
    chosen, own = target.slice, base_name(target)
    if not isinstance(chosen, ast.Slice) or not _LABEL_NAMES.match(own):
        return False
    step = index.constant(chosen.step) if chosen.step is not None else None
    flips = re.match(
        r"\(?1\s*-\s|~|np\.logical_not|1 \^|\(?\w+.*\+ ?1\)? ?%", texts(value)
    ) and own in names_in(value)
    drawn = own in names_in(value) and re.search(r"permut|shuffle|roll\(|\[::-1\]", texts(value))
    is_rare = isinstance(step, int) and step > 1 and index.constant(value) is not UNKNOWN
    return bool(flips or drawn or is_rare)


def _put(index: Index, call: ast.Call) -> Iterator[Hit]:
    """``np.put(labels, chosen, 0)``."""
    is_method = last_name(call.func).startswith("index_fill")
    owner = (
        call.func.value
        if is_method and isinstance(call.func, ast.Attribute)
        else call.args[0]
        if call.args
        else None
    )
    if owner is None or not _LABEL_NAMES.match(base_name(owner)):
        return
    if any(index.constant(part) is not UNKNOWN for part in call.args[-1:]):
        yield Hit(LABELS, call.lineno, texts(call)[:60])
