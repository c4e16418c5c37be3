"""The lifecycle: three stages, sixteen components. The only place where they are listed."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """One of the three stages, or ``ALL`` for threats that cut across them."""

    DATA_ENGINEERING = "data-engineering"
    EXPERIMENT = "experiment"
    PRODUCTION = "production"
    ALL = "all"


class Component(StrEnum):
    """One of the sixteen components.

    The value names the table in ``hauberk.toml`` and the word on the command line; with
    underscores it names the folder. ``CROSS_CUTTING`` groups the threats that belong to
    no single component and is never a room of the lifecycle.
    """

    ACQUISITION = "acquisition"
    PREPROCESSING = "preprocessing"
    ANALYSIS = "analysis"
    PREPARATION = "preparation"
    VERSIONED_DATA = "versioned-data"
    TRAINING = "training"
    VALIDATION = "validation"
    PIPELINE = "pipeline"
    CODE_REPOSITORY = "code-repository"
    METADATA_STORE = "metadata-store"
    MODEL_EXPORT = "model-export"
    MODEL_REGISTRY = "model-registry"
    SERVING = "serving"
    MONITORING = "monitoring"
    INPUT_DATA = "input-data"
    OUTPUT_DATA = "output-data"
    CROSS_CUTTING = "cross-cutting"

    @property
    def stage(self) -> Stage:
        """The stage that holds the component."""
        return _STAGE_OF[self]

    @property
    def module(self) -> str:
        """The component as a Python name."""
        return self.value.replace("-", "_")


_FLOORS: dict[Stage, tuple[Component, ...]] = {
    Stage.DATA_ENGINEERING: (
        Component.ACQUISITION,
        Component.PREPROCESSING,
        Component.ANALYSIS,
        Component.PREPARATION,
    ),
    Stage.EXPERIMENT: (
        Component.VERSIONED_DATA,
        Component.TRAINING,
        Component.VALIDATION,
        Component.PIPELINE,
        Component.CODE_REPOSITORY,
    ),
    Stage.PRODUCTION: (
        Component.METADATA_STORE,
        Component.MODEL_EXPORT,
        Component.MODEL_REGISTRY,
        Component.SERVING,
        Component.MONITORING,
        Component.INPUT_DATA,
        Component.OUTPUT_DATA,
    ),
    Stage.ALL: (Component.CROSS_CUTTING,),
}
_STAGE_OF = {component: stage for stage, components in _FLOORS.items() for component in components}

COMPONENTS: tuple[Component, ...] = tuple(
    component for component in Component if component is not Component.CROSS_CUTTING
)
"""The sixteen components in lifecycle order."""


def components_of(stage: Stage) -> tuple[Component, ...]:
    """The components of ``stage`` in lifecycle order."""
    return _FLOORS[stage]
