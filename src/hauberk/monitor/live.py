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
from hauberk.formats.v2_schema import InputSchema, TensorSchema
from hauberk.sketches.profile import Profile

if TYPE_CHECKING:
    from hauberk.formats.v2 import Request, Tensor

FLUSH_ROWS = 2000
"""Rows held back; counting them in takes a few milliseconds."""

MAX_LABELS = 1000
"""Different predictions counted by name; the rest are counted together."""

OTHER = "(other)"


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
        self.columns = _columns(training, schema)
        self.held = 0
        self._cells: dict[str, list[Any]] = {column.name: [] for column in self.columns}

    def keep(self, request: Request) -> None:
        """Take in the inputs of a request."""
        tensors = {tensor.name: tensor for tensor in request.inputs}
        for declared in self._schema.inputs:
            tensor = tensors.get(declared.name)
            names = _names(declared)
            for place, name in enumerate(names):
                if name in self._cells and tensor is not None:
                    self._cells[name] += _plain(tensor.values[place :: len(names)])
        self.held += request.inputs[0].shape[0]

    def taken(self) -> Any:
        """What was kept, as an Arrow batch, and is kept no more; ``None`` where nothing was."""
        if not self.held:
            return None
        import pyarrow as pa

        cells = {
            column.name: _cells(self._cells[column.name], self._training.column(column.name).dtype)
            for column in self.columns
        }
        self._cells = {name: [] for name in self._cells}
        self.held = 0
        return pa.record_batch(cells) if cells else None


class Live:
    """Gathers traffic; the guard hands it each accepted request and each refusal.

    Args:
        training: Profile of the rows that the model was trained on; says what a column is.
        schema: Says which columns a request holds, and where.
    """

    def __init__(self, training: Profile, schema: InputSchema) -> None:
        self._lock = Lock()
        self._buffer = Buffer(training, schema)
        self._profile = Profile.start(_dataset(self._buffer.columns))
        self._counts = _Counts()

    def accepted(self, request: Request, outputs: Sequence[Tensor], at: float) -> None:
        """Take in an answered request."""
        with self._lock:
            self._counts.requests += 1
            self._counts.seen(at)
            self._buffer.keep(request)
            if outputs:
                self._predicted(outputs[0])
            if self._buffer.held >= FLUSH_ROWS:
                self._flush()

    def refused(self, rule: str, at: float) -> None:
        """Take in a refusal."""
        with self._lock:
            self._counts.refused[rule] += 1
            self._counts.seen(at)

    def window(self, *, reset: bool = False) -> LiveWindow:
        """What has come since the start or the last reset."""
        with self._lock:
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
    wanted = {name for tensor in schema.inputs for name in _names(tensor)}
    return tuple(
        Column(name=column.name, kind=column.kind, shape=column.shape)
        for column in training.columns
        if column.name in wanted and column.kind is not ColumnKind.IMAGE
    )


def _dataset(columns: tuple[Column, ...]) -> Dataset:
    return Dataset(name="live", columns=columns, read=lambda: iter(()))


def _names(tensor: TensorSchema) -> tuple[str, ...]:
    """Training's names for the positions of the last dimension."""
    named = tuple(rule.name for rule in tensor.columns)
    return named if any(named) else (tensor.name,)


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
