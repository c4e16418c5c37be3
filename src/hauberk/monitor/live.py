"""Accepted traffic, gathered in the sketches that training used.

Rows are kept only until a few thousand have come, then they are counted into the sketches
and forgotten; memory is bounded whatever the traffic. Refusals are counted by rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Column, ColumnKind, Dataset
from hauberk.errors import ArtifactError
from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, TensorSchema
from hauberk.monitor.behind import Behind
from hauberk.sketches.profile import ColumnProfile, Profile

if TYPE_CHECKING:
    from hauberk.formats.v2 import Request, Tensor

FLUSH_ROWS = 2000
"""Rows held back; counting them in takes a few milliseconds."""

MAX_LABELS = 1000
"""Different predictions counted by name; the rest are counted together."""

OTHER = "(other)"
_SUM_ERROR = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWindow:
    """What came between two moments.

    Attributes:
        profile: Of the accepted rows, for the columns of the schema.
        predictions: How often each value of the first output came, as text.
        refused: Rule to how often it was broken.
        first: When the first request came, in seconds since the epoch; 0 where none did.
    """

    profile: Profile
    predictions: Mapping[str, int]
    requests: int
    refused: Mapping[str, int]
    first: float
    last: float

    @property
    def rows(self) -> int:
        """Accepted rows."""
        return self.profile.rows


@dataclass(slots=True)
class _Counts:
    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    predictions: Counter[str] = field(default_factory=Counter)
    first: float = 0.0
    last: float = 0.0

    def seen(self, at: float) -> None:
        self.first = min(self.first, at) if self.first else at
        self.last = max(self.last, at)


class Buffer:
    """Accepted requests as columns, until they are counted."""

    def __init__(self, training: Profile, schema: InputSchema) -> None:
        self._training = training
        self._schema = schema
        self._whole = _whole(training, schema)
        self.columns = _columns(training, schema)
        self.held = 0
        self._cells: dict[str, list[Any]] = {column.name: [] for column in self.columns}

    def keep(self, request: Request) -> None:
        """Take in the inputs of a request."""
        tensors = {tensor.name: tensor for tensor in request.inputs}
        for declared in self._schema.inputs:
            tensor = tensors.get(declared.name)
            if tensor is None:
                continue
            if declared.name in self._whole:
                self._cells[self._whole[declared.name]] += _rows(tensor)
                continue
            names = _names(declared)
            for place, name in enumerate(names):
                if name in self._cells:
                    self._cells[name] += _plain(tensor.values[place :: len(names)])
        self.held += request.inputs[0].shape[0]

    def last(self, name: str, n_rows: int) -> list[Any]:
        """The newest cells of a column; none where the column is not kept."""
        cells = self._cells.get(name, [])
        return cells[len(cells) - n_rows :] if len(cells) >= n_rows else []

    def warm(self) -> None:
        """Load what `taken` needs; at its first call that would keep a request waiting."""
        for column in self.columns:
            self._array(column, [])

    def taken(self) -> Any:
        """What was kept, as an Arrow batch, and is kept no more; ``None`` where nothing was."""
        if not self.held:
            return None
        import pyarrow as pa

        cells = {
            column.name: self._array(column, self._cells[column.name]) for column in self.columns
        }
        self._cells = {name: [] for name in self._cells}
        self.held = 0
        return pa.record_batch(cells) if cells else None

    def _array(self, column: Column, cells: list[Any]) -> Any:
        if column.name in self._whole.values():
            return _tensors(cells, column.shape)
        return _cells(cells, self._training.column(column.name).dtype)


class Live:
    """Gathers traffic; the guard hands it each accepted request and each refusal.

    Args:
        training: Profile of the rows that the model was trained on; says what a column is.
        schema: Says which columns a request holds, and where.
    """

    def __init__(self, training: Profile, schema: InputSchema) -> None:
        self._lock = Lock()
        self._behind = Behind(self._lock, FLUSH_ROWS)
        self._buffer = Buffer(training, schema)
        self._buffer.warm()
        self._profile = Profile.start(_dataset(self._buffer.columns))
        self._counts = _Counts()

    def accepted(self, request: Request, outputs: Sequence[Tensor], at: float) -> None:
        """Note an answered request; it is counted soon."""
        self._behind.put(request.inputs[0].shape[0], self._accept, request, outputs, at)

    def _accept(self, request: Request, outputs: Sequence[Tensor], at: float) -> None:
        self._counts.requests += 1
        self._counts.seen(at)
        self._buffer.keep(request)
        if outputs:
            self._predicted(outputs[0])
        if self._buffer.held >= FLUSH_ROWS:
            self._flush()

    def refused(self, rule: str, at: float) -> None:
        """Note a refusal."""
        self._behind.put(1, self._refuse, rule, at)

    def _refuse(self, rule: str, at: float) -> None:
        self._counts.refused[rule] += 1
        self._counts.seen(at)

    def concluded(self, status: int, seconds: float, at: float) -> None:
        """A reply was given; the server's own metrics count them."""

    def window(self, *, reset: bool = False) -> LiveWindow:
        """What has come since the start or the last reset."""
        with self._lock:
            self._behind.catch_up()
            self._flush()
            found = LiveWindow(
                profile=self._profile,
                predictions=dict(self._counts.predictions),
                requests=self._counts.requests,
                refused=dict(self._counts.refused),
                first=self._counts.first,
                last=self._counts.last,
            )
            if reset:
                self._reset()
            else:
                self._profile = Profile.from_bytes(self._profile.to_bytes())
        return found

    def _reset(self) -> None:
        self._profile = Profile.start(_dataset(self._buffer.columns))
        self._counts = _Counts()

    def _predicted(self, output: Tensor) -> None:
        counts = self._counts.predictions
        for text in predicted_names(output):
            counts[text if text in counts or len(counts) < MAX_LABELS else OTHER] += 1

    def _flush(self) -> None:
        batch = self._buffer.taken()
        if batch is not None:
            self._profile.update(batch)


def predicted_names(output: Tensor) -> list[str]:
    """The predictions of an output as names; none where it is no list of them."""
    return [str(value) for value in _plain(output.values)] if len(output.shape) == 1 else []


def confidences(outputs: Sequence[Tensor], n_rows: int) -> tuple[list[float], list[float]]:
    """What an answer says of its own certainty, row by row.

    Returns:
        The confidence that is shown, and the share of right answers it promises. For a table
        of probabilities both are the largest of a row; for one probability a row, the second
        is that of the likelier class. Both are empty where no output is such a thing.
    """
    import numpy as np

    for output in outputs:
        if not output.datatype.is_float or output.shape[0] != n_rows or len(output.shape) > 2:  # noqa: PLR2004 - rows and classes
            continue
        values = np.asarray(output.values, np.float64).reshape(n_rows, -1)
        if not values.size or not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            continue
        if values.shape[1] == 1:
            one = values[:, 0]
            return one.tolist(), np.maximum(one, 1 - one).tolist()
        if np.abs(values.sum(axis=1) - 1).max() < _SUM_ERROR:
            top = values.max(axis=1)
            return top.tolist(), top.tolist()
    return [], []


def window(training: Profile, schema: InputSchema, live: Dataset) -> LiveWindow:
    """The window that a table of live rows makes, without predictions and refusals.

    Raises:
        ArtifactError: The table lacks a column of the schema.
    """
    columns = _columns(training, schema)
    present = {column.name for column in live.columns}
    missing = [column.name for column in columns if column.name not in present]
    if missing:
        raise ArtifactError(
            "the live rows lack a column",
            subject=live.name,
            rule="live rows have the columns of training",
            expected=missing[0],
            found=", ".join(sorted(present))[:200],
        )
    profile = Profile.start(_dataset(columns))
    for batch in live.read():
        profile.update(batch)
    return LiveWindow(profile=profile, predictions={}, requests=0, refused={}, first=0.0, last=0.0)


def _columns(training: Profile, schema: InputSchema) -> tuple[Column, ...]:
    whole = _whole(training, schema)
    wanted = {name for tensor in schema.inputs for name in _names(tensor)} | set(whole.values())
    return tuple(
        Column(name=column.name, kind=column.kind, shape=column.shape)
        for column in training.columns
        if column.name in wanted and (not _is_whole(column) or column.name in whole.values())
    )


def _is_whole(column: ColumnProfile) -> bool:
    """Whether a cell is more than one number: a picture or an embedding."""
    return column.kind is ColumnKind.IMAGE or column.is_vector


def _whole(training: Profile, schema: InputSchema) -> dict[str, str]:
    """Input to the column whose cells its rows are, where they are pictures or embeddings."""
    columns = [column for column in training.columns if _is_whole(column)]
    names = {column.name for column in columns}
    numeric = [tensor for tensor in schema.inputs if tensor.datatype is not Datatype.BYTES]
    found = {tensor.name: tensor.name for tensor in numeric if tensor.name in names}
    if not found and len(columns) == 1 and len(schema.inputs) == len(numeric) == 1:
        tensor = numeric[0]
        if not any(rule.name and rule.name not in names for rule in tensor.columns):
            found[tensor.name] = columns[0].name
    return found


def _dataset(columns: tuple[Column, ...]) -> Dataset:
    return Dataset(name="live", columns=columns, read=lambda: iter(()))


def _names(tensor: TensorSchema) -> tuple[str, ...]:
    """Training's names for the positions of the last dimension."""
    named = tuple(rule.name for rule in tensor.columns)
    return named if any(named) else (tensor.name,)


def _rows(tensor: Tensor) -> list[Any]:
    """Each row's values, flat."""
    import numpy as np

    values = np.asarray(tensor.values, np.float64)
    return list(values.reshape(tensor.shape[0], -1))


def _tensors(rows: list[Any], shape: tuple[int, ...]) -> Any:
    """Rows as pictures of the shape of training, where they are; else as lists of numbers."""
    import numpy as np
    import pyarrow as pa

    values = np.stack(rows) if len({row.size for row in rows}) == 1 else None
    if len(shape) > 1 and values is not None and values.shape[1] == int(np.prod(shape)):
        return pa.FixedShapeTensorArray.from_numpy_ndarray(values.reshape(len(rows), *shape))
    return pa.array(rows, pa.list_(pa.float64()))


def _plain(values: Any) -> list[Any]:
    plain: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return plain


def _cells(values: list[Any], dtype: str) -> Any:
    """The values in training's type where they fit it, else as they came."""
    import pyarrow as pa

    found = pa.array(values)
    try:
        return found.cast(pa.type_for_alias(dtype), safe=False)
    except (ValueError, pa.ArrowNotImplementedError):
        return found
