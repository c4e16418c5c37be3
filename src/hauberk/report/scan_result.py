"""What a scan hands to the outputs; the scanner makes it, `report` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hauberk.core.finding import Assessment, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """A finished scan.

    Attributes:
        findings: In a repeatable order; every one also stands in an assessment.
        assessments: One for each control and subject, failed and not applicable included.
        summary: JSON values only. Counts are added by the outputs; the scanner says what it
            alone knows: ``paths``, ``exit_code``, ``decision``, ``fail_on``, ``seconds``.
    """

    findings: tuple[Finding, ...]
    assessments: tuple[Assessment, ...]
    summary: Mapping[str, Any] = field(default_factory=dict)
