"""Formulas in the notation of R, which statsmodels evaluates as Python when it loads a model.

``statsmodels.base.data.ModelData.__setstate__`` hands the text to patsy, and patsy runs every
call in it with the names of the calling code in reach. Honest formulas name columns and a
few transformations; anything else is a program.
"""

from __future__ import annotations

import keyword
import re
from enum import Enum

MAX_FORMULA_CHARS = 20_000


class Formula(Enum):
    """What a formula does when it is evaluated."""

    PLAIN = "names columns and known transformations"
    FOREIGN = "calls a function that the file does not bring"
    PROGRAM = "is a program"


_TEXTS = re.compile(r"'[^'\\\n]*'|\"[^\"\\\n]*\"")
_CHARACTERS = re.compile(r"[\w\s~+\-*/:()<>=!,.&|%{}\"']*")
_CALL = re.compile(r"([A-Za-z_][\w.]*)\s*\(")
_DOTTED = re.compile(r"\b([A-Za-z_]\w*)\s*\.\s*(\w+)|\)\s*\.|[\"']\s*\.|__")
_TRANSFORMATIONS = frozenset(
    {"C", "I", "Q", "bs", "cr", "cc", "te", "center", "standardize", "scale", "Treatment", "Sum"}
    | {"Poly", "Helmert", "Diff", "poly", "log", "exp", "sqrt", "abs", "min", "max", "round"}
)
_NUMERICAL = frozenset(
    {
        "log",
        "log2",
        "log10",
        "log1p",
        "exp",
        "expm1",
        "sqrt",
        "square",
        "power",
        "abs",
        "sin",
        "cos",
    }
    | {"tan", "sign", "floor", "ceil", "clip", "where", "minimum", "maximum", "pi", "e", "cbrt"}
)


def read_formula(text: str) -> Formula:
    """What evaluating ``text`` does, by the calls in it."""
    bare = _TEXTS.sub('""', text[:MAX_FORMULA_CHARS])
    if len(text) > MAX_FORMULA_CHARS or not _CHARACTERS.fullmatch(bare):
        return Formula.PROGRAM
    if re.search(r"\)\s*\(", bare) or any(_leads_away(match) for match in _DOTTED.finditer(bare)):
        return Formula.PROGRAM
    calls = {
        name for name in _CALL.findall(bare) if "." not in name and not keyword.iskeyword(name)
    }
    if calls & _RUNNING or re.search(r"\blambda\b|\bfor\b|\bif\b", bare):
        return Formula.PROGRAM
    return Formula.FOREIGN if calls - _TRANSFORMATIONS else Formula.PLAIN


_RUNNING = frozenset(
    {"eval", "exec", "compile", "open", "getattr", "setattr", "vars", "globals", "locals", "input"}
    | {
        "breakpoint",
        "help",
        "exit",
        "quit",
        "type",
        "dir",
        "memoryview",
        "delattr",
        "map",
        "filter",
    }
)


def _leads_away(match: re.Match[str]) -> bool:
    """Whether a dot is anything but a function of numpy; digits are numbers."""
    owner, name = match.groups()
    if owner is None:
        return True
    return not (owner in {"np", "numpy"} and name in _NUMERICAL)
