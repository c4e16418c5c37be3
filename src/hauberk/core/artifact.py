"""What controls look at: artifacts, and subjects made of several of them.

Artifacts are opened lazily: constructing one reads nothing. Tables are read in batches
that offer the small part of Arrow's ``RecordBatch`` interface named by `Batch`, so that
this module needs no third-party library and any Arrow implementation fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, NewType, Protocol, TypeVar, runtime_checkable

from hauberk.core.identity import Digest as Digest  # noqa: PLC0414 - told on
from hauberk.core.model_file import Artifact as Artifact  # noqa: PLC0414 - told on
from hauberk.core.model_file import ModelFile as ModelFile  # noqa: PLC0414 - told on
from hauberk.core.quick import maker_of

RowId = NewType("RowId", str)
"""Digest of the canonical row plus its occurrence, ``<32 hex digits>.<n>``; fixed at landing."""

S = TypeVar("S", bound="Artifact")

ROW_COLUMN = "hauberk_row"
"""Optional pass-through column that carries row ids through a user's step."""


class Batch(Protocol):
    """Consecutive rows of a table; Arrow record batches satisfy it.

    Reading is bounded: formats cut batches so that one fits comfortably in memory.
    """

    @property
    def num_rows(self) -> int:
        """Rows in this batch, 0 or more."""
        ...

    @property
    def schema(self) -> Any:
        """Names and types of the columns."""
        ...

    def column(self, i: Any) -> Any:
        """The column at a position or with a name, as an Arrow array."""
        ...


class ColumnKind(StrEnum):
    """What a column holds, as far as controls care."""

    NUMBER = "number"
    CATEGORY = "category"
    TEXT = "text"
    TIME = "time"
    IMAGE = "image"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a data set.

    Attributes:
        shape: Shape of one cell; empty for scalars, ``(28, 28)`` for a small image.
    """

    name: str
    kind: ColumnKind
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Dataset(Artifact):
    """A table, or images with labels.

    Attributes:
        columns: In file order.
        read: Opens a new pass over the rows, in landed order.
        label: Column to predict, where it is known.
        sensitive: Columns that name a protected group.
        source: Column that names the contributor of a row.
        annotator: Column that names who labelled a row.
        min_group: Rows that each combination of ``sensitive`` is promised to have; 0
            promises nothing.
        path: Where the bytes lie, for messages and locations.
        reference: Rows of the same kind that somebody vouches for.
        generated: Marks of texts that models of one's own have said, as the guard's log has
            them; empty where no log is named.
        files: Name of the file behind each row, where every row is a file of its own.
    """

    columns: tuple[Column, ...]
    read: Callable[[], Iterator[Batch]]
    label: str | None = None
    sensitive: tuple[str, ...] = ()
    source: str | None = None
    annotator: str | None = None
    min_group: int = 0
    path: Path | None = None
    reference: Dataset | None = None
    generated: tuple[bytes, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder(Artifact):
    """A model as a folder of files that must fit each other, as model hubs keep it.

    Its files are judged one by one as `ModelFile`; this subject is what they are together.
    """

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile(Artifact):
    """One file of code or configuration, small enough to be read whole.

    Attributes:
        path: Relative to the tree it belongs to.
        text: Decoded content; undecodable bytes are replaced and ``lossy`` is set.
    """

    path: Path
    text: str
    lossy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTree(Artifact):
    """A repository or folder of code.

    Attributes:
        root: Folder on disk.
        files: Opens a new pass over the readable text files, sorted by path.
        history: Opens a pass over blobs that are no longer in the work tree, as files whose
            path is ``<commit>:<path>``; ``None`` where there is no repository.
        unread: Paths that could not be read or decoded, with the reason.
    """

    root: Path
    files: Callable[[], Iterator[SourceFile]]
    history: Callable[[], Iterator[SourceFile]] | None = None
    unread: Callable[[], Iterable[tuple[Path, str]]] = tuple


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun(Artifact):
    """The hand-overs of one run: which step took which digests and made which.

    Attributes:
        steps: In the order in which they ran.
    """

    steps: tuple[StepRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What one step took and made.

    Attributes:
        materials: Path to digest of everything that the step could read.
        products: Path to digest of everything that it handed on.
    """

    name: str
    command: tuple[str, ...]
    materials: Mapping[str, Digest]
    products: Mapping[str, Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUse(Artifact):
    """What one run of a step used, with what it was allowed and what it used before.

    Attributes:
        cpu_s: Processor seconds of its whole process tree.
        children: Programs that ran beside its first process, with how many of each.
        programs: Names of programs that it may start; ``None`` where nobody said.
        denials: What it tried and was refused; ``None`` where nobody could see.
        own: Folders that the step could write; programs from there were made by itself.
        earlier: Processor seconds of earlier runs of the same command on as much input.
    """

    cpu_s: float
    children: Mapping[str, int] = field(default_factory=dict)
    programs: tuple[str, ...] | None = None
    denials: tuple[str, ...] | None = None
    own: tuple[str, ...] = ()
    earlier: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay(Artifact):
    """A training that was done again, in parts or whole, after its results were committed.

    Attributes:
        committed: What was committed, by name (``state 4``, ``model.onnx``), as far as it was
            done again.
        repeated: What came out the second time.
        segments: How many segments the training has; 0 where it has none.
        drawn: The segments that were drawn; empty where all of it was done again.
        unrepeatable: Why it cannot be repeated here; empty where it can.
        losses: Class to the loss of its held-out rows at each committed state, measured by the
            runner; empty where they could not be.
        first_state: Number of the state that the losses begin with.
    """

    committed: Mapping[str, Digest]
    repeated: Mapping[str, Digest]
    segments: int = 0
    drawn: tuple[int, ...] = ()
    unrepeatable: str = ""
    losses: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    first_state: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry(Artifact):
    """A name in a registry that points at a release.

    Attributes:
        version: Version that the name points at.
        channel: ``staging``, ``production`` or another alias.
        read: Opens bytes of the registry by relative path (metadata and blobs).
        trusted: What the client knows already: pinned key ids, floors.
    """

    version: str
    channel: str
    read: Callable[[str], bytes]
    trusted: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(Artifact):
    """One request to a served model, with the response once there is one.

    Attributes:
        principal: Who asks: a hashed key id, never an address that the client chose.
        at: Seconds since the epoch by the guard's clock.
        request: Raw body.
        content_type: As the client declared it.
        response: Raw body, or ``None`` while the request is judged.
        sink: Where the client says the output goes (``html``, ``csv``, ``sql`` ...).
        role: Of the principal, as the guard's policy names it.
        rows: The numeric inputs as one float64 array (n_rows, n_columns), columns in the
            order of the inputs; ``None`` while undecoded, or where there are none.
        texts: The pieces of text of the request, as (where, text) in their order.
        outputs: The model's outputs as it gave them, before the guard shapes them
            (`formats.v2.Tensor`); ``None`` while the request is judged.
    """

    principal: str
    at: float
    request: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    response: bytes | None = None
    sink: str | None = None
    role: str = ""
    rows: Any = None
    texts: tuple[tuple[str, str], ...] = ()
    outputs: tuple[Any, ...] | None = None

    def telling(
        self,
        *,
        rows: Any = None,
        texts: tuple[tuple[str, str], ...] | None = None,
        outputs: tuple[Any, ...] | None = None,
    ) -> Exchange:
        """The same exchange, with what has been found out about it since.

        It is called for every request, and takes a tenth of what `dataclasses.replace` does.
        """
        return exchange_of(
            self.name,
            self.digest,
            self.principal,
            self.at,
            self.request,
            self.content_type,
            self.headers,
            self.response,
            self.sink,
            self.role,
            self.rows if rows is None else rows,
            self.texts if texts is None else texts,
            self.outputs if outputs is None else outputs,
        )


exchange_of = maker_of(Exchange)
"""Makes an exchange of all its fields in order, name and digest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSegment(Artifact):
    """Records of an append-only log with the heads that are believed.

    Attributes:
        records: Opens a pass over the raw records, oldest first.
        heads: Signed checkpoints as stored beside the records.
        witnessed: Checkpoints held in a second place.
        keys: SubjectPublicKeyInfo of the keys that may sign heads; without any, heads are
            taken on their word.
        until: Seconds since the epoch up to which the log must reach, where that is known.
    """

    records: Callable[[], Iterator[bytes]]
    heads: tuple[bytes, ...]
    witnessed: tuple[bytes, ...] = ()
    keys: tuple[bytes, ...] = ()
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings(Artifact):
    """How a place that keeps data or models is set up.

    Attributes:
        documents: Policies, access lists and the like as the store gives them, by name.
        prefix: Part of the store that is meant; all of it where empty.
        strangers: What somebody without credentials could do when it was tried: ``list``,
            ``read``, ``write``; what was not tried is left out.
        modes: Opens a pass over paths with their mode bits, where it is a folder.
        is_encrypted: Whether it says that it encrypts; ``None`` where it was not asked.
    """

    documents: Mapping[str, bytes] = field(default_factory=dict)
    prefix: str = ""
    strangers: Mapping[str, bool] = field(default_factory=dict)
    modes: Callable[[], Iterable[tuple[str, int]]] = tuple
    is_encrypted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUpdate(Artifact):
    """What a client of federated training is about to send, with the rows that it came from.

    Attributes:
        parts: Parameter name to an array of its gradient or change, in the model's order.
        rows: The client's own rows ``(n_rows, ...)``; they never leave the client.
    """

    parts: Mapping[str, Any]
    rows: Any


# Composite subjects ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Generic[S]):
    """The same thing before and after."""

    old: S | None
    new: S


@dataclass(frozen=True, slots=True, kw_only=True)
class Summaries(Artifact):
    """What the workers of an engine handed back for the parts of one table, still as bytes.

    Attributes:
        table: The table, with the columns and roles that the workers were told.
        parts: One summary for each part, as the worker sent it.
        again: Works the summary of one part out anew, here, by its place.
    """

    table: Dataset
    parts: tuple[bytes, ...]
    again: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """The parts of one data set."""

    train: Dataset
    test: Dataset
    validation: Dataset | None = None
    group: str | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReplay:
    """The parts that a step made, and those that the split which it declares gives.

    Attributes:
        parts: As the step wrote them.
        again: From the same rows, by Hauberk.
        recipe: The declared split in words.
    """

    parts: Splits
    again: Splits
    recipe: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """Generated rows with the real ones that the generator saw, and others it never saw.

    Attributes:
        synthetic: What the generator gave.
        train: Real rows that it was fitted on.
        control: Real rows of the same kind that it never saw: how near honest rows come.
    """

    synthetic: Dataset
    train: Dataset
    control: Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One data set over its versions.

    Attributes:
        versions: Oldest first; the first is the one that is trusted.
    """

    versions: tuple[Dataset, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """One thing that a step says it did to one column.

    Attributes:
        column: The column, under the name that it has before and after.
        deed: ``standardise``, ``min_max``, ``robust``, ``fill``, ``multiply``, ``clip``,
            ``log1p``, ``round``, ``smooth``, ``median``, ``map`` or ``drop``.
        numbers: Parameters of the deed by name, such as ``mean`` and ``scale``.
        words: Old value to new value, for ``map``.
    """

    column: str
    deed: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformation:
    """What went into a step and what came out, with what the step says that it did.

    Attributes:
        declared: In the order in which they were done; columns without any stay as they are.
        training: The rows that parameters may be fitted on, ``old`` where it is ``None``.
    """

    old: Dataset
    new: Dataset
    declared: tuple[ColumnChange, ...]
    training: Dataset | None = None


@runtime_checkable
class Predictor(Protocol):
    """Something that scores rows: an ONNX session, a worker around a native model.

    It is called in a process of its own wherever the model is foreign.
    """

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the scores; empty for regression."""
        ...

    def scores(self, batch: Batch) -> Any:
        """``(n_rows, n_classes)`` float scores, or ``(n_rows,)`` for regression."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A model with the rows that it is judged on.

    Attributes:
        predictor: How to score rows with it.
        reported: Metrics that somebody claims for it, name to value.
        train: Rows it was trained on, where they are known.
        sealed: Digest that the rows of ``data`` had when they were sealed; empty where nobody
            says, see `hauberk.methods.sealed_rows`.
        previous: The version before it, which is trusted, where there is one.
    """

    model: ModelFile
    predictor: Predictor
    data: Dataset
    reported: Mapping[str, float] = field(default_factory=dict)
    train: Dataset | None = None
    sealed: str = ""
    previous: Predictor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Artifact):
    """Something written about a model, with the rows of training that it must not show.

    Attributes:
        text: What people and programs read in it, without the escapes of its format.
    """

    text: str
    train: Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A profile made in training with the live rows held against it.

    Attributes:
        profile: Canonical JSON of the profile, already verified.
    """

    profile: bytes
    live: Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A release with everything that was signed on the way to it.

    Attributes:
        release: The release manifest as raw signed bytes.
        statements: Signed envelopes, oldest first.
        files: Path inside the release to a way of opening the bytes.
        roots: Key ids that are trusted, pinned outside the project and its store.
    """

    release: bytes
    statements: tuple[bytes, ...]
    files: Mapping[str, Callable[[], Iterator[bytes]]]
    roots: frozenset[str]


Subject = (
    Dataset
    | ModelFile
    | SourceFile
    | CodeTree
    | PipelineRun
    | StepUse
    | Replay
    | RegistryEntry
    | Exchange
    | LogSegment
    | StoreSettings
    | ClientUpdate
    | Splits
    | Synthesis
    | Transformation
    | History
    | Evaluation
    | Report
    | Window
    | Chain
)
"""Everything that a control may declare as its subject, beside `Comparison` of these."""
