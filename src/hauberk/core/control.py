"""Controls: functions from an artifact to findings.

A control is a frozen dataclass of parameters in one of three forms. It is found by the
path of its module, ``controls/<subject>/<defect>.py``, and its id is that path with
hyphens (``dataset/label-flips``); nothing registers it.

* `Check` looks at a whole subject.
* `Stream` gives a `Tally`, a mergeable state that the engine drives over batches; several
  tallies share one read.
* `Watch` judges one exchange at a time on bounded state keyed by principal.

A control never imports another control, keeps no global state, opens nothing but its
subject, and takes randomness from the subject's digest where it needs any. What it cannot
read it reports by raising; the engine turns errors into outcomes in one table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from typing import Self

    from hauberk.core.artifact import Batch, Dataset, Exchange
    from hauberk.core.finding import Evidence, Finding, RowScores, Severity
    from hauberk.core.ports import ClientState
    from hauberk.core.threat import ThreatId

S = TypeVar("S")


def id_of(owner: type) -> str:
    """The id that follows from where a control or attack is defined.

    >>> class Example: __module__ = "hauberk.controls.dataset.label_flips"
    >>> id_of(Example)
    'dataset/label-flips'
    """
    return "/".join(owner.__module__.split(".")[-2:]).replace("_", "-")


class Control(ABC):
    """What all controls say of themselves.

    Attributes:
        title: The defect as a reader would name it.
        threats: Threats of the catalogue that this control answers.
        subject: Type of the subject, or `Comparison` as a tuple ``(Comparison, Dataset)``.
        optional: Whether it needs an extra that the default installation lacks; such a
            control is not required by the default policy.
        shadow: Whether it starts by reporting only, until a person promotes it.
    """

    title: ClassVar[str]
    threats: ClassVar[tuple[ThreatId, ...]]
    subject: ClassVar[Any]
    optional: ClassVar[bool] = False
    shadow: ClassVar[bool] = False

    @property
    def id(self) -> str:
        """``subject/defect``, from the path of the module."""
        return id_of(type(self))


class Check(Control, Generic[S]):
    """A control that looks at a whole subject at once."""

    __slots__ = ()

    @abstractmethod
    def check(self, subject: S) -> Iterator[Finding | RowScores]:
        """Yield what is wrong with ``subject``, in a repeatable order.

        Raises:
            ArtifactError: The subject breaks a bound or is malformed: an outcome `flagged`.
            TrustError: The subject breaks a promise: `flagged`.
            UnavailableError: It cannot be judged here: `failed`.
            NotApplicable: The subject lacks what this control looks at.
        """


class Tally(Protocol):
    """Mergeable state of a `Stream` control.

    Merging is commutative and associative, and the bytes do not depend on how the rows
    were cut into batches or shards: sums are integers or fixed point, never floats. State
    travels as bytes, never as pickles.
    """

    def update(self, batch: Batch) -> None:
        """Take in consecutive rows."""

    def merge(self, other: Self) -> None:
        """Take in the state of another shard."""

    def turn(self) -> None:
        """End one pass before the next; called ``passes - 1`` times."""

    def findings(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """What is wrong with the rows seen."""
        ...

    def to_bytes(self) -> bytes:
        """The whole state; equal states give equal bytes."""
        ...


class Stream(Control):
    """A control over the rows of a data set that shares its reads with others.

    Attributes:
        passes: Reads of the data that it needs.
    """

    __slots__ = ()
    passes: ClassVar[int] = 1

    @abstractmethod
    def start(self, subject: Dataset) -> Tally:
        """An empty state for the columns of ``subject``; reads nothing.

        Raises:
            NotApplicable: The data set lacks the columns that this control looks at.
        """

    @abstractmethod
    def from_bytes(self, state: bytes, subject: Dataset) -> Tally:
        """The state that `Tally.to_bytes` gave.

        Raises:
            ArtifactError: The bytes are not such a state.
        """


class Action(StrEnum):
    """What the guard does with an exchange, mildest first."""

    ALLOW = "allow"
    SHADOW = "shadow"
    HARDEN = "harden"
    SLOW = "slow"
    CHALLENGE = "challenge"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a `Watch` says of one exchange; `guard` maps it to an `Action` by policy.

    Attributes:
        score: 0 (nothing seen) to 1 (certain).
        action: Mildest action that would help.
        reason: For the operator; the client is told only `public`.
        public: A precise message that leaks nothing of the model or its data.
        status: HTTP status that fits a refusal.
    """

    score: float
    action: Action
    reason: str
    severity: Severity
    public: str = ""
    status: int = 400
    evidence: Evidence | None = None


class Tier(StrEnum):
    """From which profile of the guard on a `Watch` is asked, cheapest first."""

    LEAN = "lean"
    WATCH = "watch"
    STRICT = "strict"


class Learnt(Protocol):
    """What training left for controls on exchanges; a serving bundle has it.

    Attributes:
        schema: Of the inputs and outputs (`formats.v2_schema.InputSchema`).
        profile: The training profile (`sketches.profile`), as bytes.
        reference: What ordinary rows look like (`methods.stream_reference`), as bytes; empty
            where it was not learnt.
        model: The served model in ONNX; empty where it is elsewhere.
    """

    @property
    def schema(self) -> Any:
        """Inputs and outputs."""

    @property
    def profile(self) -> bytes:
        """Of the training rows."""
        ...

    @property
    def reference(self) -> bytes:
        """Of the training rows."""
        ...

    @property
    def model(self) -> bytes:
        """What answers."""
        ...


EVERYBODY = "*"
"""The principal under which a `Watch` keeps what it remembers of all clients together."""


class Watch(Control):
    """A control that judges exchanges one at a time.

    Attributes:
        tier: From which profile of the guard on it is asked.
        after_answer: Whether it is asked once the model has answered, with
            ``exchange.outputs``; else it is asked before, and may keep the model from running.
        of_chats: Whether it judges exchanges with language models alone; a door for tensors
            does not ask it.
    """

    __slots__ = ()
    tier: ClassVar[Tier] = Tier.WATCH
    after_answer: ClassVar[bool] = False
    of_chats: ClassVar[bool] = False

    def fitted(self, learnt: Learnt) -> Watch:
        """The control set up for one served model, once, before the first exchange."""
        del learnt
        return self

    @abstractmethod
    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Judge one exchange; ``None`` where nothing was seen.

        It must be fast, must not block, and keeps what it remembers in ``state`` only.
        """


class NotApplicable(Exception):  # noqa: N818 - an outcome, not an error
    """The subject lacks what a control looks at; the text says what."""


def findings_of(results: Iterable[Finding | RowScores]) -> tuple[Finding, ...]:
    """Only the findings among ``results``."""
    from hauberk.core.finding import Finding

    return tuple(result for result in results if isinstance(result, Finding))
