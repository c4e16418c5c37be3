"""Look after the updates of federated training: test, protect and merge them.

check tries, on the client, to read the client's own rows off an update before it is sent, as
the server would. protect clips the gradient of each row, adds noise and says what a whole run
gives away at most. merge joins updates so that a few malicious clients count little. Files are npz
archives of arrays; in files for protect each array has one more dimension, the rows.

Exit codes: 0 nothing was read, 1 rows were read, 2 usage, 3 nothing could be judged.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

HELP = "test, protect and merge updates of federated training"
EXAMPLE = "hauberk federated check update.npz --rows batch.npz"

_MAX_BYTES = 1 << 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    check = deeds.add_parser("check", help="try to read the client's rows off its update")
    check.add_argument("update", type=Path, metavar="UPDATE.npz")
    check.add_argument("--rows", type=Path, required=True, metavar="ROWS.npz", help="array X")
    protect = deeds.add_parser("protect", help="clip the gradient of each row, and add noise")
    protect.add_argument("gradients", type=Path, metavar="PER_ROW.npz")
    protect.add_argument("--clip", type=float, default=1.0)
    protect.add_argument("--noise", type=float, default=1.0, help="in units of the clip")
    protect.add_argument("--rows-in-all", type=int, metavar="N", help="for the accountant")
    protect.add_argument("--updates", type=int, metavar="N", help="for the accountant")
    protect.add_argument("--delta", type=float, default=1e-5)
    protect.add_argument("--output", type=Path, required=True, metavar="UPDATE.npz")
    merge = deeds.add_parser("merge", help="join updates of several clients")
    merge.add_argument("updates", type=Path, nargs="+", metavar="UPDATE.npz")
    merge.add_argument("--how", choices=("median", "trimmed"), default="median")
    merge.add_argument("--clip", type=float, help="largest norm; default: the median of all")
    merge.add_argument("--output", type=Path, required=True, metavar="MERGED.npz")


def run(args: argparse.Namespace) -> int:
    """Do one of the three."""
    return {"check": _check, "protect": _protect, "merge": _merge}[args.deed](args)


def _check(args: argparse.Namespace) -> int:
    from hauberk.controls.model.leaky_update import LeakyUpdate
    from hauberk.core.artifact import ClientUpdate
    from hauberk.core.finding import Outcome
    from hauberk.engine import assess

    rows = _arrays(args.rows)
    subject = ClientUpdate(
        name=str(args.update),
        parts=_arrays(args.update),
        rows=rows.get("X", next(iter(rows.values()))),
    )
    judged = assess(LeakyUpdate(), subject)
    if judged.outcome is Outcome.CLEAN:
        sys.stdout.write(f"{args.update}: none of {len(subject.rows)} rows could be read off it\n")
        sys.stdout.write("the closed form only; an update without noise is not private\n")
        return 0
    sys.stdout.write(f"{judged.outcome.value}: {judged.reason}\n")
    for finding in judged.findings:
        sys.stdout.write(f"next: {finding.remedy}\n")
    return 1 if judged.outcome is Outcome.FLAGGED else 3


def _protect(args: argparse.Namespace) -> int:
    import secrets

    import numpy as np

    from hauberk.errors import UsageError
    from hauberk.methods.federated import epsilon, protected

    stacked = _arrays(args.gradients)
    counts = {len(part) for part in stacked.values() if part.ndim}
    if len(counts) != 1:
        raise UsageError(
            "each array must have one entry for each row",
            subject=str(args.gradients),
            expected="arrays of the same length",
            found=str(sorted(counts)),
        )
    n_rows = counts.pop()
    single = [{name: part[row] for name, part in stacked.items()} for row in range(n_rows)]
    rng = np.random.default_rng(secrets.randbits(256))
    _write(args.output, protected(single, clip=args.clip, noise=args.noise, rng=rng))
    sys.stdout.write(f"{args.output}: {n_rows} rows, clip {args.clip:g}, noise {args.noise:g}\n")
    if args.rows_in_all and args.updates:
        share = min(1.0, n_rows / args.rows_in_all)
        spent = epsilon(noise=args.noise, share=share, steps=args.updates, delta=args.delta)
        sys.stdout.write(
            f"{args.updates} such updates: epsilon {spent:.2f} at delta {args.delta:g}, "
            "for batches that take each row by its own chance\n"
        )
    return 0


def _merge(args: argparse.Namespace) -> int:
    from hauberk.methods.federated import heterogeneity, merged, norms

    updates = [_arrays(path) for path in args.updates]
    _write(args.output, merged(updates, clip=args.clip, how=args.how))
    told = ", ".join(f"{norm:.3g}" for norm in norms(updates))
    sys.stdout.write(f"{args.output}: {args.how} of {len(updates)} updates, norms {told}\n")
    sys.stdout.write(f"heterogeneity {heterogeneity(updates):.3g}: large values cost accuracy\n")
    return 0


def _arrays(path: Path) -> Mapping[str, Any]:
    """Arrays of an npz file; nothing in it is unpickled.

    Raises:
        ArtifactError: It is none, or unpacks to too much.
        UsageError: There is no such file.
    """
    import zipfile

    import numpy as np

    from hauberk.errors import UsageError

    if not path.is_file():
        raise UsageError("there is no such file", subject=str(path), expected="an npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size <= _MAX_BYTES:
            with np.load(path, allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
                if arrays:
                    return arrays
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise _no_arrays(path, str(error)[:100]) from error
    raise _no_arrays(path, f"{size} bytes unpacked")


def _no_arrays(path: Path, found: str) -> Exception:
    from hauberk.errors import ArtifactError

    return ArtifactError(
        "not a file of arrays",
        subject=str(path),
        expected=f"an npz archive of plain arrays, at most {_MAX_BYTES} bytes",
        found=found,
    )


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    import numpy as np

    with path.open("wb") as file:
        np.savez(file, **arrays)
