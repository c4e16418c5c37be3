"""Flags that a function of the project hands on from a parameter with a dangerous default.

``def restore(path, strict=False): torch.load(path, weights_only=strict)`` unpickles for every
caller who says nothing. The default is the value in force; where a caller of the same module
takes it, that is a defect, else somebody should look.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from hauberk.core.finding import Level
from hauberk.methods.code.execution_rules import SHELL, UNVERIFIED
from hauberk.methods.code.flow import texts
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.python_loading import KERAS, PICKLE_FRAME, REMOTE_CODE, TORCH
from hauberk.methods.code.rules import Hit, Rule

_FLAGS: dict[str, tuple[object, Rule, str]] = {
    "weights_only": (False, TORCH, r"(?:^|\.)(?:load\w*|torch_load)$"),
    "allow_pickle": (True, PICKLE_FRAME, r"(?:^|\.)(?:load|open_memmap|read_array|memmap)\w*$"),
    "trust_remote_code": (True, REMOTE_CODE, r""),
    "safe_mode": (False, KERAS, r"load_model|deserialize|from_"),
    "shell": (True, SHELL, r"subprocess\.|Popen|check_output|check_call"),
    "verify": (
        False,
        UNVERIFIED,
        r"requests|httpx|session|client|urllib3|\.(?:get|post|put|request)$",
    ),
}
"""Keyword to the dangerous value, the rule, and the calls that it belongs to."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def handed_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    for call in index.calls:
        for given in call.keywords:
            if given.arg not in _FLAGS or not isinstance(given.value, ast.Name):
                continue
            wrong, broken, calls = _FLAGS[given.arg]
            function = index.function_of(call)
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            name = index.dotted(call.func) or last_name(call.func)
            default = _default_of(function, given.value.id)
            is_bound = bool(index.bound.get((function, given.value.id)))
            if (
                default is None
                or default.value is not wrong
                or is_bound
                or not re.search(calls, name)
            ):
                continue
            taken = _takes_default(index, function, given.value.id)
            rule = broken if taken else replace(broken, level=Level.REVIEW)
            yield Hit(
                rule, call.lineno, f"{given.arg}={texts(given.value)}, {default.value!r} by default"
            )


def _default_of(function: _Function, name: str) -> ast.Constant | None:
    given = function.args
    plain = [*given.posonlyargs, *given.args]
    pairs = list(zip(plain[len(plain) - len(given.defaults) :], given.defaults, strict=True))
    pairs += [
        (a, d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d is not None
    ]
    found = next((default for argument, default in pairs if argument.arg == name), None)
    return found if isinstance(found, ast.Constant) else None


def _takes_default(index: Index, function: _Function, name: str) -> bool:
    """Whether somebody in the module calls the function and says nothing of the parameter."""
    names = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
    place = names.index(name) if name in names else None
    if names[:1] in (["self"], ["cls"]) and place is not None:
        place -= 1
    return any(
        last_name(call.func) == function.name
        and all(key.arg not in {name, None} for key in call.keywords)
        and not any(isinstance(argument, ast.Starred) for argument in call.args)
        and (place is None or len(call.args) <= place)
        for call in index.calls
    )
