"""What a file is made of: the kinds of its parts, and one part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, cast

from hauberk.formats.archives import Ledger
from hauberk.formats.late_patterns import ending_of
from hauberk.formats.pickle_events import Ended, PickleEvent
from hauberk.formats.pickle_values import printable
from hauberk.formats.spans import Span


class Kind(StrEnum):
    """What a part is."""

    PICKLE = "pickle"
    NPY = "npy"
    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    GGUF = "gguf"
    HDF5 = "hdf5"
    TFLITE = "tensorflow lite"
    GRAPH = "tensorflow graph"
    BOOSTER = "booster"
    R_DATA = "R data"
    CORE_ML = "Core ML model"
    PADDLE = "Paddle program"
    MATLAB = "MATLAB file"
    BSON = "BSON"
    SKOPS = "skops"
    DATA = "data of a model"
    MODEL_TEXT = "text of a model"
    CODE = "code that a loader runs"
    STORAGE = "raw tensor storage"
    TEXT = "text"
    FOREIGN = "no model format"
    UNREAD = "format that is not read"
    UNKNOWN = "unknown format"
    EMPTY = "empty"


class Part(NamedTuple):
    """One thing found in a file.

    Attributes:
        span: Its bytes; valid until the next part is asked for.
        inner: Path inside nested containers, outermost first.
        offset: Where it begins in the span: a pickle behind another one.
        detail: Name of the format where ``kind`` alone does not say it.
        events: What loading a pickle would do.
    """

    kind: Kind
    span: Span
    inner: tuple[str, ...] = ()
    offset: int = 0
    detail: str = ""
    events: Replay | None = None


class Replay:
    """The events of one pickle, read once, that can be drained to their end by two readers."""

    def __init__(self, events: Iterator[PickleEvent]) -> None:
        self._events = events
        self._ended: Ended | None = None

    def __iter__(self) -> Iterator[PickleEvent]:
        for event in self._events:
            if isinstance(event, Ended):
                self._ended = event
            yield event

    def ended(self) -> Ended:
        """The last event; what was not read by then is read now."""
        for _ in self:
            pass
        return cast("Ended", self._ended)


class Place(NamedTuple):
    """Where the walk stands."""

    inner: tuple[str, ...]
    ledger: Ledger
    claims_pickle: bool
    name: str = ""
    code: str = ""
    codes: Mapping[str, str] | None = None

    def inside(self, name: str, code: str = "") -> Place:
        """The place of a member, and the format in whose code folder it lies."""
        return self._replace(
            inner=(*self.inner, printable(name)),
            claims_pickle=claims_pickle(name),
            name=name,
            code=code,
            codes=None,
        )


_PICKLE_ENDINGS = frozenset(
    {"pkl", "pickle", "p", "pk", "joblib", "jl", "pt", "pth", "ckpt", "dill", "dat"}
)


def claims_pickle(name: str) -> bool:
    """Whether a name says that the file is a pickle."""
    ending = ending_of(name)
    without = ending[:-1] if ending[-1:].isdecimal() else ending
    return not _PICKLE_ENDINGS.isdisjoint({ending, without})
