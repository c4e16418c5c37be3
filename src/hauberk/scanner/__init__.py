"""The scanner: judge what a team already has.

`locate` finds out what lies at a path by its content, `scan` judges it by every control
that fits and holds the result against a policy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.scanner.kinds import FileKind, kind_of
    from hauberk.scanner.locating import Located, locate
    from hauberk.scanner.options import ScanOptions
    from hauberk.scanner.scanning import scan

__all__ = ["FileKind", "Located", "ScanOptions", "kind_of", "locate", "scan"]

_HOME = {
    "FileKind": "kinds",
    "Located": "locating",
    "ScanOptions": "options",
    "kind_of": "kinds",
    "locate": "locating",
    "scan": "scanning",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
