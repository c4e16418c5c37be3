"""One digest for a set of rows, whatever file they lie in and in whatever order.

The digests of all rows are sorted, with repeats, and hashed: the same rows as CSV and as
Parquet have the same seal, and no cell can change without changing it.
"""

from __future__ import annotations

import hashlib

from hauberk.core.artifact import Dataset
from hauberk.formats.rows import row_digests


def seal_of(data: Dataset) -> str:
    """The seal of all rows of ``data``, ``sha256:<hex>``; 16 bytes of memory a row."""
    rows = sorted(row for batch in data.read() for row in row_digests(batch))
    hashed = hashlib.sha256(b"hauberk sealed rows 1\n")
    for row in rows:
        hashed.update(row)
    return f"sha256:{hashed.hexdigest()}"
