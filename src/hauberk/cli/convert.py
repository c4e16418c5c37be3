"""Write a model in a format without code, and compare its predictions with the original's.

The ending of OUT names the format: .safetensors for state dictionaries of torch, which are
copied without being unpickled; .onnx or .skops for estimators in pickle or joblib files,
which are loaded in an isolated worker. What is dangerous is refused before anything is
loaded; names that nobody has reviewed want --allow with an owner and a reason.

Exit codes: 0 written, 1 refused or predictions differ, 2 usage, 3 could not be done here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hauberk.cli import _allowing

HELP = "write a model in a format without code, and compare predictions"
EXAMPLE = "hauberk convert model.joblib model.onnx --rows data/test.csv --label approve"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="IN", type=Path)
    parser.add_argument("target", metavar="OUT", type=Path)
    parser.add_argument(
        *("--rows", "--data"), dest="rows", metavar="FILE", type=Path, help="table to compare on"
    )
    parser.add_argument("--label", metavar="COL", help="column of the table that is no feature")
    parser.add_argument("--tolerance", metavar="X", type=float, default=1e-4)
    parser.add_argument("--python", metavar="FILE", help="interpreter with the model's library")
    _allowing.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Convert, compare, write."""
    import sys

    from hauberk.lifecycle.conversion import convert

    done = convert(
        args.source,
        args.target,
        rows=args.rows,
        label=args.label,
        allow=_allowing.entries(args),
        tolerance=args.tolerance,
        python=args.python or sys.executable,
    )
    agreed = "byte for byte" if done.unit == "tensors" else f"within {done.difference:.2g}"
    print(f"wrote {args.target}: {done.compared} {done.unit} compared, {agreed}")
    if done.left_out:
        print(f"  left out   {done.left_out} values that are no tensors")
    print(f"  from       sha256:{done.source_sha256}\n  to         sha256:{done.sha256}")
    return 0
