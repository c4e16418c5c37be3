"""Evaluation of a model that is not part of a run: what `hauberk validate` does.

The model and the metric code never share a process: an isolated worker loads the model and
gives scores, everything else is computed here from those scores and the labels. What a worker
says is believed no further than its shape.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.controls.model.altered_evaluation import AlteredEvaluation
from hauberk.controls.model.decisive_identifiers import DecisiveIdentifiers
from hauberk.controls.model.exposed_rows import ExposedRows
from hauberk.controls.model.hidden_gradients import HiddenGradients
from hauberk.controls.model.hidden_logic import HiddenLogic
from hauberk.controls.model.inferable_share import InferableShare
from hauberk.controls.model.memorised_rows import Leak, MemorisedRows
from hauberk.controls.model.metric_mismatch import MetricMismatch
from hauberk.controls.model.unfair_decisions import UnfairDecisions
from hauberk.core.artifact import Dataset, Digest, Evaluation, ModelFile
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Assessment, Location, Outcome
from hauberk.engine import assess
from hauberk.errors import ArtifactError, UsageError
from hauberk.isolation import Grants, Limits, spawn
from hauberk.lifecycle import given_rows, judging
from hauberk.lifecycle.comparing import (
    Decided,
    Edited,
    Inferred,
    decided_of,
    edited_of,
    inferred_of,
)
from hauberk.lifecycle.evaluated_rows import slices, strangers
from hauberk.lifecycle.exposing import Exposed, exposed_of
from hauberk.lifecycle.judging import said
from hauberk.lifecycle.native import ByRow, Scored, scored_of
from hauberk.lifecycle.owning import Owned, owned_of
from hauberk.lifecycle.remedying import Remedied, remedies_of
from hauberk.lifecycle.robustness import Robustness, Triggers, robustness_of, triggers_of
from hauberk.methods.sealed_rows import seal_of
from hauberk.trust.digest import digest_file

if TYPE_CHECKING:
    from hauberk.core.policy import Isolation, Waiver
    from hauberk.methods.fairness import Difference
    from hauberk.methods.fairness_gaps import Gap
    from hauberk.methods.slices import Slice

WORKER = "hauberk.lifecycle.workers.validating:evaluate"
LIMITS = Limits(
    wall_s=900.0, cpu_s=900.0, memory_bytes=6 << 30, processes=64, output_bytes=256 << 20
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be evaluated, on what.

    Attributes:
        train: Rows that the model was trained on, for what it remembers of them.
        reported: Metrics that somebody claims.
        bounds: Metric to the least value that is accepted.
        eps: Radii of the robustness curve in units of each feature's spread; none skips it.
        rows: Rows that the search for wrong answers starts from.
        queries: Calls of the model for each radius.
        norm: ``linf`` or ``l2``.
        schema: Corrections to what is learnt of the features, see `hauberk.methods.schema`.
        triggers: Whether to search for a trigger of some class.
        sealed: Digest that the judged rows had when they were sealed.
        shadows: Shadow models that are trained to see who was in the training rows.
        max_cost_s: Processor seconds up to which shadows are trained, by a forecast; ``None`` is
            what the worker has time for, 0 none.
        recipe: How shadows are trained, where the model's file does not keep it.
        features: Columns in the order in which a graph of one tensor takes them.
        tolerance: Difference between groups that is accepted, 0 to 1.
        previous: The version before, which is trusted.
        group: Column and value of a group whose share of the training rows is to stay unknown.
        allow: Policy entries for names in the model that nobody has reviewed.
        shape: Of one row, where a program takes another than a line and does not say it.
        python: Interpreter that holds the model's library; empty is this one.
        identifiers: Columns that name somebody, which must not decide.
        certify: Noisy answers a row by which radii are proven; 0 proves exact ones alone.
        remedies: Names and values of what is tried on it, see `hauberk.lifecycle.remedying`.
    """

    model: Path
    data: Dataset
    data_path: Path
    train: Dataset | None = None
    train_path: Path | None = None
    reported: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, float] = field(default_factory=dict)
    eps: tuple[float, ...] = ()
    rows: int = 500
    queries: int = 60
    norm: str = "linf"
    schema: Mapping[str, Any] = field(default_factory=dict)
    triggers: bool = True
    shadows: int = 0
    max_cost_s: float | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    sealed: str = ""
    features: tuple[str, ...] = ()
    tolerance: float = 0.1
    seed: int = 0
    previous: Path | None = None
    group: tuple[str, str] | None = None
    allow: tuple[Waiver, ...] = ()
    shape: tuple[int, ...] = ()
    python: str = ""
    identifiers: tuple[str, ...] = ()
    certify: int = 0
    remedies: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it.

    Attributes:
        seal: Digest of the judged rows, whatever file they lie in.
        metrics: Name to value and, for accuracy, its one-sided 95 % bounds.
        robustness: What attacks on the model gave.
        triggers: What the search for a trigger gave.
        owned: What the search for places that a class owns gave.
        gaps: How far apart groups are in each rate, by bootstrap.
        exposed: What shadow models recognise.
        edited: What speaks for an edit since the version before.
        inferred: How surely a group's share of the training rows is told.
        unkept: Bounds that are not kept, as sentences.
        reasons: Part that could not be assessed to the reason.
        remedied: What each remedy changes.
        slices: Parts of the rows that looked worst, and whether they are.
        training: What the data controls say of the training rows, where they were asked.
        training_reason: Why they were not, where rows were given.
    """

    model: Digest
    n_rows: int
    seal: str
    classes: tuple[str, ...]
    metrics: Mapping[str, float]
    accuracy: tuple[float, float] | None
    differences: tuple[Difference, ...]
    gaps: tuple[Gap, ...]
    leak: Leak | None
    robustness: Robustness
    triggers: Triggers
    exposed: Exposed
    edited: Edited
    inferred: Inferred
    unkept: tuple[str, ...]
    reasons: Mapping[str, str]
    assessments: tuple[Assessment, ...]
    remedied: tuple[Remedied, ...] = ()
    slices: tuple[Slice, ...] = ()
    owned: Owned = field(default_factory=Owned)
    training: tuple[Assessment, ...] = ()
    training_reason: str = ""


def evaluate(request: Request) -> Result:
    """Score the model in a worker and judge the scores.

    Raises:
        ArtifactError: The model is dangerous, does not load, wants other columns, or gives no
            usable scores.
        TrustError: It holds names that nobody has reviewed.
        LimitError: It hangs or eats memory.
        UsageError: A bound names a metric that the model does not have.
    """
    answer = _ask(request)
    scored = [scored_of({**answer, **_unpacked(item)}) for item in answer["scores"]]
    evaluation = _evaluation(request, scored)
    reasons: dict[str, str] = {}
    if strange := strangers(request.data, scored[0].classes):
        reasons["labels"] = strange
    if alike := _all_alike(scored[0]):
        reasons["answers"] = alike
    metrics, accuracy = _metrics(evaluation)
    fairness = UnfairDecisions(tolerance=request.tolerance)
    memory = MemorisedRows()
    differences = _or_reason("fairness", reasons, lambda: fairness.differences(evaluation))
    leak = _or_reason("membership inference", reasons, lambda: memory.leak(evaluation))
    robustness = robustness_of(answer["robustness"])
    if not robustness.points:
        reasons["robustness"] = robustness.reason
    triggers = triggers_of(answer["triggers"])
    if triggers.reason:
        reasons["triggers"] = triggers.reason
    owned = owned_of(answer["regions"], len(scored[0].features), len(scored[0].classes))
    if owned.reason:
        reasons["owned places"] = owned.reason
    exposed = exposed_of(answer["exposure"])
    edited, inferred = edited_of(answer["edited"]), inferred_of(answer["inferred"])
    if edited.reason:
        reasons["version before"] = edited.reason
    if inferred.reason:
        reasons["property inference"] = inferred.reason
    decided = decided_of(answer["decided"])
    reasons |= {f"identifier {one.column}": one.reason for one in decided if one.reason}
    remedied = remedies_of(answer["remedies"])
    reasons |= {f"remedy {one.name}": one.reason for one in remedied if one.reason}
    controls = (AlteredEvaluation(), MetricMismatch(), fairness, memory)
    return Result(
        model=digest_file(request.model),
        n_rows=len(scored[0].scores),
        seal=seal_of(request.data),
        classes=scored[0].classes,
        metrics=metrics,
        accuracy=accuracy,
        differences=differences or (),
        gaps=fairness.gaps(evaluation) if differences else (),
        leak=leak,
        robustness=robustness,
        triggers=triggers,
        exposed=exposed,
        edited=edited,
        inferred=inferred,
        unkept=tuple(_unkept(request, {**metrics, **robustness.metrics})),
        reasons=reasons,
        assessments=(
            *(assess(item, evaluation, path=str(request.model)) for item in controls),
            *given_rows.assessments(request.data, request.train, metrics.get("accuracy")),
            judging.drawn(str(request.model), answer["drawn"]),
            _gradients(request, robustness),
            judging.triggers(str(request.model), scored[0].classes, triggers),
            judging.owned(str(request.model), scored[0].features, scored[0].classes, owned),
            _exposed(request, exposed),
            _edited(request, scored[0].classes, edited),
            _inferred(request, inferred),
            *(_decided(request, scored[0].classes, one) for one in decided),
        ),
        remedied=remedied,
        slices=slices(request.data, scored[0], request.seed),
        owned=owned,
    )


def _all_alike(scored: Scored) -> str:
    """What is said of a model that gives all of several rows one score."""
    import numpy as np

    scores = scored.scores.reshape(len(scored.scores), -1)
    if len(scores) < 2 or np.ptp(scores, axis=0).max(initial=0.0) > 0:  # noqa: PLR2004 - some rows
        return ""
    return f"all {len(scores)} rows get the same score; the model does not look at them"


def answered(request: Request) -> Evaluation:
    """The model's scores of the rows, as a predictor, and nothing searched or trained.

    Raises:
        ArtifactError: The model is dangerous, does not load, or gives no usable scores.
        TrustError: It holds names that nobody has reviewed.
        LimitError: It hangs or eats memory.
    """
    plain = replace(
        request,
        eps=(),
        triggers=False,
        shadows=0,
        group=None,
        previous=None,
        remedies=(),
        identifiers=(),
    )
    answer = _ask(plain)
    return _evaluation(plain, [scored_of({**answer, **_unpacked(i)}) for i in answer["scores"]])


def _gradients(request: Request, found: Robustness) -> Assessment:
    """The control of hidden gradients, by what the worker's attacks gave."""
    control, path = HiddenGradients(), str(request.model)
    if found.hides_gradients is None:
        return said(control, path, (), reason="no gradients of the model are known")
    if not found.hides_gradients:
        return said(control, path, ())
    n_rows = int((found.strength or {}).get("rows", 0))
    return said(control, path, [control.finding(path, n_rows, found.fooled)])


def _exposed(request: Request, found: Exposed) -> Assessment:
    """The control of exposed rows, by what the worker's shadows gave."""
    control, path = ExposedRows(), str(request.model)
    if found.found is None:
        none = said(control, path, (), reason=found.reason)
        is_forecast = found.is_dear and request.max_cost_s == 0
        is_missed = bool(request.shadows) and not is_forecast  # it was asked for
        return replace(none, outcome=Outcome.FAILED) if is_missed else none
    return said(
        control,
        path,
        [
            replace(one, location=Location(rows=tuple(row for row, _ in found.rows)))
            for one in control.judged(path, found.found)
        ],
    )


def _edited(request: Request, classes: tuple[str, ...], found: Edited) -> Assessment:
    """The control of hidden logic, by what the worker's comparison gave."""
    control, path = HiddenLogic(), str(request.model)
    if found.found is None:
        return said(control, path, (), reason=found.reason)
    if found.found.score < control.threshold:
        return said(control, path, ())
    return said(control, path, [control.finding(path, classes, found.found)])


def _inferred(request: Request, found: Inferred) -> Assessment:
    """The audit of a group's share, by what the worker's shadows gave."""
    control, path = InferableShare(), str(request.model)
    if found.found is None:
        return said(control, path, (), reason=found.reason)
    return said(control, path, control.judged(path, found.found))


def _decided(request: Request, classes: tuple[str, ...], found: Decided) -> Assessment:
    """The control of decisive identifiers, by what the worker's questions gave."""
    control, path = DecisiveIdentifiers(columns=(found.column,)), str(request.model)
    if found.reason or not found.tried[0]:
        return said(control, path, (), reason=found.reason)
    return said(control, path, [control.finding(path, found.column, classes, found.tried)])


def ask(
    model: Path,
    tables: list[Path],
    request: Mapping[str, Any],
    *,
    level: Isolation | None = None,
    previous: Path | None = None,
    python: str = "",
) -> Any:
    """The answer of a worker that reaches the model and the tables and nothing else.

    Args:
        request: As `hauberk.lifecycle.workers.validating.evaluate` takes it, without paths.
        level: Isolation to run at; the strongest there is where none is given.
        previous: The version before the model.
        python: Interpreter of the worker; empty is this one.
    """
    paths = [path.resolve() for path in (model, *tables)]
    payload = {
        "property": None,
        **request,
        "model": str(paths[0]),
        "tables": list(map(str, paths[1:])),
        "previous": str(previous.resolve()) if previous else None,
    }
    paths += [previous.resolve()] if previous else []
    answer = spawn(
        WORKER,
        json.dumps(payload).encode(),
        grants=Grants(read=tuple(paths)),
        limits=LIMITS,
        level=level,
        python=python or sys.executable,
    )
    return json.loads(answer)


def _ask(request: Request) -> Any:
    from hauberk.engine.load_gate import admit

    # The worker is a second wall, not a reason to load what the first one refuses.
    for path in (request.model, *([request.previous] if request.previous else [])):
        admit(path, allow=request.allow)
    tables = [request.data_path, *([request.train_path] if request.train_path else [])]
    asked = {
        "label": request.data.label,
        "features": list(request.features),
        "eps": list(request.eps),
        "rows": request.rows,
        "queries": request.queries,
        "seed": request.seed,
        "norm": request.norm,
        "schema": dict(request.schema),
        "triggers": request.triggers,
        "shadows": request.shadows if request.train_path else 0,
        "max_cost_s": request.max_cost_s,
        "recipe": dict(request.recipe),
        "property": list(request.group) if request.group else None,
        "shape": list(request.shape),
        "certify": request.certify,
        "identifiers": list(request.identifiers),
        "remedies": [list(pair) for pair in request.remedies],
        "sensitive": list(request.data.sensitive),
    }
    return ask(request.model, tables, asked, previous=request.previous, python=request.python)


def _unpacked(item: Any) -> dict[str, Any]:
    try:
        return {"shape": item["shape"], "scores": item["data"]}
    except (KeyError, TypeError) as error:
        raise ArtifactError("the worker's answer is malformed", found=str(error)) from error


def _evaluation(request: Request, scored: list[Scored]) -> Evaluation:
    from hauberk.formats.rows import row_digests

    tables = [request.data, *([request.train] if request.train else [])]
    rows = [row for table in tables for batch in table.read() for row in row_digests(batch)]
    n_scored = sum(len(item.scores) for item in scored)
    if n_scored != len(rows):
        raise ArtifactError(
            "the model scored another number of rows than it was given",
            subject=str(request.model),
            expected=f"{len(rows)} rows",
            found=str(n_scored),
        )
    return Evaluation(
        model=ModelFile(name=str(request.model), path=request.model),
        predictor=ByRow(_joined(request, scored), rows),
        data=request.data,
        train=request.train,
        reported=request.reported,
        sealed=request.sealed,
    )


def _joined(request: Request, scored: list[Scored]) -> Scored:
    import numpy as np

    scores = np.concatenate([item.scores for item in scored])
    if not np.isfinite(scores).all():
        missing = ~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1)
        n_missing, n_gaps = int(missing.sum()), _rows_with_gaps(request)
        raise ArtifactError(
            "the model's scores are not finite",
            subject=str(request.model),
            rule="every row gets a number for every class",
            expected="numbers",
            found=f"NaN or infinity for {n_missing} of {len(scores)} rows, of which {n_gaps} have "
            "a cell that is missing or infinite",
            hint="fill in or leave out those cells as the training did"
            if n_gaps >= n_missing
            else "look for NaN among the model's own numbers; it may have been saved after a "
            "training that diverged",
        )
    return Scored(classes=scored[0].classes, features=scored[0].features, scores=scores)


def _rows_with_gaps(request: Request) -> int:
    """Rows of all tables with a cell that is missing or no finite number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    n = 0
    for table in (request.data, *([request.train] if request.train else [])):
        for batch in table.read():
            columns = [batch.column(column.name) for column in table.columns]
            gaps = [
                pc.invert(pc.fill_null(pc.is_finite(cells), fill_value=False))
                if pa.types.is_floating(cells.type)
                else pc.is_null(cells)
                for cells in columns
            ]
            n += sum(map(any, zip(*(gap.to_pylist() for gap in gaps), strict=True)))
    return n


def _metrics(evaluation: Evaluation) -> tuple[dict[str, float], tuple[float, float] | None]:
    import numpy as np

    from hauberk.methods.metrics import roc_auc_of_classes
    from hauberk.methods.scoring import judge_rows
    from hauberk.methods.statistics import clopper_pearson

    judged = judge_rows(evaluation.predictor, evaluation.data)
    if not judged.classes:
        errors = judged.truth - judged.scores.reshape(-1)
        spread = float(((judged.truth - judged.truth.mean()) ** 2).sum())
        r2 = 1.0 - float((errors**2).sum()) / spread if spread else 0.0
        return {"mean_absolute_error": float(np.abs(errors).mean()), "r2": r2}, None
    counts = judged.counts
    bounds = clopper_pearson(int(np.trace(counts.confusion)), counts.n_rows)
    metrics = {
        "accuracy": counts.accuracy,
        "roc_auc": roc_auc_of_classes(judged.truth, judged.scores, judged.classes),
    }
    return metrics, (bounds.low, bounds.high)


def _or_reason(name: str, reasons: dict[str, str], work: Any) -> Any:
    try:
        return work()
    except NotApplicable as silent:
        reasons[name] = str(silent)
        return None


def _unkept(request: Request, known: Mapping[str, float]) -> Any:
    for name, least in request.bounds.items():
        if name not in known:
            raise UsageError(
                "this metric is not measured here",
                subject=f"--require {name}",
                expected=", ".join(known),
                found=name,
            )
        if known[name] < least:
            yield f"{name} is {known[name]:.4f}; at least {least:g} is required"
