"""Credentials in the cells of a data set; see `StoredSecrets`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.rows import cell_texts
from hauberk.methods.secrets import Secret, find_secrets

_AT_ONCE = 1 << 18
"""Characters that are read together: one reading of many cells costs as much as one of one."""

_SHOWN = 1_000
_CERTAIN = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecrets(Check[Dataset]):
    """Keys, tokens and passwords of services in the texts of a data set.

    What a model is taught with it may say again, and whoever gets a copy of the data has them at
    once. Each text cell, and each message of a nested one, is read for credentials in the forms
    of their issuers, also in base64. The finding tells rows, column and issuer, never the
    credential.

    Limits:
        Values that are only called a password or a secret are not named: texts about programs
        are full of made-up ones. Credentials without a form of their own pass, and so do those
        that are written over several cells.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> said = ["Hello there.", "Use AKIA" + "QZ7LWX2N" * 2 + " to upload."]
        >>> rows = pa.RecordBatch.from_pydict({"answer": said})
        >>> [found.message for found in StoredSecrets().check(table_of("t", [rows]))]
        ['1 cell of answer in t holds a credential: AWS']

    References:
        Carlini et al. (2021), Extracting training data from large language models.
    """

    title: ClassVar[str] = "Cells hold credentials"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PK-5"),)
    subject: ClassVar[Any] = Dataset

    def check(self, subject: Dataset) -> Iterator[Finding]:
        """At most one finding for each column.

        Raises:
            NotApplicable: No column holds texts.
        """
        kinds = {ColumnKind.TEXT, ColumnKind.CATEGORY, ColumnKind.OTHER}
        names = [c.name for c in subject.columns if c.kind in kinds and not c.shape]
        if not names:
            raise NotApplicable("no column holds texts")
        found: dict[str, dict[int, Secret]] = {name: {} for name in names}
        first = 0
        for batch in subject.read():
            for name in names:
                found[name].update(_read(batch.column(name), first))
            first += batch.num_rows
        for name, rows in found.items():
            if rows:
                yield _finding(subject, name, rows, first)


def _read(cells: Any, first: int) -> dict[int, Secret]:
    """Row to the surest credential of its cell."""
    texts = [text if isinstance(text, str) else "" for text in cell_texts(cells).to_pylist()]
    ends = np.cumsum([len(text) + 1 for text in texts])
    found: dict[int, Secret] = {}
    start = 0
    while start < len(texts):
        before = int(ends[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + _AT_ONCE, side="right")))
        for secret in find_secrets("\n".join(texts[start:end])):
            row = int(np.searchsorted(ends, before + secret.start, side="right"))
            known = found.get(first + row)
            is_surer = known is None or known.confidence < secret.confidence
            if secret.confidence >= _CERTAIN and not secret.guessable and is_surer:
                found[first + row] = secret
        start = end
    return found


def _finding(subject: Dataset, name: str, rows: dict[int, Secret], n_rows: int) -> Finding:
    issuers = Counter(secret.provider for secret in rows.values())
    told = f"{len(rows)} cells" if len(rows) > 1 else "1 cell"
    verb = "hold credentials" if len(rows) > 1 else "holds a credential"
    return Finding(
        message=f"{told} of {name} in {subject.name} {verb}: {', '.join(sorted(issuers))}",
        path=subject.name,
        severity=Severity.CRITICAL,
        level=Level.DEFECT,
        threats=StoredSecrets.threats,
        confidence=max(secret.confidence for secret in rows.values()),
        location=Location(rows=tuple(sorted(rows)[:_SHOWN]), field=name),
        remedy="Revoke these credentials now, then mask the cells and make the data set again: "
        "what a model was taught with it may repeat.",
        evidence=Evidence(
            statistic="cells with a credential",
            value=float(len(rows)),
            threshold=0.0,
            n=n_rows,
            facts={issuer: f"{count} cells" for issuer, count in sorted(issuers.items())},
        ),
    )
