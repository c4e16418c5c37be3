"""Training: the user's step in its sandbox, on everything but the sealed test set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hauberk.core.artifact import ModelFile
from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.errors import ArtifactError, UsageError
from hauberk.lifecycle import reporting
from hauberk.lifecycle.plan import LimitsTable
from hauberk.lifecycle.privacy import Spent, privacy_section, spent
from hauberk.lifecycle.steps import do, report_of

if TYPE_CHECKING:
    from hauberk.lifecycle.plan import Step
    from hauberk.lifecycle.workshop import Workshop

_READ = ("train", "validation")
MAX_REPORT_BYTES = 1 << 20
"""Metrics are a few numbers; a larger file is no report of metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTable:
    """``replay``: do the training again and compare bit for bit.

    Attributes:
        segments: Output that the callback writes; without it only a full replay can be had.
        count: Segments to draw, beside the last one.
        full: Do all of it again.
    """

    segments: str = ""
    count: int = 8
    full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[training]``.

    Attributes:
        outputs: The model first; metrics and other files after it.
        inputs: The training and validation parts where nothing else is given.
        at: Path at which the script looks, to what lies there: ``train`` or ``validation`` of
            the preparation, or another input.
        collect: Output to a pattern of the one file that becomes it, for scripts that write
            under another name each time: ``"mlruns/**/model.pkl"``.
        metrics: Output that holds the metrics which the script claims, as JSON.
        privacy: Output that records how a private training made its noise, as JSON.
    """

    run: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    at: Mapping[str, str] = field(default_factory=dict)
    collect: Mapping[str, str] = field(default_factory=dict)
    metrics: str | None = None
    privacy: str | None = None
    limits: LimitsTable = field(default_factory=LimitsTable)
    environment: Mapping[str, str] = field(default_factory=dict)
    replay: ReplayTable = field(default_factory=ReplayTable)


def work(shop: Workshop) -> StepReport:
    """Train, then look at the model file before anything loads it."""
    step = shop.plan.training
    shop.say("step-started", step.table.run, Component.TRAINING, step=step.name)
    done = do(step, shop)
    use = done.use(step, str(shop.work / step.name))
    judged = shop.decide(shop.judge(use, ["pipeline"]))
    report = reporting.with_gate(report_of(step, done), judged)
    if report.state is StepState.REFUSED:
        return report
    wanted = shop.settings.table(Component.TRAINING).replay
    if wanted.segments or wanted.full:
        from hauberk.lifecycle import replaying

        report = replaying.add(report, step, done, shop, wanted)
        if report.state is StepState.REFUSED:
            return report
    claimed = _claimed(shop)
    if claimed:
        shop.shared.reported = claimed
        rows = tuple((name, f"{value:.4f}") for name, value in claimed.items())
        section = Section(title="Metrics that the script claims", rows=rows)
        report = replace(report, sections=(*report.sections, section))
    shop.shared.privacy = _spent(step, shop)
    report = replace(report, sections=(*report.sections, privacy_section(shop.shared.privacy)))
    model = ModelFile(
        name=shop.plan.model, digest=shop.digests[shop.plan.model], path=shop.view(shop.plan.model)
    )
    return reporting.with_gate(report, shop.decide(shop.judge(model, ["model"])))


def _spent(step: Step, shop: Workshop) -> Spent | None:
    """What the training gives away of one row, where it records how it made noise."""
    path = shop.settings.table(Component.TRAINING).privacy
    if path is None:
        return None
    if path not in step.table.outputs:
        raise UsageError(
            "the record of a private training is no output of it",
            subject=shop.settings.source.place(("training", "privacy")),
            expected=f"one of {', '.join(step.table.outputs)}",
            found=path,
            hint="add it to outputs of [training]; record_privacy of the callback file writes it",
        )
    parts = [shop.plan.prepared[name] for name in _READ if name in shop.plan.prepared]
    n_rows = sum(batch.num_rows for part in parts for batch in shop.table(part).read())
    return spent(shop.view(path).read_bytes(), n_rows, path)


def _claimed(shop: Workshop) -> dict[str, float]:
    path = shop.settings.table(Component.TRAINING).metrics
    if path is None:
        return {}
    data = shop.view(path).read_bytes()
    try:
        value = json.loads(data[: MAX_REPORT_BYTES + 1]) if len(data) <= MAX_REPORT_BYTES else None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ArtifactError(
            "the claimed metrics cannot be read",
            subject=path,
            expected="a JSON object of names and numbers",
            found=f"{len(data)} bytes that are none",
        )
    return {
        str(name): float(number)
        for name, number in value.items()
        if isinstance(number, (int, float)) and not isinstance(number, bool)
    }
