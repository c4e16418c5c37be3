"""Pick the controls that fit a subject, and run them all on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hauberk.core.control import Check, Control, Stream
from hauberk.core.finding import Assessment
from hauberk.engine.assess import assess


def select(controls: Sequence[Control], subject: Any) -> tuple[Control, ...]:
    """The controls whose declared subject is the type of ``subject``.

    A comparison fits a control that declares ``(Comparison, <type of its parts>)``.
    """
    return tuple(control for control in controls if _fits(control.subject, subject))


def assess_all(controls: Sequence[Control], subject: Any) -> tuple[Assessment, ...]:
    """Every fitting control on ``subject``, streams over one shared read, sorted by id.

    Raises:
        UsageError: The caller asked for something impossible.
    """
    fitting = select(controls, subject)
    checks = [assess(control, subject) for control in fitting if isinstance(control, Check)]
    streams = [control for control in fitting if isinstance(control, Stream)]
    if streams:
        from hauberk.core.artifact import Dataset
        from hauberk.engine.sweep import sweep

        if isinstance(subject, Dataset):
            checks.extend(sweep(streams, subject))
    return tuple(sorted(checks, key=lambda assessment: assessment.control))


def _fits(declared: Any, subject: Any) -> bool:
    if isinstance(declared, tuple):
        from hauberk.core.artifact import Comparison

        return isinstance(subject, Comparison) and isinstance(subject.new, declared[1])
    return isinstance(subject, declared)
