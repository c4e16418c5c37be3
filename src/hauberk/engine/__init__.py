"""The engine that all doors share: find controls, run them, decide.

Data flows one way: subject, control, findings, assessment, policy, verdict.
"""

from __future__ import annotations

from hauberk.engine.assess import assess
from hauberk.engine.decide import decide
from hauberk.engine.discover import discover
from hauberk.engine.select import assess_all, select
from hauberk.engine.sweep import sweep

__all__ = ["assess", "assess_all", "decide", "discover", "select", "sweep"]
