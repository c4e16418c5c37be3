"""Change the set of packed shards just before a training reads it: see `SwapShard`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Training(Protocol):
    """A training about to read the files of its data set."""

    @property
    def files(self) -> dict[str, bytes]:
        """The files where the training reads them, for writing."""
        ...

    def train(self) -> dict[str, bytes] | None:
        """What the training works with; ``None`` where it refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapShard(Play[Training]):
    """Let a training read other shards than were packed.

    ``replace`` permutes a column inside one shard, so that the number of rows and every
    statistic of the set stay as they were; ``add`` puts another shard beside them,
    ``remove`` takes one away, ``reorder`` exchanges the contents of two, ``truncate`` cuts
    one short.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        Carlini et al. (2024), Poisoning web-scale training datasets is practical, IEEE S&P,
        section 4 (what is listed is not what is downloaded).
    """

    title: ClassVar[str] = "Swap a packed shard"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-4"),)
    subject: ClassVar[type] = Training

    way: str | None = None

    def play(self, target: Training, rng: Random) -> Transcript:
        """Attack one training; it succeeds when the training works with other files.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        before = dict(target.files)
        WAYS[way](target.files, rng)
        taken = target.train()
        succeeded = taken is not None and taken != before
        return Transcript(succeeded=succeeded, queries=1, facts={"refused": taken is None})


def _replace(files: dict[str, bytes], rng: Random) -> None:
    name = rng.choice(sorted(files))
    files[name] = permuted(files[name], rng)


def permuted(shard: bytes, rng: Random) -> bytes:
    """The same table with the values of its last column in another order.

    Raises:
        UsageError: It is no Parquet table.
    """
    import io

    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(shard))
    except pa.ArrowInvalid as error:
        raise UsageError("only shards in Parquet are replaced") from error
    values = table.column(table.num_columns - 1).to_pylist()
    turned = values[1:] + values[:1]
    while turned == values and len(set(values)) > 1:
        rng.shuffle(turned)
    last = table.schema.names[-1]
    column = pa.array(turned, table.schema.field(last).type)
    sink = io.BytesIO()
    parquet.write_table(table.set_column(table.num_columns - 1, last, column), sink)
    return sink.getvalue()


def _add(files: dict[str, bytes], rng: Random) -> None:
    name = rng.choice(sorted(files))
    stem, dot, ending = name.rpartition(".")
    files[f"{stem}-{rng.randrange(10**6)}{dot}{ending}"] = files[name]


def _remove(files: dict[str, bytes], rng: Random) -> None:
    del files[rng.choice(sorted(files))]


def _reorder(files: dict[str, bytes], rng: Random) -> None:
    one, other = rng.sample(sorted(files), 2)
    files[one], files[other] = files[other], files[one]


def _truncate(files: dict[str, bytes], rng: Random) -> None:
    name = rng.choice(sorted(files))
    files[name] = files[name][: rng.randrange(len(files[name]))]


WAYS: Mapping[str, Callable[[dict[str, bytes], Random], None]] = {
    "replace": _replace,
    "add": _add,
    "remove": _remove,
    "reorder": _reorder,
    "truncate": _truncate,
}
"""Ways to change a set of shards; see the class."""
