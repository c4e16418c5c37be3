"""Model export: the trained model as ONNX, and proof that it still answers the same.

The conversion happens in an isolated worker, because loading the trained model runs
whatever is pickled in it. The ONNX form is scored on the sealed test set in a worker as
well and held against the native scores: no more rows may change their class than the
lifecycle file allows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hauberk.core.artifact import ModelFile
from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.errors import InternalError
from hauberk.lifecycle import native, reporting
from hauberk.lifecycle.evaluated_rows import slices
from hauberk.lifecycle.experiment.validation import (
    attack,
    attest,
    broken_bounds,
    broken_robustness,
    measure,
    with_privacy,
)
from hauberk.lifecycle.native import Scored
from hauberk.lifecycle.production import golden_answers

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop
    from hauberk.methods.slices import Slice

PATH = "hauberk/model.onnx"
"""Name of the exported model among the products; it is delivered with the release."""

RELEASED = "hauberk/bundle/model.onnx"
"""Name under which the same bytes are released, as part of the serving bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[model-export]``.

    Attributes:
        max_flips: Share of test rows that may change their class, 0 to 1. Rounding to
            single precision can flip rows that lie on a split of a tree.
        max_shift: Largest allowed change of a score.
    """

    max_flips: float = 0.0
    max_shift: float = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far two forms of a model agree.

    Attributes:
        flips: Rows whose class differs.
        shift: Largest difference of a score.
    """

    n_rows: int
    flips: int
    shift: float


def work(shop: Workshop) -> StepReport:
    """Convert, compare, look at the graph."""
    table = shop.settings.table(Component.MODEL_EXPORT)
    model, test = shop.view(shop.plan.model), shop.view(shop.plan.prepared["test"])
    scored = shop.shared.scores
    if not isinstance(scored, Scored):
        raise InternalError("the model was exported before it was scored")
    graph, features = _graph(shop)
    digest = shop.store.blobs.put(iter([graph]))
    shop.land(PATH, digest)
    again = native.score_onnx(shop, shop.view(PATH), test, features)
    agreement = compare(scored, again)
    shop.shared.exported, shop.shared.features = again, features
    materials = {path: shop.digests[path] for path in (shop.plan.model, shop.plan.prepared["test"])}
    products = {
        PATH: digest,
        golden_answers.PATH: golden_answers.write_golden(shop, scored, table.max_shift),
    }
    attestation = shop.hand_over(
        "model-export", ("export", f"opset={_opset()}"), materials, products
    )
    report = StepReport(
        component=Component.MODEL_EXPORT,
        state=StepState.DONE,
        summary=f"ONNX, {len(graph):,} bytes; {agreement.flips} of {agreement.n_rows} rows flip",
        isolation=shop.context.isolation,
        inputs={shop.plan.model: shop.digests[shop.plan.model]},
        outputs=products,
        attestations=(attestation,),
        sections=(_section(agreement, table, model.name),),
    )
    if not _within(agreement, table):
        return replace(report, state=StepState.REFUSED, reason=_reason(agreement, table))
    named = replace(again, classes=scored.classes)
    measured = with_privacy(measure(shop.table(shop.plan.prepared["test"]), named), shop)
    bounds = shop.settings.table(Component.VALIDATION)
    searched = attack(shop, PATH, features)
    failed = broken_bounds(shop, bounds, measured)
    failed |= broken_robustness(shop, searched.robustness)
    tested = attest(
        shop,
        RELEASED,
        measured,
        failed,
        name="validation.exported",
        digest=digest,
        searched=searched,
    )
    shop.tests.append(tested)
    report = replace(
        report,
        attestations=(attestation, tested),
        sections=(*report.sections, *searched.sections(_worst(shop, named))),
    )
    if failed:
        return replace(report, state=StepState.REFUSED, reason="; ".join(failed.values()))
    exported = ModelFile(name=PATH, digest=digest, path=shop.view(PATH))
    judged = (*shop.judge(exported, ["model"]), *searched.assessments(PATH))
    return reporting.with_gate(report, shop.decide(judged))


def _worst(shop: Workshop, scored: Scored) -> tuple[Slice, ...]:
    """Parts of the test set with more errors than elsewhere."""
    if shop.plan.label is None:
        return ()
    return slices(shop.table(shop.plan.prepared["test"]), scored, shop.context.seed)


def compare(native_scores: Scored, exported: Scored) -> Agreement:
    """How far the exported model's scores are from the native ones, row by row."""
    old, new = native_scores.scores, exported.scores.reshape(native_scores.scores.shape)
    flips = 0
    if old.ndim == 2:  # noqa: PLR2004 - rows by classes
        flips = int((old.argmax(axis=1) != new.argmax(axis=1)).sum())
    shift = float(np.abs(old - new).max()) if old.size else 0.0
    return Agreement(n_rows=len(old), flips=flips, shift=shift)


def _graph(shop: Workshop) -> tuple[bytes, tuple[str, ...]]:
    """The ONNX bytes; a model that is trained as ONNX is taken as it is."""
    model, test = shop.view(shop.plan.model), shop.view(shop.plan.prepared["test"])
    return native.export(shop, model, test)


def _opset() -> int:
    from hauberk.lifecycle.workers.native import OPSET

    return OPSET


def _within(agreement: Agreement, table: TABLE) -> bool:
    return (
        agreement.flips <= table.max_flips * agreement.n_rows
        and agreement.shift <= table.max_shift
        and np.isfinite(agreement.shift)
    )


def _reason(agreement: Agreement, table: TABLE) -> str:
    return (
        f"the exported model answers differently: {agreement.flips} of {agreement.n_rows} rows "
        f"change class (allowed {table.max_flips:g} of all), scores move by "
        f"{agreement.shift:.2g} (allowed {table.max_shift:g}); next: raise max_flips or "
        "max_shift in [model-export] if that is acceptable"
    )


def _section(agreement: Agreement, table: TABLE, name: str) -> Section:
    rows = (
        ("native model", name),
        ("rows compared", f"{agreement.n_rows:,}"),
        ("rows that change class", f"{agreement.flips} (allowed {table.max_flips:g} of all)"),
        ("largest change of a score", f"{agreement.shift:.3g} (allowed {table.max_shift:g})"),
    )
    return Section(title="Agreement with the trained model", rows=rows)
