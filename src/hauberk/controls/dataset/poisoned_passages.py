"""Passages that were written to be retrieved: see `PoisonedPassages`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, RowScores, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.formats.tables import features_of
from hauberk.methods.passages import oddities

MIN_WIDTH = 16
"""Numbers in a vector; shorter lists are something else."""

MAX_ROWS = 200_000
_SHOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonedPassages(Check[Dataset]):
    """Passages of a retrieval store that stand out as written, or placed, to be retrieved.

    Looked at where a data set has texts and a vector for each. A passage is named when its vector
    is among the nearest of far too many others; when several passages begin with the same
    question and then answer it; or when it speaks to a model.

    Limits:
        Experimental. One planted passage in its own words, with the vector of its text, is an
        ordinary passage; several that ask the question each in other words pass too. A large
        collection of questions and answers repeats questions and is named: whether somebody
        wanted them found, a person says.

    References:
        Zou et al. 2024, "PoisonedRAG: Knowledge Corruption Attacks to Retrieval-Augmented
        Generation". Radovanovic et al. 2010, "Hubs in space".
    """

    title: ClassVar[str] = "Passages were planted to be retrieved"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-7"),)
    subject: ClassVar[Any] = Dataset

    def check(self, subject: Dataset) -> Iterator[Finding | RowScores]:
        """Scores for all rows and at most one finding.

        Raises:
            NotApplicable: There are no texts with vectors, or too many for one reading.
        """
        texts, vectors = _read(subject)
        found = oddities(texts, vectors)
        scores = np.zeros(len(texts))
        scores[[item.row for item in found]] = 1.0
        yield RowScores(
            path=subject.name,
            n_rows=len(texts),
            read=lambda: iter([(0, scores.tolist())]),
            flagged_above=0.5,
        )
        if found:
            why = Counter(item.why for item in found)
            yield Finding(
                message=f"{len(found)} of {len(texts)} passages of {subject.name} look planted: "
                + ", ".join(sorted(why)),
                path=subject.name,
                severity=Severity.MEDIUM,
                level=Level.REVIEW,
                location=Location(rows=tuple(item.row for item in found[:_SHOWN])),
                remedy="Read the named passages, and what their sources gave besides; make vectors "
                "anew from texts that are kept.",
                evidence=Evidence(
                    statistic="passages that stand out",
                    value=float(len(found)),
                    threshold=0.0,
                    n=len(texts),
                    facts={words: f"{count} passages" for words, count in sorted(why.items())},
                ),
            )


def _read(subject: Dataset) -> tuple[list[str], Any]:
    text = next((c.name for c in features_of(subject) if c.kind is ColumnKind.TEXT), None)
    others = [c.name for c in features_of(subject) if c.kind is ColumnKind.OTHER]
    if text is None or not others:
        raise NotApplicable("there are no texts with a vector for each")
    texts: list[str] = []
    parts: list[Any] = []
    for batch in subject.read():
        name = next((name for name in others if _vectors(batch.column(name)) is not None), None)
        if name is None:
            raise NotApplicable("no column holds vectors of one width")
        others = [name]
        texts += [cell or "" for cell in cell_texts(batch.column(text)).to_pylist()]
        parts.append(_vectors(batch.column(name)))
        if len(texts) > MAX_ROWS:
            raise NotApplicable(f"more than {MAX_ROWS} passages; give them in parts")
    if not parts or len({part.shape[1] for part in parts}) > 1:
        raise NotApplicable("no column holds vectors of one width")
    return texts, np.concatenate(parts)


def _vectors(cells: Any) -> Any:
    """Lists of floats of one length as rows; ``None`` where the cells are something else."""
    import pyarrow as pa

    cells = cells.storage if isinstance(cells, pa.ExtensionArray) else cells
    kind = cells.type
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    if (
        not is_list
        or not pa.types.is_floating(kind.value_type)
        or cells.null_count
        or not len(cells)
    ):
        return None
    flat = cells.flatten()
    width, left = divmod(len(flat), len(cells))
    if left or width < MIN_WIDTH or flat.null_count:
        return None
    lengths = np.unique(np.asarray(cells.value_lengths())) if pa.types.is_list(kind) else [width]
    return flat.to_numpy(zero_copy_only=False).reshape(-1, width) if len(lengths) == 1 else None
