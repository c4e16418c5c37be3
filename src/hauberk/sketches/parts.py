"""A profile in parts: what a worker makes of its part, and what is believed of its answer.

Part ``k`` of ``n`` is every ``n``-th batch of a table, so that nobody has to know how long it
is. The parts merge into the profile of the whole, byte for byte. What a worker sends is
canonical JSON and is read as hostile: nothing is unpickled, and a summary that is not exactly
what an honest worker could have written of the asked columns is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Dataset
from hauberk.errors import ArtifactError
from hauberk.sketches.profile import ColumnProfile, Profile

MAX_PART_BYTES = 64 << 20
"""A summary of some thousand columns stays below this."""


def part_of(table: Dataset, place: int, n_parts: int) -> bytes:
    """The summary of every ``n_parts``-th batch from ``place`` on, as a worker sends it."""
    profile = Profile.start(table)
    for number, batch in enumerate(table.read()):
        if number % n_parts == place:
            profile.update(batch)
    return profile.to_bytes()


def asked(table: Dataset, place: int, n_parts: int) -> bytes:
    """What a worker is told: a table on disk with its roles, and which part of it is its own."""
    return json.dumps(
        {
            "path": str(table.path),
            "label": table.label,
            "sensitive": list(table.sensitive),
            "place": place,
            "parts": n_parts,
        }
    ).encode()


def work(payload: bytes) -> bytes:
    """The worker's side: open the table that `asked` names and summarise the own part."""
    from hauberk.formats.tables import open_table

    told = json.loads(payload)
    table = open_table(Path(told["path"]), label=told["label"], sensitive=told["sensitive"])
    return part_of(table, told["place"], told["parts"])


def accepted(part: bytes, table: Dataset) -> Profile:
    """The profile in ``part``, if an honest worker could have written it of ``table``.

    Raises:
        ArtifactError: It is no summary, of other columns, or its counts contradict each other.
    """
    if type(part) is not bytes or len(part) > MAX_PART_BYTES:
        raise _refused(f"{type(part).__name__} of {len(part)} bytes")
    profile, like = Profile.from_bytes(part), Profile.start(table)
    if _outline(profile) != _outline(like):
        raise _refused("other columns or roles")
    if profile.rows < 0 or not all(_adds_up(column, profile.rows) for column in profile.columns):
        raise _refused("counts that do not add up to the rows")
    counted = [profile.labels, *profile.groups.values()]
    if any(values is not None and not 0 <= values.count <= profile.rows for values in counted):
        raise _refused("more labels than rows")
    if profile.to_bytes() != part:
        raise _refused("bytes that no honest worker writes")
    return profile


def merged(parts: Sequence[bytes], table: Dataset) -> Profile:
    """The profile of the whole from all parts.

    Raises:
        ArtifactError: A part cannot be believed, or parts disagree about a column's type.
    """
    whole = Profile.start(table)
    for part in parts:
        found = accepted(part, table)
        types = [(a.dtype, b.dtype) for a, b in zip(whole.columns, found.columns, strict=True)]
        if any(a and b and a != b for a, b in types):
            raise _refused("another type of a column than other parts have")
        whole.merge(found)
    return whole


def _outline(profile: Profile) -> Any:
    columns = [
        (c.name, c.kind, c.shape, tuple(c.numbers), c.values is None) for c in profile.columns
    ]
    sizes = [values.size for values in profile.groups.values()]
    labels = None if profile.labels is None else profile.labels.size
    values = [None if c.values is None else c.values.size for c in profile.columns]
    return columns, values, profile.label, labels, tuple(profile.groups), sizes


def _adds_up(column: ColumnProfile, rows: int) -> bool:
    counts = [numbers.count for numbers in column.numbers.values()]
    counts += [] if column.values is None else [column.values.count]
    return column.missing >= 0 and all(count + column.missing == rows for count in counts)


def _refused(found: str) -> ArtifactError:
    return ArtifactError(
        "What a worker sent is no summary of its rows",
        subject="summary",
        rule="a worker answers with the canonical profile of the columns that it was asked for",
        expected="bytes that Profile.to_bytes wrote",
        found=found,
        hint="Nothing of it was used. Look at the worker before you ask it again.",
    )
