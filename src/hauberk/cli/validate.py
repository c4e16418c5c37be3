"""Judge a model on rows of yours: scores, robustness, groups of people, what it remembers.

The model is loaded in an isolated worker that can reach nothing but the files named here.
Metrics are computed from its scores by code that shares nothing with the project's own.

Exit codes: 0 nothing found, 1 a bound is broken or a defect is proven, 2 usage, 3 something
that was asked for could not be assessed (and nothing worse).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.cli import _allowing
from hauberk.cli.words import seconds_of, share_of
from hauberk.errors import ArtifactError, TrustError, UsageError

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.lifecycle.evaluator import Request, Result
    from hauberk.report import ScanResult

HELP = "judge a model: scores, robustness, fairness, what it remembers"
EXAMPLE = "hauberk validate model.joblib --data test.csv --label approve --sensitive sex"

_EPS = "0.05,0.1,0.25,0.5"
_MAX_SHADOWS = 64
_MAX_LEVELS = 65_536
_TABLES = {".csv", ".tsv", ".parquet", ".arrow", ".feather", ".jsonl"}
_LEAST_DRAWS, _MOST_DRAWS = 100, 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="ONNX, TorchScript, torch.export, XGBoost, LightGBM, pickle, joblib or skops file",
    )
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
        "--max-cost",
        type=seconds_of,
        metavar="SECONDS",
        help="with --shadows: train none where they are forecast to cost more processor seconds "
        "(default 600); 0 tells the forecast alone",
    )
    parser.add_argument(
        "--shadow-recipe",
        type=Path,
        metavar="FILE",
        help="JSON of how shadows are trained where the model's file does not keep it: epochs, "
        "learning_rate, batch, optimizer of networks; rounds, eta, max_depth ... of boosters",
    )
    parser.add_argument(
        "--no-triggers", action="store_true", help="do not search a network for a planted trigger"
    )
    parser.add_argument(
        "--no-data-controls",
        action="store_true",
        help="with --train: do not judge its rows as hauberk scan does",
    )
    parser.add_argument(
        "--previous", type=Path, metavar="MODEL", help="the version before: was this one edited?"
    )
    parser.add_argument(
        "--property",
        metavar="COL=VALUE",
        help="with --train: audit whether answers tell this group's share; costs 64 trainings",
    )
    parser.add_argument("--norm", choices=("linf", "l2"), default="linf")
    parser.add_argument(
        "--schema",
        type=Path,
        metavar="FILE",
        help="JSON of what features may do: fixed, whole, monotone, ranges, one-hot",
    )
    parser.add_argument(
        "--remedy",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="squeeze=16, adversarial, cleanse, reweighing, thresholds, private=EPSILON: what it "
        "would change, before and after; all but the first need --train; may be repeated",
    )
    parser.add_argument(
        "--identifiers",
        metavar="COLS",
        default="",
        help="columns that name somebody and must not decide: each value is tried on rows of all "
        "classes",
    )
    parser.add_argument(
        "--certify",
        type=int,
        default=0,
        metavar="DRAWS",
        help="prove radii by randomised smoothing, so many noisy answers a row (1000 do); single "
        "trees and linear models have exact ones without it",
    )
    parser.add_argument(
        "--shape",
        default="",
        metavar="SIZES",
        help="of one row, for a program of torch that takes pictures: 3,32,32",
    )
    parser.add_argument(
        "--python", default="", metavar="FILE", help="interpreter with the model's library"
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
    from hauberk.cli.words import working
    from hauberk.lifecycle.evaluator import evaluate

    request = _request(args)
    try:
        with working("judging the model"):
            result = evaluate(request)
        if not args.no_data_controls:
            with working("judging the training rows"):
                result = _with_training(request, result)
    except (ArtifactError, TrustError) as error:
        if args.format == "json":  # a program that reads it gets the refusal, too
            from hauberk.cli._validate_json import refusal

            _write(args, json.dumps(refusal(request, error), indent=2) + "\n")
        raise
    code = exit_code(request, result)
    if args.attest is not None:
        _attest(args, request, result, code)
    if args.format == "json":
        from hauberk.cli._validate_json import document

        text = json.dumps(document(request, _scanned(result, code), result), indent=2) + "\n"
    elif args.format == "html":
        text = _page(request, result, code)
    else:
        from hauberk.cli._validate_text import lines

        text = "\n".join(lines(result)) + "\n"
    _write(args, text)
    return code


def _with_training(request: Request, result: Result) -> Result:
    from dataclasses import replace

    from hauberk.cli._validate_training import training

    found, reason = training(request)
    return replace(result, training=found, training_reason=reason)


def _write(args: argparse.Namespace, text: str) -> None:
    if args.output is None:
        sys.stdout.write(text)
    else:
        args.output.write_text(text, "utf-8")


def _page(request: Request, result: Result, code: int) -> str:
    from hauberk.lifecycle.examination_report import sections, sentences
    from hauberk.report.examination_page import examination_html

    said = tuple(sentences(result))
    return examination_html(request.model.name, _scanned(result, code), sections(result), said)


def _scanned(result: Result, code: int) -> ScanResult:
    from hauberk.report import ScanResult

    every = (*result.assessments, *result.training)
    return ScanResult(
        findings=tuple(item for part in every for item in part.findings),
        assessments=every,
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
    _refuse_exchanged(args.model, args.data)
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
        max_cost_s=args.max_cost,
        recipe=_recipe(args),
        previous=None if args.previous is None else _file(args.previous, "--previous"),
        group=_group(args),
        sealed=args.sealed,
        schema=_schema(args.schema),
        features=tuple(name for name in args.features.split(",") if name),
        tolerance=args.tolerance,
        seed=args.seed,
        allow=_allowing.entries(args),
        shape=_sizes(args.shape),
        certify=_draws(args.certify),
        identifiers=tuple(name for name in args.identifiers.split(",") if name),
        remedies=tuple(map(_remedy, args.remedy)),
        python=args.python and str(_file(Path(args.python).absolute(), "--python")),
    )


def _refuse_exchanged(model: Path, data: Path) -> None:
    """Say so where a table stands in the model's place.

    Raises:
        UsageError: It does.
    """
    if model.suffix.lower() in _TABLES and model.is_file():
        raise UsageError(
            "the model is a table",
            subject=str(model),
            expected="a model file as the first argument, and the rows after --data",
            found=f"{model.name}, and {data.name} as the rows",
            hint="were the two exchanged?",
        )


def _file(path: Path, subject: str) -> Path:
    if not path.is_file():
        raise UsageError(
            "there is no such file",
            subject=str(path),
            expected=f"a file, for {subject}",
            found="a folder" if path.is_dir() else "nothing",
            hint="look at the path; a relative one is taken from where you are",
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


def _recipe(args: argparse.Namespace) -> dict[str, Any]:
    from hauberk.formats.strict_json import JsonLimits, decode

    if args.shadow_recipe is None:
        return {}
    path = _file(args.shadow_recipe, "--shadow-recipe")
    value = decode(path.read_bytes(), JsonLimits(max_bytes=1 << 16))
    if type(value) is not dict or any(type(one) not in (int, float, str) for one in value.values()):
        raise UsageError(
            "a recipe is an object of numbers and words",
            subject=str(path),
            expected='{"epochs": 50, "learning_rate": 0.001}',
            found=type(value).__name__,
        )
    if not (args.shadows or args.property):
        raise UsageError(
            "a recipe is for shadow models",
            subject="--shadow-recipe",
            expected="--shadows N or --property COL=VALUE beside it",
            found="neither",
        )
    return value


def _group(args: argparse.Namespace) -> tuple[str, str] | None:
    if args.property is None:
        return None
    column, mark, value = args.property.partition("=")
    if not mark or not column or args.train is None:
        raise UsageError(
            "a group is a value of a column of the training rows",
            subject="--property",
            expected="COL=VALUE, with --train DATA",
            found=f"{args.property}{'' if args.train else ', without --train'}",
        )
    return column, value


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


def _draws(n_draws: int) -> int:
    if n_draws and not _LEAST_DRAWS <= n_draws <= _MOST_DRAWS:
        raise UsageError(
            "a proof by noise takes many answers",
            subject="--certify",
            expected=f"{_LEAST_DRAWS} to {_MOST_DRAWS}",
            found=str(n_draws),
        )
    return n_draws


def _remedy(text: str) -> tuple[str, str]:
    from hauberk.lifecycle.remedying import REMEDIES

    name, _, value = text.partition("=")
    fits = {
        "squeeze": lambda: 2 <= _count(value) <= _MAX_LEVELS,  # noqa: PLR2004 - two levels
        "private": lambda: _bound(f"private={value}")[1] > 0,
    }
    if name not in REMEDIES or (value and not fits.get(name, lambda: True)()):
        raise UsageError(
            "there is no such remedy",
            subject="--remedy",
            expected=f"{', '.join(REMEDIES)}; squeeze=2 to {_MAX_LEVELS} levels",
            found=text,
        )
    return name, value


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


def _sizes(text: str) -> tuple[int, ...]:
    parts = [part for part in text.replace("x", ",").split(",") if part]
    if not all(part.isascii() and part.isdecimal() and int(part) for part in parts):
        raise UsageError(
            "a shape is sizes with commas", subject="--shape", expected="3,32,32", found=text
        )
    return tuple(map(int, parts))


def exit_code(request: Request, result: Result) -> int:
    """1 for what is proven, 3 for what was asked for and could not be assessed, else 0.

    Findings of the training rows count from high on, as `hauberk scan` counts them.
    """
    from hauberk.core.finding import Level, Outcome, Severity

    defects = [
        finding
        for parts, least in ((result.assessments, Severity.LOW), (result.training, Severity.HIGH))
        for assessment in parts
        for finding in assessment.findings
        if finding.level is Level.DEFECT and finding.severity.rank >= least.rank
    ]
    if defects or result.unkept:
        return 1
    if any(item.outcome is Outcome.FAILED for item in (*result.assessments, *result.training)):
        return 3
    asked = {
        "membership inference": request.train is not None,
        "robustness": bool(request.eps),
        "fairness": bool(request.data.sensitive),
        "version before": request.previous is not None,
        "property inference": request.group is not None,
        "labels": True,
        **{f"identifier {name}": True for name in request.identifiers},
        **{f"remedy {name}={value}".rstrip("="): True for name, value in request.remedies},
    }
    return 3 if any(asked.get(name, False) for name in result.reasons) else 0
