"""The range: attacks against controls, measured over independent trials.

A scenario plays one trial per seed: it makes a clean subject, attacks a twin of it, proves
that the attack works with the control off, and says what the control made of both. The
range turns trials into scores with exact intervals and holds them against the catalogue's
targets. Nothing here is loaded by any other door but ``hauberk try``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.range.measure import REPORTING_SEED, Progress, run
    from hauberk.range.scenario import Scenario, Trial

__all__ = ["REPORTING_SEED", "Progress", "Scenario", "Trial", "run"]

_HOME = {"Scenario": "scenario", "Trial": "scenario"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    home = importlib.import_module(f"{__name__}.{_HOME.get(name, 'measure')}")
    return getattr(home, name)
