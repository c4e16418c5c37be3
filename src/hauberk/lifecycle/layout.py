"""Lay out the paths of a project: who makes each, who takes it, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hauberk.core.lifecycle import Component
from hauberk.errors import UsageError
from hauberk.lifecycle.plan import Plan, Step, StepTable, inside, missing_inputs

if TYPE_CHECKING:
    from hauberk.lifecycle.settings import Settings


class Layout:
    """Works out one project's plan; holds who makes which path while it does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.makers: dict[str, str] = {}

    def plan(self) -> Plan:
        """The checked plan.

        Raises:
            UsageError: A path leaves the project, is made twice or by nobody, or steps
                wait for each other.
        """
        sources = self._sources()
        steps = tuple(
            self._step(
                f"preprocessing.{name}", Component.PREPROCESSING, table, ("preprocessing", name)
            )
            for name, table in self._table(Component.PREPROCESSING).items()
        )
        preparation, prepared, split_from = self._preparation(sources, steps)
        training = self._training(prepared)
        result = Plan(
            sources=sources,
            steps=self._ordered(steps, sources),
            preparation=preparation,
            prepared=prepared,
            split_from=split_from,
            training=training,
            model=training.table.outputs[0],
            label=self._label(),
            sensitive=self._sensitive(),
        )
        self._refuse_missing(result)
        return result

    def _table(self, component: Component) -> Any:
        return self.settings.table(component)

    def _sources(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, table in self._table(Component.ACQUISITION).items():
            keys = ("acquisition", name, "uri")
            path = inside(table.path or table.uri, self.settings, keys)
            self._makes(path, f"acquisition.{name}", keys)
            found[path] = name
        if not found:
            raise UsageError(
                "no data are declared",
                subject=self.settings.source.name,
                expected='[acquisition.NAME] with uri = "data/....csv"',
                found="no [acquisition.*] table",
                hint="hauberk init finds data files and proposes the tables",
            )
        return found

    def _step(
        self, name: str, component: Component, table: StepTable, keys: tuple[str, ...]
    ) -> Step:
        inputs = tuple(inside(path, self.settings, (*keys, "inputs")) for path in table.inputs)
        outputs = tuple(inside(path, self.settings, (*keys, "outputs")) for path in table.outputs)
        if not outputs:
            raise UsageError(
                "a step makes nothing",
                subject=self.settings.source.place((*keys, "outputs")),
                expected='outputs = ["..."] with at least one path',
                found="an empty list",
            )
        for path in outputs:
            self._makes(path, name, (*keys, "outputs"))
        places = {
            inside(path, self.settings, (*keys, "at")): inside(what, self.settings, (*keys, "at"))
            for path, what in table.at.items()
        }
        self._refuse_strange(places.values(), inputs, (*keys, "at"), "an input of the step")
        collect = {
            inside(path, self.settings, (*keys, "collect")): pattern
            for path, pattern in table.collect.items()
        }
        self._refuse_strange(collect, outputs, (*keys, "collect"), "an output of the step")
        for pattern in collect.values():
            inside(pattern, self.settings, (*keys, "collect"))
        return Step(
            name=name,
            component=component,
            table=replace(table, inputs=inputs, outputs=outputs, at=places, collect=collect),
            keys=keys,
        )

    def _refuse_strange(
        self, names: Iterable[str], known: Sequence[str], keys: tuple[str, ...], expected: str
    ) -> None:
        for name in names:
            if name not in known:
                raise UsageError(
                    "a path is none of the step's",
                    subject=self.settings.source.place(keys),
                    expected=f"{expected}: {', '.join(known)}",
                    found=name,
                )

    def _makes(self, path: str, maker: str, keys: tuple[str, ...]) -> None:
        if path in self.makers:
            raise UsageError(
                "a path is made twice",
                subject=self.settings.source.place(keys),
                rule="every path has one maker",
                expected=f"{path} made by one step",
                found=f"made by {self.makers[path]} and by {maker}",
            )
        self.makers[path] = maker

    def _preparation(
        self, sources: Mapping[str, str], steps: Sequence[Step]
    ) -> tuple[Step | None, dict[str, str], str | None]:
        table = self._table(Component.PREPARATION)
        keys = ("preparation",)
        roles = {"train": table.train, "validation": table.validation, "test": table.test}
        prepared = {
            role: inside(path, self.settings, (*keys, role)) for role, path in roles.items() if path
        }
        if table.run is not None:
            own = StepTable(
                run=table.run,
                inputs=table.inputs,
                outputs=tuple(prepared.values()),
                limits=table.limits,
            )
            return self._step("preparation", Component.PREPARATION, own, keys), prepared, None
        if table.split.validation == 0:
            prepared.pop("validation", None)
        for role, path in prepared.items():
            self._makes(path, "preparation", (*keys, role))
        return None, prepared, self._split_from(table.data, sources, steps)

    def _split_from(
        self, declared: str | None, sources: Mapping[str, str], steps: Sequence[Step]
    ) -> str:
        keys = ("preparation", "data")
        if declared is not None:
            path = inside(declared, self.settings, keys)
            if path not in self.makers:
                raise UsageError(
                    "the table to split is made by nobody",
                    subject=self.settings.source.place(keys),
                    expected="one of " + ", ".join(sorted(self.makers)),
                    found=path,
                )
            return path
        last = self._ordered(steps, sources)[-1:] if steps else ()
        return last[0].table.outputs[0] if last else next(iter(sources))

    def _training(self, prepared: Mapping[str, str]) -> Step:
        table = self._table(Component.TRAINING)
        if not table.run or not table.outputs:
            raise UsageError(
                "the training step is not declared",
                subject=self.settings.source.place(("training",)),
                expected='[training] with run = "..." and outputs = ["model..."]',
                found="no run" if not table.run else "no outputs",
            )
        seen = tuple(path for role, path in prepared.items() if role != "test")
        own = StepTable(
            run=table.run,
            inputs=table.inputs or seen,
            outputs=table.outputs,
            limits=table.limits,
            environment=table.environment,
            at={path: prepared.get(name, name) for path, name in table.at.items()},
            collect=table.collect,
        )
        step = self._step("training", Component.TRAINING, own, ("training",))
        if prepared.get("test") in step.table.inputs:
            raise UsageError(
                "the training step takes the sealed test set",
                subject=self.settings.source.place(("training", "inputs")),
                rule="the test set is only read by the independent evaluator",
                expected=", ".join(seen),
                found=prepared["test"],
            )
        return step

    def _ordered(self, steps: Sequence[Step], sources: Mapping[str, str]) -> tuple[Step, ...]:
        """Steps such that each comes after those that make its inputs; else as declared."""
        made_by = {path: step.name for step in steps for path in step.table.outputs}
        waiting, done, order = list(steps), set(sources), []
        while waiting:
            ready = next(
                (
                    step
                    for step in waiting
                    if all(path in done or path not in made_by for path in step.table.inputs)
                ),
                None,
            )
            if ready is None:
                raise self._cycle(waiting)
            waiting.remove(ready)
            order.append(ready)
            done.update(ready.table.outputs)
        return tuple(order)

    def _cycle(self, waiting: Sequence[Step]) -> UsageError:
        return UsageError(
            "steps wait for each other",
            subject=self.settings.source.place(waiting[0].keys),
            rule="inputs and outputs form no circle",
            expected="a step whose inputs are all made before it",
            found=" -> ".join(step.name for step in (*waiting, waiting[0])),
        )

    def _refuse_missing(self, plan: Plan) -> None:
        for path in missing_inputs(plan, self.settings.root):
            taker = next(
                step
                for step in (*plan.steps, *filter(None, [plan.preparation]), plan.training)
                if path in step.table.inputs
            )
            raise UsageError(
                "an input is missing",
                subject=self.settings.source.place((*taker.keys, "inputs")),
                rule="every input is a source, the output of a step, or a file of the project",
                expected=path,
                found="no such file, and no step makes it",
            )

    def _label(self) -> str | None:
        tables = self._table(Component.ACQUISITION).values()
        own = self._table(Component.PREPARATION).label
        return own or next((table.label for table in tables if table.label), None)

    def _sensitive(self) -> tuple[str, ...]:
        tables = self._table(Component.ACQUISITION).values()
        return tuple(dict.fromkeys(name for table in tables for name in table.sensitive))
