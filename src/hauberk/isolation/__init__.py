"""Running what is not trusted: levels, grants, limits, and one worker protocol.

Two doors: `run` starts a command of the user, `spawn` runs one of our own functions over
foreign bytes in a fresh interpreter. Both put a small single-threaded process, the
*warden*, between us and the work. The warden applies the level between ``fork`` and
``exec``, watches the whole process tree, and returns only when all of it is dead.

Names are loaded on first use, so that importing this package costs nothing and the
warden starts with the standard library's smallest modules only.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # the typing module would cost the warden a third of its start

if TYPE_CHECKING:
    from hauberk.isolation.grants import Bind, Grants
    from hauberk.isolation.interpreters import interpreter_grants
    from hauberk.isolation.limits import Completed, Limits, Usage
    from hauberk.isolation.observing import Means, Observation, observe_run
    from hauberk.isolation.outputs import Output, collect_output, list_outputs
    from hauberk.isolation.probing import Probe, probe
    from hauberk.isolation.steps import run
    from hauberk.isolation.workers import spawn

_HOME = {
    "Bind": "grants",
    "Completed": "limits",
    "Grants": "grants",
    "Limits": "limits",
    "Means": "observing",
    "Observation": "observing",
    "Output": "outputs",
    "Probe": "probing",
    "Usage": "limits",
    "collect_output": "outputs",
    "interpreter_grants": "interpreters",
    "list_outputs": "outputs",
    "observe_run": "observing",
    "probe": "probing",
    "run": "steps",
    "spawn": "workers",
}

__all__ = [
    "Bind",
    "Completed",
    "Grants",
    "Limits",
    "Means",
    "Observation",
    "Output",
    "Probe",
    "Usage",
    "collect_output",
    "interpreter_grants",
    "list_outputs",
    "observe_run",
    "probe",
    "run",
    "spawn",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
