"""Validation: an independent evaluator scores the model itself, from the sealed sets.

The model runs in a worker; metrics are computed here from its scores and the sealed labels.
What the training script claims is held against what its own validation part really gives.
Thresholds of the lifecycle file decide whether the model goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hauberk.core.artifact import Dataset, Digest, Evaluation, ModelFile
from hauberk.core.finding import Matrix
from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode
from hauberk.core.record import Section, StepReport, StepState
from hauberk.errors import ArtifactError, UsageError
from hauberk.lifecycle import native, reporting
from hauberk.lifecycle.evaluator import ask
from hauberk.lifecycle.native import ByRow, Scored
from hauberk.lifecycle.robustness import Robustness
from hauberk.lifecycle.searching import Searched, searched_of
from hauberk.methods.metrics import Counts, count, roc_auc_of_classes
from hauberk.trust.predicates import ModelTest, Result

if TYPE_CHECKING:
    from hauberk.core.record import Attestation
    from hauberk.lifecycle.workshop import Workshop

_BOUND = re.compile(r"\s*(>=|<=)\s*(-?\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessTable:
    """``[validation.robustness]``.

    What is weaker here than the pinned policy demands keeps the model from production.

    Attributes:
        eps: Largest radius, in spreads of each feature; half of it is tried too.
        robust_accuracy: Bound on the share of rows that stay right within it: ``">= 0.5"``.
        rows: Rows of the sealed test set that are attacked, at most.
        queries: Calls of the model that each of them is worth.
        norm: ``linf``: every feature may move by as much.
    """

    eps: float = 0.1
    robust_accuracy: str = ""
    rows: int = 300
    queries: int = 40
    norm: str = "linf"


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[validation]``.

    Attributes:
        metrics: Metric to bound: ``roc_auc = ">= 0.75"``. Metrics are ``accuracy`` and
            ``roc_auc`` for classes, ``mean_absolute_error`` and ``r2`` for numbers.
        fairness: Measure to bound, for every sensitive column:
            ``equalized_odds_difference = "<= 0.15"``.
        robustness: How the released model is attacked, and what it must withstand.
        triggers: Whether the released model is searched for planted triggers.
    """

    metrics: Mapping[str, str] = field(default_factory=dict)
    fairness: Mapping[str, str] = field(default_factory=dict)
    robustness: RobustnessTable = field(default_factory=RobustnessTable)
    triggers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one part of the data says of the model.

    Attributes:
        metrics: Name to value.
        counts: Rows by true and predicted class; ``None`` for regression.
        fairness: ``measure:column`` to value.
    """

    metrics: Mapping[str, float]
    counts: Counts | None
    fairness: Mapping[str, float]


def work(shop: Workshop) -> StepReport:
    """Score, measure, compare with the bounds and with the claims, and attest."""
    table = shop.settings.table(Component.VALIDATION)
    test = shop.plan.prepared["test"]
    scored = native.score(shop, shop.view(shop.plan.model), shop.view(test))
    measured = with_privacy(measure(shop.table(test), scored), shop)
    shop.shared.scores, shop.shared.classes = scored, scored.classes
    shop.shared.metrics = {**measured.metrics, **measured.fairness}
    failed = broken_bounds(shop, table, measured)
    assessments = _claims(shop)
    attestation = attest(shop, shop.plan.model, measured, failed, name="validation")
    report = StepReport(
        component=Component.VALIDATION,
        state=StepState.DONE,
        summary=", ".join(f"{name} {value:.4f}" for name, value in measured.metrics.items()),
        isolation=shop.context.isolation,
        evidence=EvidenceMode.ISOLATED,
        inputs={path: shop.digests[path] for path in (shop.plan.model, test)},
        attestations=(attestation,),
        sections=_sections(measured, table),
    )
    if failed:
        return replace(report, state=StepState.REFUSED, reason="; ".join(failed.values()))
    return reporting.with_gate(report, shop.decide(assessments))


def measure(dataset: Dataset, scored: Scored) -> Measured:
    """The metrics of ``scored`` against the labels of ``dataset``.

    Raises:
        UsageError: The data set has no label.
        ArtifactError: Scores are not finite, or there are too few or too many.
    """
    if dataset.label is None:
        raise UsageError(
            "the test set has no label to score against",
            subject=dataset.name,
            expected='label = "..." in [acquisition.NAME] or [preparation]',
            found=", ".join(column.name for column in dataset.columns[:20]),
        )
    columns = _columns(dataset, (dataset.label, *dataset.sensitive))
    truth = columns[dataset.label]
    _refuse_scores(scored, len(truth))
    if not scored.classes:
        return Measured(metrics=_regression(truth, scored.scores), counts=None, fairness={})
    labels = [_text(value) for value in truth]
    predicted = [scored.classes[place] for place in scored.scores.argmax(axis=1)]
    names = sorted({*scored.classes, *labels})
    counts = count(labels, predicted, classes=names)
    fairness = {
        f"equalized_odds_difference:{name}": _odds(labels, predicted, columns[name], names)
        for name in dataset.sensitive
    }
    auc = roc_auc_of_classes(labels, scored.scores, scored.classes)
    return Measured(
        metrics={"accuracy": counts.accuracy, "roc_auc": auc}, counts=counts, fairness=fairness
    )


def with_privacy(measured: Measured, shop: Workshop) -> Measured:
    """The metrics with ``epsilon``, where the training records how it made noise."""
    found = shop.shared.privacy
    if found is None:
        return measured
    return replace(measured, metrics={**measured.metrics, "epsilon": found.epsilon})


def broken_bounds(shop: Workshop, table: TABLE, measured: Measured) -> dict[str, str]:
    """Name of each bound that is not kept, with the sentence that says so."""
    broken: dict[str, str] = {}
    for name, text in table.metrics.items():
        value = measured.metrics.get(name)
        if value is None:
            raise _unknown(shop, ("validation", "metrics", name), measured.metrics)
        if not _keeps(value, text, shop, ("validation", "metrics", name)):
            broken[name] = f"{name} is {value:.4f}, the bound is {text}"
    for name, text in table.fairness.items():
        found = {
            key: value for key, value in measured.fairness.items() if key.startswith(f"{name}:")
        }
        if not found:
            raise _unknown(shop, ("validation", "fairness", name), measured.fairness)
        for key, value in found.items():
            if not _keeps(value, text, shop, ("validation", "fairness", name)):
                broken[key] = f"{key} is {value:.4f}, the bound is {text}"
    return broken


def attest(
    shop: Workshop,
    model: str,
    measured: Measured,
    failed: Mapping[str, str],
    *,
    name: str,
    digest: Digest | None = None,
    searched: Searched | None = None,
) -> Attestation:
    """A signed test result for ``model`` on the sealed test set.

    Args:
        model: Path of the model as the chain knows it, or will when it is released.
        digest: The model's digest, where the path is not known yet.
        searched: What attacks on it and searches gave, where it was examined so.
    """
    test = shop.plan.prepared["test"]
    table = shop.settings.table(Component.VALIDATION)
    bounds = [*table.metrics, *(key for key in measured.fairness if _bounded(key, table))]
    searched = searched or Searched()
    attacked = searched.robustness
    result = ModelTest(
        name=name,
        model=model,
        digest=digest or shop.digests[model],
        data={test: shop.digests[test]},
        result=Result.FAILED if failed else Result.PASSED,
        circumstances=shop.signing.circumstances(shop),
        isolation=shop.context.isolation,
        evidence=EvidenceMode.ISOLATED,
        passed=tuple(name for name in bounds if name not in failed),
        failed=tuple(failed),
        metrics={**measured.metrics, **measured.fairness, **attacked.metrics},
        intervals=accuracy_bounds(measured) | attacked.intervals,
        strength=strength_of(measured, attacked) | searched.strength | privacy_of(shop),
        at=round(shop.context.clock(), 3),
    )
    return shop.signing.attest_test(result, shop)


def accuracy_bounds(measured: Measured) -> dict[str, tuple[float, float]]:
    """Exact bounds of the accuracy, one-sided at 95 %."""
    from hauberk.methods.statistics import clopper_pearson

    if measured.counts is None:
        return {}
    hits = int(np.trace(measured.counts.confusion))
    bounds = clopper_pearson(hits, measured.counts.n_rows)
    return {"accuracy": (bounds.low, bounds.high)}


def strength_of(measured: Measured, attacked: Robustness) -> dict[str, Mapping[str, Any]]:
    """Part of the examination to how hard it was."""
    parts: dict[str, Mapping[str, Any]] = {}
    if attacked.strength is not None:
        parts["robustness"] = attacked.strength
    if measured.fairness and measured.counts is not None:
        n_rows = measured.counts.n_rows
        parts["fairness"] = {"rows": n_rows, "of": n_rows}
    return parts


def privacy_of(shop: Workshop) -> dict[str, Mapping[str, Any]]:
    """What the training gives away of one row, as attestations say it."""
    found = shop.shared.privacy
    return {"privacy": {"is_stated": False} if found is None else found.strength}


def attack(shop: Workshop, model: str, features: tuple[str, ...]) -> Searched:
    """Attack an exported model on the sealed test set, and search it for triggers.

    ``[validation.robustness]`` says how it is attacked, ``triggers`` whether it is searched.

    Raises:
        UsageError: The table asks for what cannot be done.
        LimitError: The model hangs or eats memory.
    """
    whole = shop.settings.table(Component.VALIDATION)
    table = whole.robustness
    _refuse_table(shop, table)
    if shop.plan.label is None:
        no_label = {"not_applicable": "the rows have no label"}
        return Searched(robustness=Robustness(reason="no label", strength=no_label))
    request = {
        "label": shop.plan.label,
        "features": list(features),
        "eps": sorted({table.eps / 2, table.eps}),
        "rows": table.rows,
        "queries": table.queries,
        "seed": shop.context.seed,
        "triggers": whole.triggers,
    }
    parts = [name for name in ("test", "train") if name in shop.plan.prepared]
    tables = [shop.view(shop.plan.prepared[name]) for name in parts]
    answer = ask(shop.view(model), tables, request, level=shop.context.isolation)
    return searched_of(answer)


def _refuse_table(shop: Workshop, table: RobustnessTable) -> None:
    wrong = {
        "eps": not 0 <= table.eps < float("inf"),
        "rows": table.rows < 1,
        "queries": table.queries < 1,
        "norm": table.norm != "linf",
        "robust_accuracy": bool(table.robust_accuracy)
        and not _BOUND.fullmatch(table.robust_accuracy),
    }
    for key, is_wrong in wrong.items():
        if is_wrong:
            raise UsageError(
                "robustness cannot be examined so",
                subject=shop.settings.source.place(("validation", "robustness", key)),
                expected=_ROBUSTNESS_WORDS[key],
                found=repr(getattr(table, key)),
            )


_ROBUSTNESS_WORDS = {
    "eps": "a radius, 0 or more",
    "rows": "at least 1",
    "queries": "at least 1",
    "norm": "linf",
    "robust_accuracy": '">= 0.5"',
}


def broken_robustness(shop: Workshop, found: Robustness) -> dict[str, str]:
    """The bound on robustness where it is not kept, with the sentence that says so."""
    table = shop.settings.table(Component.VALIDATION).robustness
    if not table.robust_accuracy:
        return {}
    if not found.points:
        return {"robust_accuracy": f"robustness could not be examined: {found.reason}"}
    point = found.points[-1]
    keys = ("validation", "robustness", "robust_accuracy")
    if _keeps(point.share, table.robust_accuracy, shop, keys):
        return {}
    return {
        f"robust_accuracy@{point.radius:g}": f"robust accuracy within {point.radius:g} spreads is "
        f"{point.share:.4f}, the bound is {table.robust_accuracy}"
    }


def _bounded(key: str, table: TABLE) -> bool:
    return key.partition(":")[0] in table.fairness


def _claims(shop: Workshop) -> tuple[Any, ...]:
    """What the script claims against what its validation part gives."""
    part = shop.plan.prepared.get("validation")
    if not shop.shared.reported or part is None:
        return ()
    from hauberk.formats.rows import row_digests

    dataset = shop.table(part)
    scored = native.score(shop, shop.view(shop.plan.model), shop.view(part))
    rows = [row for batch in dataset.read() for row in row_digests(batch)]
    path = shop.plan.model
    model = ModelFile(name=path, digest=shop.digests[path], path=shop.view(path))
    evaluation = Evaluation(
        model=model, predictor=ByRow(scored, rows), data=dataset, reported=shop.shared.reported
    )
    return shop.judge(evaluation, ["model"])


def _columns(dataset: Dataset, names: Sequence[str]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for batch in dataset.read():
        for name, cells in columns.items():
            cells.extend(batch.column(name).to_pylist())
    return columns


def _text(value: Any) -> str:
    """A label as class names spell it: sklearn's ``1`` and Arrow's ``1`` agree."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _odds(
    truth: Sequence[str], predicted: Sequence[str], groups: Sequence[Any], names: Sequence[str]
) -> float:
    return count(
        truth, predicted, [_text(group) for group in groups], classes=names
    ).equalized_odds_difference()


def _regression(truth: Sequence[Any], scores: Any) -> dict[str, float]:
    values = np.asarray(truth, np.float64)
    errors = values - scores.reshape(-1)
    spread = float(((values - values.mean()) ** 2).sum())
    return {
        "mean_absolute_error": float(np.abs(errors).mean()),
        "r2": 1.0 - float((errors**2).sum()) / spread if spread else 0.0,
    }


def _refuse_scores(scored: Scored, n_rows: int) -> None:
    if len(scored.scores) != n_rows or not n_rows:
        raise ArtifactError(
            "the model scored another number of rows than it was given",
            expected=f"{n_rows} rows, at least one",
            found=f"{len(scored.scores)}",
        )
    if not np.isfinite(scored.scores).all():
        raise ArtifactError("the model's scores are not finite", expected="numbers", found="NaN")


def _keeps(value: float, text: str, shop: Workshop, keys: tuple[str, ...]) -> bool:
    match = _BOUND.fullmatch(text)
    if match is None:
        raise UsageError(
            "a bound was expected",
            subject=shop.settings.source.place(keys),
            expected='">= 0.75" or "<= 0.15"',
            found=repr(text),
        )
    bound = float(match.group(2))
    return value >= bound if match.group(1) == ">=" else value <= bound


def _unknown(shop: Workshop, keys: tuple[str, ...], known: Mapping[str, float]) -> UsageError:
    return UsageError(
        "this cannot be measured here",
        subject=shop.settings.source.place(keys),
        expected=", ".join(sorted({name.partition(":")[0] for name in known}))
        or "sensitive columns to measure fairness over",
        found=keys[-1],
    )


def _sections(measured: Measured, table: TABLE) -> tuple[Section, ...]:
    bounds = {**table.metrics, **table.fairness}
    rows = tuple(
        (name, f"{value:.4f}" + _bound_text(name, bounds))
        for name, value in {**measured.metrics, **measured.fairness}.items()
    )
    sections = [Section(title="Measured on the sealed test set", rows=rows)]
    if measured.counts is not None:
        names = measured.counts.classes
        values = tuple(tuple(float(x) for x in row) for row in measured.counts.confusion)
        plot = Matrix(
            title="True class by predicted class", rows=names, columns=names, values=values
        )
        sections.append(Section(title="Confusion", plots=(plot,)))
    return tuple(sections)


def _bound_text(name: str, bounds: Mapping[str, str]) -> str:
    bound = bounds.get(name) or bounds.get(name.partition(":")[0])
    return f" (bound {bound})" if bound else ""
