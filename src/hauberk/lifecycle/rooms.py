"""Find the rooms by path and say in which order a run visits them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from hauberk.core.lifecycle import Component

if TYPE_CHECKING:
    from hauberk.core.record import StepReport
    from hauberk.lifecycle.workshop import Workshop

ORDER: tuple[Component, ...] = (
    Component.CODE_REPOSITORY,
    Component.PIPELINE,
    Component.ACQUISITION,
    Component.PREPROCESSING,
    Component.ANALYSIS,
    Component.PREPARATION,
    Component.VERSIONED_DATA,
    Component.TRAINING,
    Component.VALIDATION,
    Component.MODEL_EXPORT,
    Component.INPUT_DATA,
    Component.OUTPUT_DATA,
    Component.SERVING,
    Component.MODEL_REGISTRY,
    Component.MONITORING,
    Component.METADATA_STORE,
)
"""The order of a run. Code and environment come first because every step depends on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One component's part in a run.

    Attributes:
        table: Dataclass of its table in the lifecycle file.
        many: Whether the table holds named tables (``[preprocessing.clean]``).
        work: Does the component's job; returns its report or raises.
    """

    component: Component
    table: type[Any]
    many: bool
    work: Callable[[Workshop], StepReport]


@cache
def room(component: Component) -> Room:
    """The room of ``component``: ``TABLE``, ``MANY`` (optional) and ``work`` of its module."""
    floor = component.stage.value.replace("-", "_")
    module = importlib.import_module(f"hauberk.lifecycle.{floor}.{component.module}")
    return Room(
        component=component,
        table=module.TABLE,
        many=getattr(module, "MANY", False),
        work=module.work,
    )
