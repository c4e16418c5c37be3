"""Import annotations: who labelled what and when, settled by votes, gold and adjudication.

Rows on which people disagree stay open; they are written to a file in which somebody fills
the label in, and are imported again with --adjudicated. With --name the labelled table is
kept as the next signed version of that data set, so that later relabelling is a recorded
change. The control over annotators runs on the votes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hauberk.core.artifact import Dataset
    from hauberk.formats.annotations import Annotation
    from hauberk.scanner.labelling import Settled

HELP = "import labels with who gave them, settle them, and keep them as a signed version"
EXAMPLE = (
    "hauberk data label images.npz --annotations export.json --label digit --output out.parquet"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, metavar="DATA")
    parser.add_argument(
        "--annotations", type=Path, action="append", required=True, metavar="FILE", help="JSON, CSV"
    )
    parser.add_argument("--adjudicated", type=Path, metavar="FILE", help="decisions, as CSV")
    parser.add_argument("--gold", type=Path, metavar="FILE", help="known truths, as CSV")
    parser.add_argument("--label", required=True, metavar="COL", help="column to write")
    parser.add_argument("--key", metavar="COL", help="names each row; default: its number")
    parser.add_argument("--min-votes", type=int, default=1, metavar="N")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="labelled table")
    parser.add_argument("--name", metavar="NAME", help="keep as the next signed version of NAME")
    parser.add_argument("--project", default=".", metavar="DIR")
    parser.add_argument("--root", type=Path, metavar="FILE", help="root of trust with the keys")


def run(args: argparse.Namespace) -> int:
    """Settle the labels; 1 where an annotator stands out."""
    from hauberk.cli._data_quarantine import check_free
    from hauberk.formats.tables import write_table
    from hauberk.scanner.data_sources import open_data
    from hauberk.scanner.labelling import items_of, labels_of, with_labels
    from hauberk.scanner.options import ScanOptions

    check_free(args.output)
    dataset = open_data(args.path, ScanOptions())
    names = items_of(dataset, args.key)
    annotations = _annotations(args)
    settled = labels_of(names, annotations, min_votes=args.min_votes)
    write_table(with_labels(dataset, settled, args.label), args.output)
    print("\n".join(_summary(settled, annotations, args.output)))
    _write_open(args, names, settled, annotations)
    code = _judge_people(args, dataset, names, annotations)
    if args.name and not code:
        _keep(args)
    return code


def _annotations(args: argparse.Namespace) -> list[Annotation]:
    from dataclasses import replace

    from hauberk.formats.annotations import Source, read_annotations

    found = [item for path in args.annotations for item in read_annotations(path, key=args.key)]
    for path, source in ((args.gold, Source.GOLD), (args.adjudicated, Source.ADJUDICATED)):
        if path is not None:
            found += [replace(item, source=source) for item in read_annotations(path)]
    return found


def _summary(
    settled: Sequence[Settled], annotations: Sequence[Annotation], output: Path
) -> list[str]:
    from collections import Counter

    by_source = Counter(str(item.source) for item in settled)
    people = {item.annotator for item in annotations if item.source == "human"}
    assisted = sum(item.assisted for item in annotations)
    shown = ", ".join(f"{count} {source}" for source, count in sorted(by_source.items()))
    lines = [f"{len(settled)} rows in {output}: {shown}", f"{len(people)} people"]
    if assisted:
        lines.append(f"{assisted} labels repeat what a model had proposed")
    return lines


def _write_open(
    args: argparse.Namespace,
    names: Sequence[str],
    settled: Sequence[Settled],
    annotations: Sequence[Annotation],
) -> None:
    import csv

    left = [name for name, item in zip(names, settled, strict=True) if item.label is None]
    if not left:
        return
    said: dict[str, list[str]] = {}
    for item in annotations:
        said.setdefault(item.item, []).append(f"{item.annotator}={item.label}")
    path = args.output.with_name(f"{args.output.stem}.open.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("item", "annotator", "label", "time", "said"))
        writer.writerows((name, "", "", "", "; ".join(said.get(name, []))) for name in left)
    print(f"{len(left)} rows are open: fill in annotator and label in {path}, then --adjudicated")


def _judge_people(
    args: argparse.Namespace,
    dataset: Dataset,
    names: Sequence[str],
    annotations: Sequence[Annotation],
) -> int:
    """Print what the control over annotators finds; 1 where it finds anything."""
    from hauberk.engine import assess, discover
    from hauberk.formats.tables import table_of
    from hauberk.scanner.labelling import votes_with_rows

    batches: list[Any] = votes_with_rows(dataset, names, annotations, args.label)
    if not batches:
        return 0
    votes = table_of(str(args.path), batches, label=args.label, annotator="annotator")
    control = next(
        item for item in discover("controls", subjects={"dataset"}) if item.id == _PEOPLE
    )
    result = assess(control, votes)
    for finding in result.findings:
        print(f"{finding.severity.upper()}  {finding.message}\n  -> {finding.remedy}")
    if not result.findings:
        print(f"annotators: {result.outcome.value} {result.reason}".rstrip())
    return 1 if result.findings else 0


_PEOPLE = "dataset/annotator-errors"


def _keep(args: argparse.Namespace) -> None:
    from hauberk.cli.words import clock, configuration, project_folder
    from hauberk.lifecycle.datasets import About, Place, add, prepare

    place = Place(
        project=project_folder(args.project),
        configuration=configuration(),
        clock=clock,
        root_file=args.root,
        tell=print,
    )
    prepare(place)
    about = About(message=f"labels of {args.path.name}", label=args.label, tags=())
    done = add(place, args.output, args.name, about)
    print(f"kept as {done.version.title}, signed")
