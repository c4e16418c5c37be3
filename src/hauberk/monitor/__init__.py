"""What a served model sees and says, held against training.

`live.Live` gathers accepted traffic in the sketches that training used, `compare` says what
has drifted, and gives findings and a section of the report.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.monitor.comparison import Comparison, compare
    from hauberk.monitor.live import Live, LiveWindow, window

__all__ = ["Comparison", "Live", "LiveWindow", "compare", "window"]

_HOME = {"Comparison": "comparison", "compare": "comparison"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOME.get(name, 'live')}"), name)
