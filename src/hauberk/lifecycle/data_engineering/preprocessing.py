"""Preprocessing: the user's cleaning steps, each in its sandbox.

After a step that turns one labelled table into another, the label contract is checked: a
cleaning step may drop rows but may not change what a row is labelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Comparison, Dataset, Transformation
from hauberk.core.lifecycle import Component
from hauberk.core.record import StepReport, StepState
from hauberk.errors import UsageError
from hauberk.lifecycle import reporting
from hauberk.lifecycle.plan import Step, StepTable
from hauberk.lifecycle.steps import do, report_of

if TYPE_CHECKING:
    from hauberk.core.finding import Assessment
    from hauberk.lifecycle.workshop import Workshop

MANY = True
TABLE = StepTable


def work(shop: Workshop) -> StepReport:
    """Run every step in order; stop at the first that a gate denies."""
    if not shop.plan.steps:
        return reporting.not_declared(Component.PREPROCESSING, "no [preprocessing.*] step")
    reports: list[StepReport] = []
    for step in shop.plan.steps:
        shop.say("step-started", step.table.run, Component.PREPROCESSING, step=step.name)
        done = do(step, shop)
        assessments = _contract(step, shop)
        report = reporting.with_gate(report_of(step, done), shop.decide(assessments))
        reports.append(report)
        if report.state is StepState.REFUSED:
            break
    return reporting.joined(Component.PREPROCESSING, reports)


def _contract(step: Step, shop: Workshop) -> tuple[Assessment, ...]:
    """The label before against the label after, for each pair of tables that have it."""
    label = shop.plan.label
    contract = step.table.transforms
    before = [_labelled(path, shop) for path in step.table.inputs if path != contract]
    after = [_labelled(path, shop) for path in step.table.outputs if path != contract]
    pairs = [(old, new) for old in before for new in after if old is not None and new is not None]
    kept: tuple[Assessment, ...] = ()
    if label is not None and len(pairs) == 1:
        kept = shop.judge(Comparison(old=pairs[0][0], new=pairs[0][1]), ["dataset"])
    return kept + _replay(step, pairs, shop)


def _replay(
    step: Step, pairs: list[tuple[Dataset, Dataset]], shop: Workshop
) -> tuple[Assessment, ...]:
    """What the step did against the contract that it declares, if it declares one."""
    from hauberk.formats.transforms import open_transforms

    path = step.table.transforms
    if not path:
        return ()
    if len(pairs) != 1 or path not in shop.digests:
        raise UsageError(
            "a transform contract is about one table that a step takes and one that it makes",
            subject=shop.settings.source.place((*step.keys, "transforms")),
            expected="one table among the inputs, one among the outputs, and the contract in one",
            found=f"{len(pairs)} pairs of tables"
            if path in shop.digests
            else f"{path} is neither an input nor an output",
        )
    old, new = pairs[0]
    declared = open_transforms(shop.view(path))
    return shop.judge(Transformation(old=old, new=new, declared=declared), ["dataset"])


def _labelled(path: str, shop: Workshop) -> Dataset | None:
    """The table at ``path`` if it is one."""
    from hauberk.errors import ArtifactError, UsageError

    if path not in shop.digests:
        return None
    try:
        table: Any = shop.table(path)
    except (ArtifactError, UsageError):
        return None
    return table if isinstance(table, Dataset) else None
