"""The training rows that `hauberk validate` is given, judged as `hauberk scan` judges them.

A model is as good as its rows: what was planted there need not show in any answer on others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hauberk.cli.words import clock

if TYPE_CHECKING:
    from hauberk.core.finding import Assessment
    from hauberk.lifecycle.evaluator import Request

MAX_BYTES = 64 << 20
"""Beyond it the scan would take longer than the examination; it is a command of its own."""

_TITLE = "training data"


def training(request: Request) -> tuple[tuple[Assessment, ...], str]:
    """What the data controls find in the training rows, or why they were not asked.

    Raises:
        UsageError: The table lacks the label.
    """
    from datetime import UTC, datetime

    from hauberk.scanner import ScanOptions, scan

    path, rows = request.train_path, request.train
    if path is None or rows is None:
        return (), ""
    size = path.stat().st_size
    if size > MAX_BYTES:
        return (), (
            f"not judged here: {size >> 20} MiB are above {MAX_BYTES >> 20}; "
            f"run hauberk scan {path} --label {request.data.label}"
        )
    here = {column.name for column in rows.columns}
    options = ScanOptions(
        label=request.data.label,
        sensitive=tuple(name for name in request.data.sensitive if name in here),
    )
    found = scan([path], options=options, today=datetime.fromtimestamp(clock(), UTC).date())
    return tuple(map(_named, found.assessments)), ""


def _named(one: Assessment) -> Assessment:
    """``one`` with findings that say whose they are."""
    findings = tuple(
        replace(finding, message=f"{_TITLE}: {finding.message}") for finding in one.findings
    )
    return replace(one, findings=findings)
