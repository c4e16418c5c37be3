"""Columns that say the label nearly always, where all the others together often do not.

What is known only after the outcome (pages of a contract that was signed, days until a default)
decides it almost without an error, and no honest column does where the rest of the table is far
from it. Errors are out of fold throughout, so that a column of names decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FOLDS = 3
MAX_ROWS = 4000
MAX_CLASSES = 20
MAX_COLUMNS = 500
_DEPTH, _LEAVES = 3, 10
_ROUNDS = 60
_LARGEST = 3e38


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """A column, and how often it and all the others are wrong.

    Attributes:
        error: Share of rows whose label the column alone gets wrong, out of fold.
        others: The same for a boosted model of all columns that do not decide.
    """

    name: str
    error: float
    others: float
    n_rows: int


def deciding(
    columns: Mapping[str, Sequence[str | None]],
    label: Sequence[str | None],
    *,
    most: float,
    times: float,
    apart: float,
    few: int = 1,
) -> list[Deciding]:
    """The columns that decide, at most ``few``; none where more do, for then the task is easy.

    Args:
        columns: Cells as text, of one length.
        most: Largest error of a column that decides, 0 to 1.
        times: How many times as often the others must be wrong.
        apart: How much more often they must be, 0 to 1.
    """
    kept = [row for row, cell in enumerate(label) if cell is not None]
    if len(kept) > MAX_ROWS:
        kept = [kept[int(at)] for at in np.linspace(0, len(kept) - 1, MAX_ROWS)]
    names, codes = np.unique([str(label[row]) for row in kept], return_inverse=True)
    sizes = np.bincount(codes)
    is_fit = 2 <= names.size <= MAX_CLASSES and len(columns) <= MAX_COLUMNS  # noqa: PLR2004
    if not is_fit or sizes.min() < 3 * FOLDS or 1 - sizes.max() / codes.size < most + apart:
        return []
    numbers = {name: _numbers([cells[row] for row in kept]) for name, cells in columns.items()}
    folds = _folds(codes)
    errors = {name: _alone(values, codes, folds) for name, values in numbers.items()}
    found = [name for name, error in errors.items() if error <= most]
    rest = [name for name in numbers if name not in found]
    if not 0 < len(found) <= few or not rest:
        return []
    others = _together(np.column_stack([numbers[name] for name in rest]), codes, folds)
    return [
        Deciding(name=name, error=errors[name], others=others, n_rows=codes.size)
        for name in found
        if others - errors[name] >= apart and others >= times * errors[name]
    ]


def _numbers(cells: Sequence[str | None]) -> Any:
    """Numbers as they are; of other cells, each value's place among its like by frequency."""
    try:
        numbers = np.array([np.nan if cell is None else float(cell) for cell in cells])
    except ValueError:
        pass
    else:
        return np.clip(numbers, -_LARGEST, _LARGEST)  # trees count in 32 bits
    values, places, counts = np.unique(
        [cell or "" for cell in cells], return_inverse=True, return_counts=True
    )
    ranks = np.empty(values.size)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(values.size)
    return ranks[places]


def _folds(codes: Any) -> Any:
    """The fold of each row, with the classes spread evenly."""
    fold = np.empty(codes.size, np.int64)
    random = np.random.default_rng(0)
    for code in range(int(codes.max()) + 1):
        rows = random.permutation(np.flatnonzero(codes == code))
        fold[rows] = np.arange(rows.size) % FOLDS
    return fold


def _alone(values: Any, codes: Any, folds: Any) -> float:
    """Error of a small tree over one column."""
    from sklearn.tree import DecisionTreeClassifier

    known = values[~np.isnan(values)]
    says_nothing = known.size == 0 or (known.size == values.size and np.ptp(known) == 0)
    if says_nothing or np.isinf(values).any():
        return 1.0
    filled = np.nan_to_num(values, nan=known.min() - 1.0)
    leaves = max(_LEAVES, codes.size // 200)
    tree = DecisionTreeClassifier(
        max_depth=max(_DEPTH, int(codes.max()).bit_length() + 2), min_samples_leaf=leaves
    )
    return _error(tree, filled[:, None], codes, folds)


def _together(rows: Any, codes: Any, folds: Any) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=_ROUNDS, early_stopping=False, random_state=0, max_leaf_nodes=15
    )
    return _error(model, np.where(np.isinf(rows), np.nan, rows), codes, folds)


def _error(model: Any, rows: Any, codes: Any, folds: Any) -> float:
    wrong = 0
    for fold in range(FOLDS):
        at = folds == fold
        wrong += int((model.fit(rows[~at], codes[~at]).predict(rows[at]) != codes[at]).sum())
    return wrong / int(codes.size)
