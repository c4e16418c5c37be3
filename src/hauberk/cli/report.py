"""Write a run as one HTML page, on the terminal, as a bill of materials, or as provenance.

The page stands for itself: it loads nothing, runs nothing and can be sent to anybody. It
only shows what the run recorded; `hauberk verify` checks it. The bill of materials is
CycloneDX 1.6 with a model card: models, data and packages with their digests. The provenance is
the run's own signed statements, SLSA Provenance v1 in DSSE envelopes, one to a line, as other
tools read them.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hauberk.core.record import RunRecord
from hauberk.errors import ArtifactError, UnavailableError, UsageError
from hauberk.report.provenance_file import signed_provenance
from hauberk.report.record_file import FILE_NAME, MAX_BYTES, decode

HELP = "write a run as one HTML page"
EXAMPLE = "hauberk report latest --project examples/loans --output loans.html"

_LATEST = "latest"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what",
        nargs="?",
        default=_LATEST,
        metavar="PROJECT|RUN",
        help="the project's folder, the id of a run, or latest (default)",
    )
    parser.add_argument("--project", type=Path, metavar="DIR", help="the project's folder")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write; - is the terminal; beside the record by default",
    )
    parser.add_argument("--format", choices=("html", "text", "bom", "slsa"), default="html")
    for name, text in (("bom", "the bill of materials"), ("slsa", "the signed provenance")):
        parser.add_argument(
            f"--{name}",
            dest="format",
            action="store_const",
            const=name,
            default=argparse.SUPPRESS,
            help=f"{text}; short for --format {name}",
        )
    parser.add_argument(
        "--open", choices=("yes", "no"), default="no", help="show the page in the browser"
    )


def run(args: argparse.Namespace) -> int:
    """Write the page and say where; 0 whatever the run came to."""
    from hauberk.report import summary_text

    is_folder = args.project is None and Path(args.what).is_dir()
    project = Path(args.what) if is_folder else args.project or Path()
    folder, record = _find(project, _LATEST if is_folder else args.what)
    if args.format == "text":
        text = summary_text(record, colour=args.output is None and _colours())
        _write(args.output or "-", text)
        return 0
    output = args.output or str(folder / _NAMES[args.format])
    _write(output, _text(args.format, record))
    if output != "-":
        print(output)
        _show(output, wanted=args.open == "yes" and args.format == "html")
    return 0


_NAMES = {"html": "report.html", "bom": "bom.cdx.json", "slsa": "provenance.intoto.jsonl"}


def _text(kind: str, record: RunRecord) -> str:
    from hauberk.report import bill_of_materials, html

    if kind == "slsa":
        return signed_provenance(record)
    return bill_of_materials(record) if kind == "bom" else html(record)


def _colours() -> bool:
    from hauberk.cli.words import colour

    return colour()


def _find(project: Path, name: str) -> tuple[Path, RunRecord]:
    """The folder and the record of a run.

    Raises:
        UsageError: There is no such run, or none at all.
        ArtifactError: Its record cannot be read.
    """
    runs = project / ".hauberk" / "runs"
    known = {path.parent.name: path for path in sorted(runs.glob(f"*/{FILE_NAME}"))}
    if not known:
        raise UsageError(
            "there is no run to report on",
            subject=str(runs),
            expected=f"a folder for each run with {FILE_NAME}",
            found="none",
            hint="hauberk run makes one; --project names another folder",
        )
    if name == _LATEST:
        return _latest(known)
    if name not in known:
        raise UsageError(
            "there is no such run",
            subject=name,
            expected=f"{_LATEST} or one of: {', '.join(sorted(known)[-5:])}",
            found=name,
        )
    return known[name].parent, _read(known[name])


def _latest(known: dict[str, Path]) -> tuple[Path, RunRecord]:
    """The run that started last; an unreadable one is named, not passed over in silence."""
    readable: list[tuple[float, Path, RunRecord]] = []
    problem: ArtifactError | UnavailableError | None = None
    for path in known.values():
        try:
            record = _read(path)
        except (ArtifactError, UnavailableError) as error:
            problem = error
            print(f"hauberk: not considered: {error}", file=sys.stderr)
        else:
            readable.append((record.started, path.parent, record))
    if not readable and problem is not None:
        raise problem
    _, folder, record = max(readable, key=lambda entry: entry[:2])
    return folder, record


def _read(path: Path) -> RunRecord:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnavailableError(
            "a run's record cannot be read", subject=str(path), found=str(error)
        ) from error
    try:
        return decode(data)
    except ArtifactError as error:
        error.subject = str(path)
        raise


def _write(output: str, text: str) -> None:
    if output == "-":
        sys.stdout.write(text)
        return
    path = Path(output)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(
            "the page cannot be written",
            subject=output,
            expected="a file in a folder that exists and may be written",
            found=error.strerror or str(error),
        ) from error


def _show(output: str, *, wanted: bool) -> None:
    if wanted:
        import webbrowser

        webbrowser.open(Path(output).resolve().as_uri())
