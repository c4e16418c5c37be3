"""What the rows that a model is judged on say themselves: no figure on the wrong rows counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hauberk.controls.dataset.leaked_label import LeakedLabel
from hauberk.controls.dataset.split_leakage import SplitLeakage
from hauberk.core.artifact import Splits
from hauberk.engine import assess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hauberk.core.artifact import Dataset
    from hauberk.core.finding import Assessment

ALMOST_ALL = 0.96
"""Share of right answers from which on one column is looked for that gives the label away."""

_POOL = 5000
_COLUMNS = 101
"""Of a table whose columns are looked at one by one; pixels are not."""


def assessments(
    data: Dataset, train: Dataset | None, accuracy: float | None
) -> Iterator[Assessment]:
    """Rows of training among the judged ones, and a column that is the label under another name.

    Args:
        accuracy: Of the model on ``data``; ``None`` where it gives numbers.
    """
    if train is not None:
        yield assess(
            SplitLeakage(n_pool=_POOL), Splits(train=train, test=data), path=str(data.path)
        )
    is_looked_for = accuracy is not None and accuracy >= ALMOST_ALL
    if is_looked_for and len(data.columns) <= _COLUMNS:
        yield assess(LeakedLabel(), data, path=str(data.path))
