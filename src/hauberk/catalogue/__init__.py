"""Threats and their targets as data, and what has been measured of them.

``threats/<component>.toml`` holds the threats, ``attackers.toml`` who attacks,
``references.toml`` the names of foreign ids, ``figures/<ID>.json`` what the range measured.
A target stands nowhere else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.catalogue.coverage import answered_by
    from hauberk.catalogue.load import attackers, by_component, references, threat, threats
    from hauberk.catalogue.measured import Figure, Part, figure_of, figures

__all__ = [
    "Figure",
    "Part",
    "answered_by",
    "attackers",
    "by_component",
    "figure_of",
    "figures",
    "references",
    "threat",
    "threats",
]

_HOME = {
    "answered_by": "coverage",
    "Figure": "measured",
    "Part": "measured",
    "figure_of": "measured",
    "figures": "measured",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    home = importlib.import_module(f"{__name__}.{_HOME.get(name, 'load')}")
    return getattr(home, name)
