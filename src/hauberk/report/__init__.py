"""What people look at: the page of a run, terminal summaries, and the outputs of a scan.

Everything here is a function from finished data to text. Nothing is read, nothing is
judged, and everything that comes from data is escaped (`report.markup`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.report.bom import bill_of_materials
    from hauberk.report.page import html
    from hauberk.report.sarif import scan_sarif, scan_sarif_pieces
    from hauberk.report.scan import (
        scan_html,
        scan_json,
        scan_json_pieces,
        scan_text,
        scan_text_pieces,
    )
    from hauberk.report.scan_result import ScanResult
    from hauberk.report.terminal import summary_text

__all__ = [
    "ScanResult",
    "bill_of_materials",
    "html",
    "scan_html",
    "scan_json",
    "scan_json_pieces",
    "scan_sarif",
    "scan_sarif_pieces",
    "scan_text",
    "scan_text_pieces",
    "summary_text",
]

_HOME = {
    "ScanResult": "scan_result",
    "bill_of_materials": "bom",
    "html": "page",
    "scan_html": "scan",
    "scan_json": "scan",
    "scan_json_pieces": "scan",
    "scan_sarif": "sarif",
    "scan_sarif_pieces": "sarif",
    "scan_text": "scan",
    "scan_text_pieces": "scan",
    "summary_text": "terminal",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
