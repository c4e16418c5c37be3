"""Judge a model on rows of yours: scores, robustness, groups of people, what it remembers.

The model is loaded in an isolated worker that can reach nothing but the files named here.
Metrics are computed from its scores by code that shares nothing with the project's own.

Exit codes: 0 nothing found, 1 a bound is broken or a defect is proven, 2 usage, 3 something
that was asked for could not be assessed (and nothing worse).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.cli import _allowing
from hauberk.cli.words import share_of
from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.lifecycle.evaluator import Request, Result
    from hauberk.report import ScanResult

HELP = "judge a model: scores, robustness, fairness, what it remembers"
EXAMPLE = "hauberk validate model.joblib --data test.csv --label approve --sensitive sex"

_EPS = "0.05,0.1,0.25,0.5"
_SHOWN = 12
_MAX_SHADOWS = 64
_GROUP_COLUMN = 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="ONNX, pickle or joblib file")
    parser.add_argument("--data", type=Path, required=True, metavar="TEST", help="rows to judge on")
    parser.add_argument("--label", required=True, metavar="COL", help="column to predict")
    parser.add_argument("--sensitive", metavar="COLS", default="", help="groups of people: a,b,c")
    parser.add_argument("--train", type=Path, metavar="DATA", help="rows that it was trained on")
    parser.add_argument(
        "--features", metavar="COLS", default="", help="order of columns in a graph of one tensor"
    )
    parser.add_argument(
        "--reported", type=Path, metavar="FILE", help="JSON object of claimed metrics, recomputed"
    )
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="METRIC=LEAST",
        help="accuracy=0.8, roc_auc=0.75, robust_accuracy@0.1=0.6 ...; may be repeated",
    )
    parser.add_argument(
        "--tolerance",
        type=share_of,
        default=0.1,
        help="accepted difference of groups (default 0.1)",
    )
    parser.add_argument(
        "--eps",
        default=_EPS,
        metavar="RADII",
        help=f"radii in spreads of each feature (default {_EPS}); empty skips the search",
    )
    parser.add_argument("--rows", type=int, default=500, help="rows that the search starts from")
    parser.add_argument("--queries", type=int, default=60, help="calls of the model per radius")
    parser.add_argument(
        "--sealed",
        default="",
        metavar="DIGEST",
        help="of TEST's rows, as an earlier result says it",
    )
    parser.add_argument(
        "--shadows",
        type=int,
        default=0,
        metavar="N",
        help="with --train: audit with N shadow models (2 to 4 do); costs as many trainings",
    )
    parser.add_argument(
        "--no-triggers", action="store_true", help="do not search a network for a planted trigger"
    )
    parser.add_argument("--norm", choices=("linf", "l2"), default="linf")
    parser.add_argument(
        "--schema",
        type=Path,
        metavar="FILE",
        help="JSON of what features may do: fixed, whole, monotone, ranges, one-hot",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--attest",
        type=Path,
        metavar="FILE",
        help="write the result as a test result, signed with your lifecycle key",
    )
    parser.add_argument(
        "--project", metavar="NAME", help="whose pinned policy the attested result names"
    )
    parser.add_argument(
        "--root", type=Path, metavar="FILE", help="the project's root of trust, where not pinned"
    )
    parser.add_argument("--format", choices=("text", "json", "html"), default="text")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    _allowing.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate and write the result; see the exit codes of the module."""
    from hauberk.lifecycle.evaluator import evaluate

    request = _request(args)
    result = evaluate(request)
    code = exit_code(request, result)
    if args.attest is not None:
        _attest(args, request, result, code)
    if args.format == "json":
        text = json.dumps(_document(request, result, code), indent=2) + "\n"
    elif args.format == "html":
        text = _page(request, result, code)
    else:
        text = "\n".join(_lines(result)) + "\n"
    if args.output is None:
        sys.stdout.write(text)
    else:
        args.output.write_text(text, "utf-8")
    return code


def _page(request: Request, result: Result, code: int) -> str:
    from hauberk.lifecycle.examination_report import sections, sentences
    from hauberk.report.examination_page import examination_html

    said = tuple(sentences(result))
    return examination_html(request.model.name, _scanned(result, code), sections(result), said)


def _scanned(result: Result, code: int) -> ScanResult:
    from hauberk.report import ScanResult

    return ScanResult(
        findings=tuple(item for part in result.assessments for item in part.findings),
        assessments=result.assessments,
        summary={"exit_code": code, "unkept": list(result.unkept)},
    )


def _attest(args: argparse.Namespace, request: Request, result: Result, code: int) -> None:
    """Sign what was found, whatever it was; nobody is served by a result that is kept back."""
    from hauberk.cli.words import clock, configuration
    from hauberk.lifecycle.examining import signed

    if not args.project:
        raise UsageError(
            "an attested result belongs to a project",
            subject="--attest",
            expected="--project NAME",
            found="none",
        )
    envelope = signed(
        request,
        result,
        project=args.project,
        configuration=configuration(),
        root_file=args.root,
        now=clock(),
        code=code,
    )
    args.attest.write_bytes(envelope)


def _request(args: argparse.Namespace) -> Request:
    from hauberk.lifecycle.evaluator import Request

    sensitive = tuple(name for name in args.sensitive.split(",") if name)
    return Request(
        model=_file(args.model, "MODEL"),
        data=_table(args.data, args.label, sensitive),
        data_path=args.data,
        train=None if args.train is None else _table(args.train, args.label, ()),
        train_path=args.train,
        reported=_reported(args.reported),
        bounds=dict(_bound(text) for text in args.require),
        eps=_radii(args.eps),
        rows=args.rows,
        queries=args.queries,
        norm=args.norm,
        triggers=not args.no_triggers,
        shadows=_shadows(args),
        sealed=args.sealed,
        schema=_schema(args.schema),
        features=tuple(name for name in args.features.split(",") if name),
        tolerance=args.tolerance,
        seed=args.seed,
        allow=_allowing.entries(args),
    )


def _file(path: Path, subject: str) -> Path:
    if not path.is_file():
        raise UsageError(
            "there is no such file",
            subject=subject,
            expected="a file",
            found=f"{path}: {'a folder' if path.is_dir() else 'nothing'}",
        )
    return path


def _table(path: Path, label: str, sensitive: tuple[str, ...]) -> Dataset:
    from hauberk.formats.tables import open_table

    return open_table(_file(path, "DATA"), label=label, sensitive=sensitive)


def _reported(path: Path | None) -> dict[str, float]:
    from hauberk.formats.strict_json import JsonLimits, decode

    if path is None:
        return {}
    value = decode(_file(path, "--reported").read_bytes(), JsonLimits(max_bytes=1 << 20))
    if type(value) is not dict or any(type(item) not in (int, float) for item in value.values()):
        raise UsageError(
            "claimed metrics are an object of numbers",
            subject=str(path),
            expected='{"accuracy": 0.93}',
            found=type(value).__name__,
        )
    return {str(name): float(item) for name, item in value.items()}


def _shadows(args: argparse.Namespace) -> int:
    if not args.shadows:
        return 0
    if args.train is None or not 2 <= args.shadows <= _MAX_SHADOWS:  # noqa: PLR2004 - one pair
        raise UsageError(
            "shadow models come in pairs, and need the rows of training",
            subject="--shadows",
            expected=f"2 to {_MAX_SHADOWS}, with --train DATA",
            found=f"{args.shadows}{'' if args.train else ', without --train'}",
        )
    return int(args.shadows)


def _schema(path: Path | None) -> dict[str, Any]:
    from hauberk.formats.strict_json import JsonLimits, decode

    if path is None:
        return {}
    value = decode(_file(path, "--schema").read_bytes(), JsonLimits(max_bytes=1 << 20))
    if type(value) is not dict:
        raise UsageError(
            "a schema is an object",
            subject=str(path),
            expected='{"features": {"age": {"is_fixed": true}}}',
            found=type(value).__name__,
        )
    return value


def _bound(text: str) -> tuple[str, float]:
    name, mark, value = text.replace(">=", "=").partition("=")
    try:
        return name.strip(), float(value) if mark else float("x")
    except ValueError:
        raise UsageError(
            "a bound names a metric and its least value",
            subject="--require",
            expected="accuracy=0.8",
            found=text,
        ) from None


def _radii(text: str) -> tuple[float, ...]:
    try:
        radii = tuple(float(part) for part in text.split(",") if part)
    except ValueError:
        radii = (-1.0,)
    if any(not 0 < radius < float("inf") for radius in radii):
        raise UsageError("radii are positive numbers", subject="--eps", expected=_EPS, found=text)
    return radii


def exit_code(request: Request, result: Result) -> int:
    """1 for what is proven, 3 for what was asked for and could not be assessed, else 0."""
    from hauberk.core.finding import Level, Outcome

    defects = [
        finding
        for assessment in result.assessments
        for finding in assessment.findings
        if finding.level is Level.DEFECT
    ]
    if defects or result.unkept:
        return 1
    if any(item.outcome is Outcome.FAILED for item in result.assessments):
        return 3
    asked = {
        "membership inference": request.train is not None,
        "robustness": bool(request.eps),
        "fairness": bool(request.data.sensitive),
    }
    return 3 if any(asked.get(name, False) for name in result.reasons) else 0


# Text --------------------------------------------------------------------------------


def _lines(result: Result) -> Iterator[str]:
    from hauberk.core.finding import Outcome

    kinds = f"{len(result.classes)} classes" if result.classes else "a number"
    yield f"{result.n_rows} rows, the model gives {kinds}"
    yield f"  rows {result.seal}"
    for name, value in result.metrics.items():
        bounds = result.accuracy if name == "accuracy" else None
        shown = f" [{bounds[0]:.4f}, {bounds[1]:.4f}]" if bounds else ""
        yield f"  {name:<22}{value:.4f}{shown}"
    for part in (_robustness, _triggers, _fairness, _memory):
        yield from ("", *part(result))
    yield ""
    for assessment in result.assessments:
        for finding in assessment.findings:
            yield f"{finding.severity.value.upper():<9} {finding.message}"
            yield f"       -> {finding.remedy}"
        if assessment.outcome is Outcome.FAILED:
            yield f"NOT JUDGED {assessment.control}: {assessment.reason}"
    yield from (f"BROKEN    {sentence}" for sentence in result.unkept)


def _robustness(result: Result) -> Iterator[str]:
    yield "Robustness: share of rows that stay right when a search moves their features"
    found = result.robustness
    if not found.points:
        yield f"  not assessed: {result.reasons.get('robustness', '')}"
        return
    for point in found.points:
        bounds = f"[{point.low:.3f}, {point.high:.3f}]"
        bar = "#" * round(30 * point.share)
        yield f"  within {point.radius:<6g} spreads   {point.share:.3f} {bounds}  {bar}"
    asked = sum(forward for _, forward, _ in found.passes.values())
    hidden = {True: "hidden", False: "not hidden", None: "not known"}[found.hides_gradients]
    yield f"  by {', '.join(found.passes)}; gradients {hidden}"
    yield (
        f"  an upper bound, over {len(found.movable)} features that may move; "
        f"{asked} rows scored, {found.cpu_s:.1f} CPU-seconds"
    )


def _triggers(result: Result) -> Iterator[str]:
    yield "Triggers: a class that a far smaller change reaches than any other"
    found = result.triggers.signs
    if found is None:
        yield f"  not assessed: {result.triggers.reason}"
        return
    name = result.classes[found.target]
    ratio, gap = found.scores
    yield (
        f"  nearest to one is {name!r}: a mask {math.exp(ratio):.1f} times smaller than the median "
        f"class's, one faint change takes {gap:+.0%} more rows than for the next class"
    )


def _fairness(result: Result) -> Iterator[str]:
    from hauberk.methods.fairness import Verdict

    yield "Fairness: each group against everybody else"
    if "fairness" in result.reasons:
        yield f"  not assessed: {result.reasons['fairness']}"
        return
    counts = {
        verdict: sum(item.verdict is verdict for item in result.differences) for verdict in Verdict
    }
    yield "  " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    ranked = sorted(
        (item for item in result.differences if item.verdict is not Verdict.FAIR),
        key=lambda item: (item.verdict is Verdict.UNDECIDED, -abs(item.value)),
    )
    for item in ranked[:_SHOWN]:
        group = f"{item.column}={item.group}"[:_GROUP_COLUMN]
        more = f"; about {item.n_more} more rows would tell" if item.n_more else ""
        yield (
            f"  {group:<{_GROUP_COLUMN}} {item.rate:<15} {item.given}: {item.value:+.3f} "
            f"[{item.low:+.3f}, {item.high:+.3f}] {item.verdict}{more}"
        )
    if len(ranked) > _SHOWN:
        yield f"  and {len(ranked) - _SHOWN} more; --format json lists all"


def _memory(result: Result) -> Iterator[str]:
    yield "Membership inference: training rows that the model's confidence gives away"
    if result.leak is None:
        yield f"  not assessed: {result.reasons.get('membership inference', '')}"
        return
    leak = result.leak
    yield (
        f"  {leak.rate:.1%} of {leak.n_members} [{leak.low:.1%}, {leak.high:.1%}] at no more than "
        f"{leak.false_rate:.2%} of {leak.n_others} other rows; by confidence alone, without "
        "shadow models"
    )
    yield from _shadowed(result)


def _shadowed(result: Result) -> Iterator[str]:
    found = result.exposed.found
    if found is None:
        yield f"  with shadow models: {result.exposed.reason} (--shadows 4 asks for it)"
        return
    for one in found.rates:
        yield (
            f"  {one.rate:.1%} [{one.low:.1%}, {one.high:.1%}] at {one.false_rate:.1%} false "
            f"positives by {found.n_shadows} shadow models, {found.cost_s:.1f} CPU-seconds"
        )
    worst = ", ".join(f"{row} ({ratio:.2f})" for row, ratio in result.exposed.rows[:_SHOWN])
    yield f"  most exposed rows of the training data: {worst}"


# JSON --------------------------------------------------------------------------------


def _document(request: Request, result: Result, code: int) -> dict[str, Any]:
    from hauberk.core.codec import to_json
    from hauberk.report.scan import scan_document

    scan = scan_document(_scanned(result, code))
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
        },
        "triggers": None
        if result.triggers.signs is None
        else {
            "class": result.classes[result.triggers.signs.target],
            "masks": result.triggers.signs.masks.tolist(),
            "taken": result.triggers.signs.taken.tolist(),
            "rows": result.triggers.n_rows,
        },
        "fairness": [to_json(item) for item in result.differences],
        "membership": None
        if leak is None
        else {
            "rate": leak.rate,
            "interval": [leak.low, leak.high],
            "false_rate": leak.false_rate,
            "members": leak.n_members,
            "others": leak.n_others,
        },
        "shadows": _shadow_document(result),
        "not_assessed": dict(result.reasons),
    }


def _shadow_document(result: Result) -> dict[str, Any] | None:
    found = result.exposed.found
    if found is None:
        return None
    return {
        "shadows": found.n_shadows,
        "auc": found.auc,
        "cost_s": round(found.cost_s, 3),
        "rates": [
            {"false_rate": one.false_rate, "rate": one.rate, "interval": [one.low, one.high]}
            for one in found.rates
        ],
        "exposed": [{"row": row, "ratio": ratio} for row, ratio in result.exposed.rows],
    }
