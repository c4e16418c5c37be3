"""From annotations to labels: votes, gold, adjudication, and what is left open.

A row's label is the adjudicated one where a person decided, else the gold one, else what a
majority of the people said. Labels that only a model gave are marked as such, and rows on
which people disagree are left open until somebody decides: nothing is settled by chance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hauberk.core.artifact import Dataset
from hauberk.errors import ArtifactError, UsageError
from hauberk.formats.annotations import Annotation, Source

LABELLED_BY, N_VOTES, AGREEMENT = "label_source", "label_votes", "label_agreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The label of one row.

    Attributes:
        label: ``None`` while people disagree, or where nobody labelled it.
        source: How it came about: ``human``, ``model``, ``gold``, ``adjudicated``, ``open``.
        votes: People who labelled it.
        agreement: Share of them who gave the label, 0 to 1.
    """

    label: str | None
    source: str
    votes: int
    agreement: float


def settle(annotations: Sequence[Annotation], *, min_votes: int = 1) -> Settled:
    """The label that the annotations of one item give.

    Args:
        min_votes: People who must have labelled it for a majority to count.
    """
    for source in (Source.ADJUDICATED, Source.GOLD):
        decided = [item.label for item in annotations if item.source is source]
        if decided:
            return Settled(label=decided[-1], source=source, votes=len(decided), agreement=1.0)
    people = {item.annotator: item.label for item in annotations if item.source is Source.HUMAN}
    if not people:
        models = [item.label for item in annotations]
        same = len(set(models)) == 1
        return Settled(
            label=models[0] if same else None,
            source=Source.MODEL if same else "open",
            votes=0,
            agreement=0.0,
        )
    (label, count), *_ = Counter(people.values()).most_common()
    is_settled = 2 * count > len(people) and len(people) >= min_votes
    return Settled(
        label=label if is_settled else None,
        source=Source.HUMAN if is_settled else "open",
        votes=len(people),
        agreement=count / len(people),
    )


def items_of(dataset: Dataset, key: str | None) -> list[str]:
    """What annotations call each row: the value of the key column, or the row number.

    Raises:
        UsageError: There is no such column.
        ArtifactError: Two rows have the same key.
    """
    from hauberk.formats.rows import cell_texts

    if key is None:
        count = sum(batch.num_rows for batch in dataset.read())
        return [str(row) for row in range(count)]
    if key not in {column.name for column in dataset.columns}:
        raise UsageError("there is no such key column", subject=dataset.name, found=key)
    names = [str(c) for b in dataset.read() for c in cell_texts(b.column(key)).to_pylist()]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ArtifactError(
            "a key names several rows",
            subject=f"{dataset.name}, column {key}",
            expected="each value once",
            found=f"{twice[0]!r} {names.count(twice[0])} times",
            hint="use another key column, or row numbers",
        )
    return names


def labels_of(
    names: Sequence[str], annotations: Iterable[Annotation], *, min_votes: int = 1
) -> list[Settled]:
    """The label of each row.

    Raises:
        ArtifactError: An annotation is about an item that is no row.
    """
    by_item: dict[str, list[Annotation]] = defaultdict(list)
    for item in annotations:
        by_item[item.item].append(item)
    unknown = sorted(set(by_item) - set(names))
    if unknown:
        raise ArtifactError(
            "annotations are about rows that the data do not have",
            subject=unknown[0],
            expected=f"one of {len(names)} rows",
            found=f"{len(unknown)} unknown items",
            hint="name the key column with --key, or give the data that were labelled",
        )
    nothing = Settled(label=None, source="open", votes=0, agreement=0.0)
    return [
        settle(by_item[name], min_votes=min_votes) if name in by_item else nothing for name in names
    ]


def with_labels(dataset: Dataset, settled: Sequence[Settled], column: str) -> Any:
    """The batches of ``dataset`` with the label and how it came about.

    Raises:
        UsageError: The data have a column of that name already.
    """
    import pyarrow as pa

    taken = {column, LABELLED_BY, N_VOTES, AGREEMENT} & {c.name for c in dataset.columns}
    if taken:
        raise UsageError(
            "the data have a column of that name already",
            subject=dataset.name,
            found=", ".join(sorted(taken)),
            hint="name another column with --label",
        )
    first = 0
    for batch in dataset.read():
        part = settled[first : first + batch.num_rows]
        first += batch.num_rows
        added = {
            column: pa.array([item.label for item in part], pa.string()),
            LABELLED_BY: pa.array([str(item.source) for item in part], pa.string()),
            N_VOTES: pa.array([item.votes for item in part], pa.int64()),
            AGREEMENT: pa.array([item.agreement for item in part], pa.float64()),
        }
        columns = [batch.column(place) for place in range(len(batch.schema.names))]
        yield pa.RecordBatch.from_arrays(
            [*columns, *added.values()], names=[*batch.schema.names, *added]
        )


def votes_with_rows(
    dataset: Dataset, names: Sequence[str], annotations: Sequence[Annotation], column: str
) -> Any:
    """One row for each vote of a person, with the features of what was labelled.

    This is what the control over annotators takes; gold rows are given by ``gold``.
    """
    import pyarrow as pa

    place: Mapping[str, int] = {name: row for row, name in enumerate(names)}
    kept = [item for item in annotations if item.source in {Source.HUMAN, Source.GOLD}]
    rows = pa.Table.from_batches(dataset.read())
    taken = rows.take(pa.array([place[item.item] for item in kept], pa.int64()))
    people = ["gold" if item.source is Source.GOLD else item.annotator for item in kept]
    votes = taken.append_column(column, pa.array([item.label for item in kept], pa.string()))
    return votes.append_column("annotator", pa.array(people, pa.string())).to_batches()
