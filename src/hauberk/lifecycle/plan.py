"""What a run will do, worked out and checked before anything starts.

The plan knows every path: who makes it, who takes it. A path outside the project, an
output declared twice, an input that nobody makes and a cycle are refused here, with the
line of the lifecycle file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hauberk.core.lifecycle import Component
from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.lifecycle.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsTable:
    """``limits``: what a step may use.

    Attributes:
        cpu_s: Processor seconds over the whole process tree.
        memory: With a unit, ``"4GiB"``.
        network: Host names that the step may reach; none by default.
        credentials: Host of ``network`` to how the proxy shows who asks: ``"bearer NAME"`` or
            ``"basic NAME"``, where the variable ``HAUBERK_CREDENTIAL_NAME`` of whoever starts
            the run holds the token, or user and password. The step itself never gets it.
        programs: Names of programs that the step may start beside its own; where it is left
            out, any that the system or the interpreter brings.
    """

    cpu_s: float = 600.0
    wall_s: float = 900.0
    memory: str = "4GiB"
    processes: int = 64
    file: str = "2GiB"
    network: tuple[str, ...] = ()
    credentials: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTable:
    """A step of the user: a command, what it takes and what it makes.

    Attributes:
        run: Command line, split as a shell would split words; no shell is started.
        environment: Variables for the step; secrets do not belong here.
        transforms: The input or output that holds the step's transform contract, if any.
        at: Path at which the step looks, to the input that lies there for it.
        collect: Output to a pattern of the one file that becomes it, for steps that write
            under another name each time: ``"mlruns/**/model.pkl"``.
    """

    run: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    limits: LimitsTable = field(default_factory=LimitsTable)
    environment: Mapping[str, str] = field(default_factory=dict)
    transforms: str = ""
    at: Mapping[str, str] = field(default_factory=dict)
    collect: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One user step of the plan.

    Attributes:
        name: ``preprocessing.clean``, ``training``.
        keys: Where it stands in the lifecycle file, for messages.
    """

    name: str
    component: Component
    table: StepTable
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a run will do, in order.

    Attributes:
        sources: Path in the project to the name of the acquisition that lands it.
        steps: User steps of preprocessing in the order in which they can run.
        prepared: Role (``train``, ``test``, ``validation``) to path.
        split_from: Table that the preparation splits, where Hauberk makes the split.
        model: Path of the trained model.
        label: Column to predict.
    """

    sources: Mapping[str, str]
    steps: tuple[Step, ...]
    preparation: Step | None
    prepared: Mapping[str, str]
    split_from: str | None
    training: Step
    model: str
    label: str | None
    sensitive: tuple[str, ...]


def inside(path: str, settings: Settings, keys: tuple[str, ...]) -> str:
    """``path`` in its plain form, relative to the project.

    Raises:
        UsageError: It is absolute, leaves the project, or names Hauberk's own folder.
    """
    pure = PurePosixPath(path)
    parts = [part for part in pure.parts if part != "."]
    bad = (
        pure.is_absolute() or ".." in parts or not parts or "\x00" in path or parts[0] == ".hauberk"
    )
    if not bad:
        return "/".join(parts)
    raise UsageError(
        "a path leaves the project",
        subject=settings.source.place(keys),
        rule="inputs and outputs are paths inside the project",
        expected="a relative path without '..' and outside .hauberk",
        found=repr(path),
    )


def plan(settings: Settings) -> Plan:
    """The plan of the project.

    Raises:
        UsageError: The lifecycle file asks for something that cannot be.
    """
    from hauberk.lifecycle.layout import Layout

    return Layout(settings).plan()


def missing_inputs(plan: Plan, root: Path) -> tuple[str, ...]:
    """Inputs that nobody makes and that are not on disk either."""
    made = {*plan.sources, *plan.prepared.values()}
    wanted: list[str] = []
    for step in (*plan.steps, *filter(None, [plan.preparation]), plan.training):
        wanted.extend(step.table.inputs)
        made.update(step.table.outputs)
    return tuple(
        sorted({path for path in wanted if path not in made and not (root / path).exists()})
    )
