"""Decide what of a feedback stream a model may learn from, and whether the update is adopted.

Rows later than --until are held back; rows of accounts that push one class together are held;
an account counts for two median accounts at most. With --trusted and --canaries the update is
tried: a plain model learns the trusted rows, and those with the feedback that is left; where
canaries are then answered worse beyond chance, or a share of one class moves to another, the
update is refused and nothing is written.

Exit codes: 0 adopted, 1 accounts push together or the update is refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.errors import UsageError

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset

HELP = "decide what of a feedback stream a model may learn from"
EXAMPLE = (
    "hauberk data feedback votes.csv --label said --account user --trusted train.csv "
    "--canaries canaries.csv --output admitted.csv"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, metavar="FEEDBACK")
    parser.add_argument("--label", required=True, metavar="COL", help="what accounts said")
    parser.add_argument("--account", required=True, metavar="COL", help="who said it")
    parser.add_argument("--time", metavar="COL", help="when; with --until")
    parser.add_argument(
        "--until", metavar="TIME", help="hold back what came later, as it is written"
    )
    parser.add_argument("--trusted", type=Path, metavar="FILE", help="rows learnt from so far")
    parser.add_argument("--canaries", type=Path, metavar="FILE", help="rows whose truth is known")
    parser.add_argument("--output", type=Path, metavar="PATH", help="rows that may be learnt from")
    parser.add_argument("--held", type=Path, metavar="PATH", help="default: OUTPUT with .held")
    parser.add_argument("--arrays", metavar="X=NAME,y=NAME", default="", help="arrays of npz files")


def run(args: argparse.Namespace) -> int:
    """Judge the accounts, try the update, write what is admitted."""
    import numpy as np

    from hauberk.core.control import NotApplicable
    from hauberk.methods.feedback import judged, within_cap

    _check(args)
    feedback = _open(args, args.path, annotator=args.account)
    try:
        stream = judged(feedback, args.account)
    except NotApplicable as error:
        raise UsageError(
            "this feedback cannot be judged",
            subject=str(args.path),
            expected="classes given by at least three accounts to forty rows",
            found=str(error),
        ) from error
    late = _late(feedback, args)
    capped = ~within_cap(np.where(stream.blamed, "", stream.people)) & ~stream.blamed
    kept = ~stream.blamed & ~late & ~capped
    print(f"{kept.size} rows of {len(stream.found.names)} accounts")
    for group in stream.groups:
        names = ", ".join(stream.found.names[account] for account in group.accounts[:5])
        print(
            f"  {len(group.accounts)} accounts push {stream.found.classes[group.target]} together: "
            f"{names}"
        )
    print(
        f"  held: {int(stream.blamed.sum())} of these accounts, {int((capped & ~late).sum())} "
        f"beyond an account's share, {int((late & ~stream.blamed).sum())} too new"
    )
    refused = _refused(args, feedback, kept)
    if not refused and args.output is not None:
        _write(args, feedback, kept)
    return 1 if refused or stream.groups else 0


def _check(args: argparse.Namespace) -> None:
    from hauberk.cli._data_quarantine import check_free

    for one, other in (("time", "until"), ("trusted", "canaries")):
        if (getattr(args, one) is None) != (getattr(args, other) is None):
            raise UsageError(
                f"--{one} and --{other} go together", expected="both or none", found="one"
            )
    if args.output is not None:
        args.held = args.held or args.output.with_name(
            f"{args.output.stem}.held{args.output.suffix}"
        )
        check_free(args.output, args.held)


def _open(args: argparse.Namespace, path: Path, annotator: str | None = None) -> Dataset:
    from hauberk.cli.scan import arrays
    from hauberk.scanner.data_sources import open_data
    from hauberk.scanner.options import ScanOptions

    options = ScanOptions(label=args.label, annotator=annotator, arrays=arrays(args.arrays))
    return open_data(path, options)


def _late(feedback: Dataset, args: argparse.Namespace) -> Any:
    """Whether each row came after --until; one without a time did."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    until = None
    found = []
    for batch in feedback.read():
        if args.until is None:
            found.append(np.zeros(batch.num_rows, bool))
            continue
        if args.time not in {column.name for column in feedback.columns}:
            raise UsageError("there is no such column", subject="--time", found=args.time)
        cells = batch.column(args.time)
        try:
            until = pa.scalar(args.until).cast(cells.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UsageError(
                "--until is no value of the column of times",
                subject="--until",
                expected=str(cells.type),
                found=args.until[:100],
            ) from error
        found.append(pc.fill_null(pc.greater(cells, until), True).to_numpy(zero_copy_only=False))
    return np.concatenate(found) if found else np.zeros(0, bool)


def _refused(args: argparse.Namespace, feedback: Dataset, kept: Any) -> bool:
    from hauberk.methods.feedback import gate

    if args.canaries is None:
        print("  the update was not tried: name --trusted and --canaries")
        return False
    trial = gate(_open(args, args.trusted), feedback, kept, _open(args, args.canaries))
    print(f"  canaries: {trial.before:.1%} right before, {trial.after:.1%} after")
    if trial.refused:
        print(f"REFUSED: {trial.refused} ({trial.moved:.0%} of it)" if trial.moved else "REFUSED")
    return bool(trial.refused)


def _write(args: argparse.Namespace, feedback: Dataset, kept: Any) -> None:
    import numpy as np

    from hauberk.scanner.quarantine import Decision, apply

    name = str(args.path)
    held = {
        int(row): Decision(
            path=name, row=int(row), row_id="", control="feedback", score=1.0, reason=""
        )
        for row in np.flatnonzero(~kept)
    }
    applied = apply(feedback, held, args.output, args.held)
    print(f"  {applied.rows_kept} kept in {args.output}, {applied.rows_held} held in {args.held}")
