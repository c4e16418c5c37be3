"""Test whether somebody's model was trained on a data set of yours. Experimental.

The suspect is asked about rows of the set and about rows of the same draw that nobody was given.
It is loaded in an isolated worker that reaches nothing but the files named here.

Exit codes: 0 nothing speaks for it, 1 the model knows the rows, 2 usage, 3 it cannot be told.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.cli import _allowing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hauberk.controls.model.copied_set import CopiedSet
    from hauberk.core.artifact import Dataset, Evaluation
    from hauberk.core.finding import Assessment, Finding
    from hauberk.methods.ownership import Sureness

HELP = "test whether a model was trained on a set of yours (experimental)"
EXAMPLE = "hauberk data claim rival.joblib --set loans.csv --held-back kept.csv --label approve"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=Path, metavar="SUSPECT", help="ONNX, pickle or joblib file")
    parser.add_argument("--set", type=Path, required=True, metavar="DATA", help="what was copied")
    parser.add_argument(
        "--held-back",
        type=Path,
        required=True,
        metavar="DATA",
        help="rows of the same draw that nobody was given",
    )
    parser.add_argument("--label", required=True, metavar="COL", help="column that is predicted")
    parser.add_argument(
        "--features", metavar="COLS", default="", help="order of columns in a graph of one tensor"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    _allowing.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the suspect, and say what its answers give away."""
    from hauberk.controls.model.copied_set import CopiedSet
    from hauberk.core.finding import Outcome
    from hauberk.engine.assess import judged

    control, path = CopiedSet(), str(args.model)
    kept: list[Sureness] = []
    evaluation = _asked(args)

    def work() -> Iterable[Finding]:
        kept.append(control.told(evaluation))
        return control.judged(path, kept[0])

    assessment = judged(control, path, work, subject=evaluation)
    is_told = bool(kept) and assessment.outcome is not Outcome.FAILED
    code = 3 if not is_told else 1 if assessment.findings else 0
    numbers = _numbers(kept[0]) if is_told else None
    if args.format == "json":
        print(json.dumps(_document(assessment, numbers, code), indent=2))
    else:
        print("\n".join(_lines(control, assessment, numbers)))
    return code


def _asked(args: argparse.Namespace) -> Evaluation:
    from hauberk.lifecycle.evaluator import Request, answered

    return answered(
        Request(
            model=_file(args.model, "SUSPECT"),
            data=_table(args.held_back, args.label, "--held-back"),
            data_path=args.held_back,
            train=_table(args.set, args.label, "--set"),
            train_path=args.set,
            features=tuple(name for name in args.features.split(",") if name),
            allow=_allowing.entries(args),
        )
    )


def _table(path: Path, label: str, option: str) -> Dataset:
    from hauberk.formats.tables import open_table

    return open_table(_file(path, option), label=label)


def _file(path: Path, subject: str) -> Path:
    from hauberk.errors import UsageError

    if not path.is_file():
        raise UsageError(
            "there is no such file", subject=subject, expected="a file", found=str(path)
        )
    return path


def _numbers(told: Sureness) -> dict[str, Any]:
    return {
        "p_value": told.p_value,
        "surer": told.surer,
        "rows": len(told.own),
        "held_back": len(told.held_back),
        "left_out": told.n_shared,
    }


def _document(assessment: Assessment, numbers: dict[str, Any] | None, code: int) -> Any:
    from hauberk.core.codec import to_json

    return {
        "schema": 1,
        "exit_code": code,
        "experimental": True,
        "test": numbers,
        "assessment": to_json(assessment),
    }


def _lines(control: CopiedSet, assessment: Assessment, numbers: dict[str, Any] | None) -> list[str]:
    if numbers is None:
        return [f"cannot be told: {assessment.reason}"]
    lines = [
        f"{numbers['rows']:,} rows of the set, {numbers['held_back']:,} held back",
        f"  surer of a row of the set in {numbers['surer']:.1%} of pairs (by chance 50 %)",
        f"  p-value {numbers['p_value']:.2g}; from {control.max_p:g} down it is a finding",
    ]
    if numbers["left_out"]:
        lines.append(f"  left out: {numbers['left_out']:,} held-back rows that the set has too")
    lines += [finding.message for finding in assessment.findings]
    lines += [f"  next: {finding.remedy}" for finding in assessment.findings]
    if not assessment.findings:
        lines.append("nothing says that the model was trained on the set; that proves no innocence")
    lines.append("experimental: true only if the rows held back are a random draw of the same rows")
    return lines
