"""The replay of a run's own training: from the signed hand-over to a section of the report.

It begins when the hand-over of the training is signed, so that what is drawn could not be known
to it, and what is compared can no longer change. A replay of the same hand-over is not done
twice: its result is kept in the authenticated cache.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.controls.pipeline.uneven_progress import losses_curve
from hauberk.core.artifact import Replay
from hauberk.core.codec import from_json, to_json
from hauberk.core.record import Section
from hauberk.errors import TrustError, UsageError
from hauberk.isolation import Grants, interpreter_grants
from hauberk.lifecycle import reporting
from hauberk.lifecycle.progress import measured
from hauberk.lifecycle.replay import Recipe, read_chain, replay
from hauberk.lifecycle.staging import stage
from hauberk.lifecycle.state_moves import moves_plot
from hauberk.lifecycle.steps import Done, command_of, limits_of
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes

if TYPE_CHECKING:
    from hauberk.core.artifact import Digest
    from hauberk.core.record import StepReport
    from hauberk.lifecycle.experiment.training import ReplayTable
    from hauberk.lifecycle.plan import Step
    from hauberk.lifecycle.workshop import Workshop


def add(
    report: StepReport, step: Step, done: Done, shop: Workshop, wanted: ReplayTable
) -> StepReport:
    """The report with the replay's section and what the gate says of it.

    Raises:
        UsageError: The segments file is no output of the step.
    """
    if wanted.segments and wanted.segments not in step.table.outputs:
        raise UsageError(
            "the segments file is no output of the training",
            subject=shop.settings.source.place(("training", "replay", "segments")),
            expected=f"one of {', '.join(step.table.outputs)}",
            found=wanted.segments,
            hint="add it to outputs of [training]; the callback writes it",
        )
    found = _replayed(step, done, shop, wanted)
    unmeasured = "no checkpoints are written"
    if wanted.segments:
        found, unmeasured = measured(found, shop, wanted.segments)
    section = _section(found, shop, wanted, unmeasured)
    report = replace(report, sections=(*report.sections, section))
    return reporting.with_gate(report, shop.decide(shop.judge(found, ["pipeline"])))


def _replayed(step: Step, done: Done, shop: Workshop, wanted: ReplayTable) -> Replay:
    key = _key(done, wanted)
    kept = _kept(key, shop)
    if kept is not None:
        return kept
    shop.say("replay-started", f"doing {step.name} again", step.component)
    recipe = Recipe(
        name=step.name,
        command=command_of(step.table.run, shop.python),
        stage=lambda folder: _stage(folder, step, done, shop),
        grants=lambda folder: Grants(
            read=(folder, *interpreter_grants(shop.python)),
            write=(folder,),
            env=dict(step.table.environment),
        ),
        limits=limits_of(step, shop),
        level=shop.context.isolation,
        products={path: done.record.products[path] for path in step.table.outputs},
        segments=wanted.segments,
        committed=shop.view(wanted.segments) if wanted.segments else None,
    )
    found = replay(recipe, count=wanted.count, full=wanted.full)
    if step.table.limits.network:
        found = replace(found, unrepeatable=found.unrepeatable or "it may use the network")
    shop.cache.put(key, json.dumps(to_json(found)).encode())
    return found


def _stage(folder: Path, step: Step, done: Done, shop: Workshop) -> None:
    inputs = {path: done.record.materials[path] for path in step.table.inputs}
    placed = {path: done.record.materials[what] for path, what in step.table.at.items()}
    stage(folder, shop.settings.root, shop.code, {**inputs, **placed}, shop.store)


def _key(done: Done, wanted: ReplayTable) -> Digest:
    parts = {
        "replay": to_json(wanted),
        "materials": dict(done.record.materials),
        "products": dict(done.record.products),
        "started": str(done.made.started),
    }
    return digest_bytes(canonical_json(parts))


def _kept(key: Digest, shop: Workshop) -> Replay | None:
    try:
        entry = shop.cache.get(key)
    except TrustError as error:
        shop.say("cache-refused", f"the result of a replay was refused: {error.message}")
        return None
    return None if entry is None else from_json(Replay, json.loads(entry))


def _section(found: Replay, shop: Workshop, wanted: ReplayTable, unmeasured: str) -> Section:
    drawn = ", ".join(map(str, found.drawn)) or "all of it"
    same = sum(found.repeated.get(name) == item for name, item in found.committed.items())
    rows = [
        ("done again", drawn if not found.unrepeatable else "nothing"),
        ("results compared", str(len(found.committed))),
        ("the same", str(same)),
    ]
    if wanted.segments:
        rows.append(("head of the chain", read_chain(shop.view(wanted.segments)).head))
        rows.append(("segments", str(found.segments)))
        rows.append(("losses of held-out rows", unmeasured or "measured at each checkpoint"))
    text = (
        f"Not replayable: {found.unrepeatable}."
        if found.unrepeatable
        else "Drawn after the results were signed, and compared bit for bit. Malice in the "
        "attested code itself is repeated faithfully and not seen."
    )
    curve = moves_plot(shop.view(wanted.segments)) if wanted.segments else None
    losses = losses_curve(found) if found.losses else None
    plots = tuple(plot for plot in (curve, losses) if plot is not None)
    return Section(title="Replay", text=text, rows=tuple(rows), plots=plots)
