"""What the rows of an evaluation say beside their scores: strange labels, and slices of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hauberk.errors import ArtifactError

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.lifecycle.native import Scored
    from hauberk.methods.slices import Slice

_SHOWN = 10


def strangers(data: Dataset, classes: tuple[str, ...]) -> str:
    """What is said of rows whose label is none of the model's; they count as wrong.

    Raises:
        ArtifactError: It is so for all rows.
    """
    from collections import Counter

    from hauberk.methods.scoring import class_name

    label = str(data.label)
    cells = (cell for batch in data.read() for cell in batch.column(label).to_pylist())
    counts = Counter("missing" if cell is None else class_name(cell) for cell in cells)
    strange = Counter({name: n for name, n in counts.items() if name not in classes})
    if not classes or not strange:
        return ""
    named = ", ".join(f"{name} ({n})" for name, n in strange.most_common(_SHOWN))
    if strange.total() == counts.total():
        raise ArtifactError(
            "no label of the rows is a class of the model",
            subject=data.name,
            expected=", ".join(classes[:_SHOWN]),
            found=named,
            hint="name the column that the model predicts with --label",
        )
    return (
        f"{strange.total()} of {counts.total()} rows count as wrong, no class of the model: {named}"
    )


def slices(data: Dataset, scored: Scored, seed: int) -> tuple[Slice, ...]:
    """Parts of the judged rows where the model errs more than elsewhere."""
    import numpy as np

    from hauberk.methods.scoring import class_name
    from hauberk.methods.slices import MAX_COLUMNS, MAX_ROWS, worst_slices

    columns: dict[str, list[Any]] = {column.name: [] for column in data.columns}
    if not scored.classes or len(columns) > MAX_COLUMNS:
        return ()
    for batch in data.read():
        for name, cells in columns.items():
            cells.extend(batch.column(name)[: MAX_ROWS - len(cells)].to_pylist())
    truth = list(map(class_name, columns.pop(str(data.label))))
    given = [scored.classes[place] for place in scored.scores[: len(truth)].argmax(axis=1)]
    is_wrong = np.array([a != b for a, b in zip(truth, given, strict=True)], bool)
    return worst_slices(columns, is_wrong, np.random.default_rng(seed))
