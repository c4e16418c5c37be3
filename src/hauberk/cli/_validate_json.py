"""What `hauberk validate --format json` says: the examination as one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hauberk.errors import HauberkError
    from hauberk.lifecycle.evaluator import Request, Result
    from hauberk.report import ScanResult


def refusal(request: Request, error: HauberkError) -> dict[str, Any]:
    """What is said of a model that was not judged, as a finding like any other."""
    from hauberk.core.finding import Assessment, Finding, Outcome, Severity
    from hauberk.report import ScanResult
    from hauberk.report.scan import scan_document

    path = str(request.model)
    finding = Finding(
        message=f"{path}: {error.message}" + (f": {error.found}" if error.found else ""),
        path=path,
        severity=Severity.HIGH,
        remedy=error.hint or "look at what the error names",
        control="validate",
    )
    found = Assessment(
        control="validate", path=path, outcome=Outcome.FLAGGED, findings=(finding,), threats=()
    )
    scanned = ScanResult(
        findings=(finding,), assessments=(found,), summary={"exit_code": error.exit_code}
    )
    return {**scan_document(scanned), "model": {"path": path, "digest": None, "classes": []}}


def document(request: Request, scanned: ScanResult, result: Result) -> dict[str, Any]:
    """The whole examination; programs may rely on its names."""
    from hauberk.core.codec import to_json
    from hauberk.report.scan import scan_document

    scan = scan_document(scanned)
    leak = result.leak
    return {
        **scan,
        "model": {"path": str(request.model), "digest": result.model, "classes": result.classes},
        "rows": result.n_rows,
        "sealed": result.seal,
        "metrics": dict(result.metrics),
        "accuracy_interval": result.accuracy,
        "robustness": {
            "curve": [
                {
                    "eps": point.radius,
                    "robust_accuracy": point.share,
                    "interval": [point.low, point.high],
                }
                for point in result.robustness.points
            ],
            "movable": list(result.robustness.movable),
            "strength": result.robustness.strength,
            "cpu_s": round(result.robustness.cpu_s, 3),
            "passes": {name: list(three) for name, three in result.robustness.passes.items()},
            "fooled": dict(result.robustness.fooled),
            "valid": result.robustness.is_valid,
            "hides_gradients": result.robustness.hides_gradients,
            "schema": dict(result.robustness.schema),
            "certified": {
                "how": result.robustness.proof,
                "curve": [
                    {"eps": point.radius, "share": point.share}
                    for point in result.robustness.certified
                ],
            },
        },
        "triggers": None
        if result.triggers.signs is None
        else {
            "class": result.classes[result.triggers.signs.target],
            "masks": result.triggers.signs.masks.tolist(),
            "taken": result.triggers.signs.taken.tolist(),
            "rows": result.triggers.n_rows,
        },
        "owned_places": _owned_document(result),
        "fairness": [to_json(item) for item in result.differences],
        "fairness_gaps": [to_json(item) for item in result.gaps],
        "membership": None
        if leak is None
        else {
            "rate": leak.rate,
            "interval": [leak.low, leak.high],
            "false_rate": None if any(leak.tied) else leak.false_rate,
            "right": list(leak.right),
            "gap": leak.gap,
            "tied": list(leak.tied),
            "members": leak.n_members,
            "others": leak.n_others,
        },
        "shadows": _shadow_document(result),
        "version_before": to_json(result.edited.found) if result.edited.found else None,
        "property_inference": to_json(result.inferred.found) if result.inferred.found else None,
        "slices": [to_json(one) for one in result.slices],
        "remedies": [to_json(one) for one in result.remedied],
        "not_assessed": dict(result.reasons)
        | ({"training data": result.training_reason} if result.training_reason else {}),
    }


def _owned_document(result: Result) -> dict[str, Any] | None:
    found = result.owned.found
    if found is None:
        return None
    return {
        "nodes": found.n_nodes,
        "least": found.least,
        "rarest": found.rarest,
        "places": [
            {
                "class": result.classes[one.target],
                "taken": one.taken,
                "grown": [one.n_grown, one.of_grown],
                "given": [one.n_honest, one.of_honest],
                "rarity": one.rarity,
            }
            for one in found.regions
        ],
    }


def _shadow_document(result: Result) -> dict[str, Any] | None:
    found = result.exposed.found
    if found is None:
        return None
    return {
        "shadows": found.n_shadows,
        "auc": found.auc,
        "cost_s": round(found.cost_s, 3),
        "forecast_s": result.exposed.forecast_s,
        "recipe": result.exposed.recipe,
        "rates": [
            {"false_rate": one.false_rate, "rate": one.rate, "interval": [one.low, one.high]}
            for one in found.rates
        ],
        "exposed": [{"row": row, "ratio": ratio} for row, ratio in result.exposed.rows],
    }
