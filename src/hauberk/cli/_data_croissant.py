"""Write the Croissant metadata of data, or hold data against the metadata that came with it."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write Croissant metadata, or check files against theirs"
EXAMPLE = "hauberk data croissant data/ --licence CC-BY-4.0 --output data/croissant.json"

_SHOWN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, metavar="DATA", help="a file or a folder")
    parser.add_argument("--verify", type=Path, metavar="FILE", help="check DATA against this one")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    parser.add_argument("--name", metavar="NAME", help="default: from the path")
    parser.add_argument("--description", default="", metavar="TEXT")
    parser.add_argument("--licence", default="", metavar="TEXT", help="SPDX name or address")
    parser.add_argument("--url", default="", metavar="URL", help="page of the data set")
    parser.add_argument("--version", default="", metavar="TEXT", help="such as 1.0.0")
    parser.add_argument("--published", default="", metavar="DATE", help="such as 2026-03-01")
    parser.add_argument("--cite", default="", metavar="TEXT", help="how to cite it")
    parser.add_argument("--label", metavar="COL", help="column that holds the label")


def run(args: argparse.Namespace) -> int:
    """Write the metadata, or compare; 1 where files are not those that are described."""
    return _write(args) if args.verify is None else _verify(args)


def _write(args: argparse.Namespace) -> int:
    from hauberk.errors import UnavailableError
    from hauberk.lifecycle.croissant import Words, described, text_of

    words = Words(
        name=args.name or args.path.resolve().stem,
        description=args.description,
        licence=args.licence,
        url=args.url,
        version=args.version,
        published=args.published,
        cite=args.cite,
        label=args.label,
    )
    if args.output is not None:
        from hauberk.cli._data_quarantine import check_free

        check_free(args.output)
    document = described(args.path, words)
    if args.output is None:
        print(text_of(document), end="")
        return 0
    try:
        args.output.write_text(text_of(document), "utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnavailableError(
            f"the description cannot be written: {reason}", subject=str(args.output)
        ) from error
    tables = len(document.get("recordSet", ()))
    print(f"{args.output}: {len(document['distribution'])} files with digests, {tables} tables")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from hauberk.lifecycle.croissant import held_against, read_description

    found = held_against(read_description(args.verify), args.path, args.verify)
    print(f"{len(found.equal)} files are the ones that {args.verify} describes")
    for name, (expected, digest) in list(found.other.items())[:_SHOWN]:
        print(f"  other bytes     {_plain(name)}: expected sha256 {expected}, found {digest}")
    for what, names in (
        ("missing", found.missing),
        ("not described", found.undescribed),
        ("has no digest", found.undigested),
    ):
        for name in names[:_SHOWN]:
            print(f"  {what:<15} {_plain(name)}")
        if len(names) > _SHOWN:
            print(f"  {what:<15} {len(names) - _SHOWN} more")
    if not found.holds:
        print("next step: get the files again from the publisher, or ask for another description")
    return 0 if found.holds else 1


def _plain(name: str) -> str:
    """A foreign name without signs that would steer a terminal."""
    return name[:200] if name.isprintable() else repr(name[:200])
