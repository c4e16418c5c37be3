"""Which rows came with which version of a data set, and which were relabelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hauberk.core.artifact import ROW_COLUMN, Dataset
from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats.rows import cell_texts, row_digests
from hauberk.methods import rewrite

MAX_ROWS = 2_000_000
"""Rows of one version that are held at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrivals:
    """What changed since the first version.

    Attributes:
        rows: Arrow record batch of the rows that came or were relabelled, or ``None``.
        versions: For each of them the place of the version that it came with, from 1.
        standing: For each of them its row number in the newest version, -1 where it is gone.
        relabelled: For each version after the first, rows known with another label.
        sizes: Rows of each version after the first.
    """

    rows: Any
    versions: tuple[int, ...]
    standing: tuple[int, ...]
    relabelled: tuple[int, ...]
    sizes: tuple[int, ...]


def arrivals(versions: Sequence[Dataset]) -> Arrivals:
    """Walk the versions, oldest first; rows are told apart by what they say.

    Raises:
        ArtifactError: A version has other columns than the first.
        UnavailableError: A version is too large.
    """
    import pyarrow as pa

    names = sorted(c.name for c in versions[0].columns if c.name != ROW_COLUMN)
    label = versions[0].label
    before: Counter[bytes] = Counter()
    seen: set[bytes] = set()
    came, places, relabelled, sizes = [], [], [], []
    keys_of: list[bytes] = []
    whole: list[bytes] = []
    for number, version in enumerate(versions):
        rows = _rows(version, names)
        features = rows.select([name for name in names if name != label])
        keys = [bytes(key) for key in row_digests(features)]
        texts = cell_texts(rows.column(label)).to_pylist() if label else [None] * len(keys)
        whole = [key + b"\0" + (text or "").encode() for key, text in zip(keys, texts, strict=True)]
        now = Counter(whole)
        if number:
            left = dict(now - before)
            fresh = []
            for place, key in enumerate(whole):
                if left.get(key, 0) > 0:
                    left[key] -= 1
                    fresh.append(place)
            relabelled.append(sum(keys[place] in seen for place in fresh))
            sizes.append(len(keys))
            came.append(rows.take(pa.array(fresh, pa.int64())))
            places += [number] * len(fresh)
            keys_of += [whole[place] for place in fresh]
        before = before | now
        seen |= set(keys)
    last = {key: row for row, key in enumerate(whole)}
    return Arrivals(
        rows=_joined(came),
        versions=tuple(places),
        standing=tuple(last.get(key, -1) for key in keys_of),
        relabelled=tuple(relabelled),
        sizes=tuple(sizes),
    )


def _joined(parts: list[Any]) -> Any:
    import pyarrow as pa

    if not any(part.num_rows for part in parts):
        return None
    schema = parts[0].schema
    columns = [
        pa.concat_arrays([part.column(place).cast(schema.field(place).type) for part in parts])
        for place in range(len(schema))
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _rows(version: Dataset, names: list[str]) -> Any:
    missing = set(names) - {column.name for column in version.columns}
    if missing:
        raise ArtifactError(
            "a version lacks a column of the first version",
            subject=version.name,
            expected=", ".join(names[:20]),
            found=f"no {min(missing)}",
        )
    held = 0
    for batch in version.read():
        held += batch.num_rows
        if held > MAX_ROWS:
            raise UnavailableError(
                "the version is too large to be compared at once",
                subject=version.name,
                expected=f"at most {MAX_ROWS} rows",
            )
    return rewrite.table(version).select(names)
