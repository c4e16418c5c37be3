"""Versions of data sets: signed, chained, cheap to keep, and able to say what changed where.

A version is named NAME@NUMBER, NAME@TAG, or NAME for the newest. The bytes lie in the
project's store (.hauberk); what is trusted lies in your configuration.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.cli import _data_history
from hauberk.errors import TrustError, UsageError

if TYPE_CHECKING:
    from hauberk.lifecycle.datasets import Opened, Place
    from hauberk.trust.versions.changes import Changes
    from hauberk.trust.versions.versions import Version

HELP = "keep versions of data sets; import labels; set rows aside"
EXAMPLE = "hauberk data add data/applications.csv --name loans --label approve"

_SHOWN = 20
_OTHERS = ("claim", "croissant", "feedback", "label", "profile", "quarantine", "query")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    _configure_add(deeds.add_parser("add", help="keep a file or folder as the next version"))
    log = deeds.add_parser("log", help="list versions, verified")
    log.add_argument("name", nargs="?", metavar="NAME", help="a data set; default: all of them")
    diff = deeds.add_parser("diff", help="say which rows, labels and columns changed")
    diff.add_argument("old", metavar="NAME[@OLD]")
    diff.add_argument("new", nargs="?", metavar="NAME[@NEW]", help="default: the newest")
    diff.add_argument("--label", metavar="COL", help="column that holds the label")
    diff.add_argument("--records", type=Path, metavar="FILE", help="write the delta records there")
    checkout = deeds.add_parser("checkout", help="write the files of a version to a folder")
    checkout.add_argument("name", metavar="NAME[@VERSION]")
    checkout.add_argument("target", nargs="?", type=Path, metavar="DIR", help="default: ./NAME")
    checkout.add_argument("--output", type=Path, metavar="DIR", help="the same as DIR")
    checkout.add_argument("--force", action="store_true", help="replace files that differ")
    verify = deeds.add_parser("verify", help="check lineage, stored bytes and a copy")
    verify.add_argument("name", nargs="?", metavar="NAME[@VERSION]")
    verify.add_argument("--from-dvc", action="store_true", help="verify all outputs of DVC")
    verify.add_argument("--copy", type=Path, metavar="PATH", help="checked-out file or folder")
    history = deeds.add_parser("history", help=_data_history.HELP)
    _data_history.configure(history)
    repair = deeds.add_parser("repair", help="finish a commit that was cut short")
    repair.add_argument("name", metavar="NAME")
    _configure_others(deeds)
    for deed in (log, diff, verify, history):
        deed.add_argument("--format", choices=("text", "json"), default="text")
    for name, deed in deeds.choices.items():
        if name in _OTHERS:
            continue
        deed.add_argument("--project", default=".", metavar="DIR")
        deed.add_argument("--root", type=Path, metavar="FILE", help="root of trust with the keys")


def _configure_others(deeds: Any) -> None:
    """Deeds in modules of their own, ``_data_<deed>.py``, that need no store."""
    for name in _OTHERS:
        module = importlib.import_module(f"hauberk.cli._data_{name}")
        deed = deeds.add_parser(name, help=module.HELP, epilog=f"example: {module.EXAMPLE}")
        module.configure(deed)


def _configure_add(add: argparse.ArgumentParser) -> None:
    add.add_argument("words", nargs="+", metavar="[NAME] PATH", help="a file or folder")
    add.add_argument("--name", metavar="NAME", help="default: from the path")
    add.add_argument("-m", "--message", default="", metavar="TEXT")
    add.add_argument("--origin", default="", metavar="TEXT", help="where the data come from")
    add.add_argument("--licence", default="", metavar="TEXT")
    add.add_argument("--label", metavar="COL", help="column that holds the label")
    add.add_argument("--tag", action="append", default=[], metavar="TAG", help="such as gold")
    add.add_argument("--no-index", action="store_true", help="do not index rows and tensors")
    add.add_argument(
        "--by-rows",
        action="store_true",
        help="keep changed Parquet as its changed rows: far smaller, but only the very version "
        "of pyarrow that wrote the file reads it back",
    )
    add.add_argument("--rewrite", action="store_true", help="store every part anew, to mend")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; 1 where something is not what was signed."""
    if args.deed in _OTHERS:
        return int(importlib.import_module(f"hauberk.cli._data_{args.deed}").run(args))
    deeds = {
        "add": _add,
        "log": _log,
        "diff": _diff,
        "checkout": _checkout,
        "verify": _verify,
        "repair": _repair,
        "history": _data_history.run,
    }
    return deeds[args.deed](args, _place(args))


def _place(args: argparse.Namespace) -> Place:
    from hauberk.cli.words import clock, configuration, project_folder
    from hauberk.lifecycle.datasets import Place

    return Place(
        project=project_folder(args.project),
        configuration=configuration(),
        clock=clock,
        root_file=args.root,
        tell=print,
    )


def _add(args: argparse.Namespace, place: Place) -> int:
    from hauberk.cli.words import working
    from hauberk.lifecycle.datasets import About, add, prepare
    from hauberk.trust.versions.versions import check_text
    from hauberk.trust.walking import places

    about = About(
        message=check_text(args.message, "message"),
        origin=check_text(args.origin, "origin"),
        licence=check_text(args.licence, "licence"),
        label=args.label,
        tags=tuple(args.tag),
    )
    name, path = _named(args)
    places(path)  # before keys are made for nothing
    prepare(place)
    with working("keeping the version"):
        how = {"indexed": not args.no_index, "rewrite": args.rewrite, "by_rows": args.by_rows}
        done = add(place, path, name, about, **how)
    print(_line(done.version) if done.is_new else f"{done.version.title} has these files already")
    if done.is_new:
        print(f"  stored    {done.stored:,} new bytes, {_share(done.stored, done.version.size)}")
    for changed, changes in done.changes.items():
        print("\n".join(f"  {line}" for line in _change_lines(changed, changes)))
    for file, reason in done.taken.notes:
        print(f"  note: {file} is kept as bytes only; its rows were not read: {reason}")
    return 0


def _share(stored: int, size: int) -> str:
    return f"{stored / size:.2%} of the version" if size else "of an empty version"


def _named(args: argparse.Namespace) -> tuple[str, Path]:
    """Name and path of an addition: ``NAME PATH``, ``PATH --name NAME`` or ``PATH`` alone."""
    *names, path = args.words
    if args.name is not None:
        names.append(args.name)
    if len(names) > 1:
        raise UsageError(
            "which data set?",
            subject=" ".join(args.words)[:200],
            expected="hauberk data add NAME PATH",
            found=f"{len(names)} names",
        )
    return (names[0] if names else _name_of(Path(path))), Path(path)


def _name_of(path: Path) -> str:
    import re

    stem = path.resolve().stem if path.is_file() else path.resolve().name
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")[:80]


def _line(version: Version) -> str:
    from hauberk.trust.fields import time_text

    tags = f"  [{', '.join(version.tags)}]" if version.tags else ""
    words = f"  {version.message}" if version.message else ""
    return (
        f"{version.title}  {version.digest[7:23]}  {time_text(version.created)[:16]}Z  "
        f"{version.n_files} files, {version.size:,} bytes{tags}{words}"
    )


def _log(args: argparse.Namespace, place: Place) -> int:
    import json

    from hauberk.lifecycle.datasets import names, open_version

    wanted = (args.name,) if args.name else names(place)
    opened = {name: open_version(place, name) for name in wanted}
    found = {name: one.found for name, one in opened.items()}
    needs = {
        version.digest: _needs(version, one)
        for one in opened.values()
        for version in one.found.lineage
    }
    if args.format == "json":
        documents = {
            n: [{**_as_json(v), "needs": needs[v.digest]} for v in one.lineage]
            for n, one in found.items()
        }
        print(json.dumps({"schema": 1, "datasets": documents}, indent=1))
        return 0
    for one in found.values():
        for version in reversed(one.lineage):
            print("\n".join([_line(version), *_need_lines(needs[version.digest])]))
    print(f"{sum(len(one.lineage) for one in found.values())} versions; signatures and links hold")
    return 0


def _needs(version: Version, opened: Opened) -> list[str]:
    """Programs without which a version cannot be checked out."""
    from hauberk.lifecycle.datasets import writers_of

    return [f"pyarrow {one}" for one in writers_of(version, opened.store)]


def _need_lines(needs: list[str]) -> list[str]:
    return [f"  needs     {', '.join(needs)}: kept by rows"] if needs else []


def _as_json(version: Version) -> dict[str, Any]:
    import json

    document: dict[str, Any] = json.loads(version.to_bytes())
    del document["files"]
    return {**document, "digest": version.digest}


def _diff(args: argparse.Namespace, place: Place) -> int:
    import json

    from hauberk.lifecycle.comparison import compare_versions
    from hauberk.lifecycle.datasets import open_version

    old, new = _two(args, place, open_version)
    result = compare_versions(old, new, label=args.label)
    if args.records is not None:
        lines = (r + b"\n" for one in result.tables.values() for r in one.records())
        args.records.write_bytes(b"".join(lines))
    if args.format == "json":
        print(json.dumps({"schema": 1, **result.as_json()}, indent=1))
        return 0
    print(f"{old.version.title} -> {new.version.title}")
    for one in (old, new):
        print(
            "".join(
                f"{line} ({one.version.title})\n" for line in _need_lines(_needs(one.version, one))
            ),
            end="",
        )
    for what, paths in (("added", result.added), ("removed", result.removed)):
        print("".join(f"  {what:<9}{path}\n" for path in paths[:_SHOWN]), end="")
    for path, words in result.others.items():
        print(f"  changed  {path}: {words}")
    for path, changes in result.tables.items():
        print("\n".join(f"  {line}" for line in _change_lines(path, changes)))
    if not result:
        print("  nothing changed")
    return 0


def _two(args: argparse.Namespace, place: Place, opener: Any) -> tuple[Opened, Opened]:
    """The two versions that are compared; one alone is compared with its neighbour."""
    if args.new is not None:
        return opener(place, args.old), opener(place, args.new)
    first: Opened = opener(place, args.old)
    newest = first.found.version
    if "@" in args.old:
        return first, opener(place, newest.name)
    if newest.parent is None:
        raise UsageError(
            f"{newest.name} has one version only",
            subject=newest.name,
            expected="two versions to compare",
            hint="add another one first",
        )
    return opener(place, f"{newest.name}@{newest.number - 1}"), first


def _change_lines(path: str, changes: Changes) -> list[str]:
    counts = (
        f"{changes.n_added:,} rows added, {changes.n_removed:,} removed, "
        f"{changes.n_edited:,} edited ({changes.relabelled:,} of them relabelled), "
        f"{changes.kept:,} kept"
    )
    if not changes:
        return [f"changed  {path}: the same rows in another encoding"]
    lines = [f"changed  {path}: {counts}"]
    lines += [f"  column {name!r}: {n:,} cells" for name, n in changes.columns.items()]
    lines += [f"  column {name!r} came" for name in changes.columns_added]
    lines += [f"  column {name!r} went" for name in changes.columns_removed]
    lines += ["  rows stand in another order"] if changes.reordered else []
    lines += [f"  row {e.at}, column {e.column!r}" for e in changes.edits[:_SHOWN]]
    rest = len(changes.edits) - _SHOWN
    lines += [f"  and {rest:,} more cells (--records FILE lists all)"] if rest > 0 else []
    return lines


def _checkout(args: argparse.Namespace, place: Place) -> int:
    from hauberk.cli.words import note_read
    from hauberk.lifecycle.checkout import checkout
    from hauberk.lifecycle.datasets import open_version

    opened = open_version(place, args.name)
    target = args.output or args.target or Path(opened.version.name)
    note_read(opened.version.name, opened.version.title, len(opened.files))
    count = checkout(opened.files, target, opened.store.blobs, force=args.force)
    print(f"{opened.version.title} is in {target}: {count} files written, all verified")
    return 0


def _verify(args: argparse.Namespace, place: Place) -> int:
    import json
    import tempfile

    from hauberk.lifecycle.datasets import examined, open_version

    if args.from_dvc:
        from hauberk.cli import _dvc

        return _dvc.verify(place)
    if args.name is None:
        raise UsageError("which data set?", expected="NAME, or --from-dvc", found="nothing")
    opened = open_version(place, args.name)
    with tempfile.TemporaryDirectory() as scratch:
        defects = examined(opened, Path(scratch), args.copy)
    version = opened.version
    if args.format == "json":
        rows = [{"path": d.path, "what": d.what, "places": list(d.places)} for d in defects]
        document = {"version": _as_json(version), "verified": not defects, "defects": rows}
        print(json.dumps({"schema": 1, **document}, indent=1))
        return 1 if defects else 0
    if defects:
        raise TrustError(
            f"{version.title} does not hold: {defects[0]}",
            subject=version.title,
            rule="every file has the bytes that were signed, and there are no others",
            expected=version.root,
            found="; ".join(map(str, defects[:_SHOWN])),
            hint="hauberk data checkout writes the genuine files; broken ones in the store are "
            "mended by adding the genuine data with --rewrite",
        )
    keys = ", ".join(key[:16] for key in opened.found.key_ids)
    copy = f" and in {args.copy}" if args.copy else ""
    print(f"{_line(version)}\n  root      {version.root}")
    for file in opened.files[:_SHOWN]:
        if file.logical:
            print(f"  rows      {file.logical}  {file.path}")
    print(f"  signed by {keys}\n  lineage   {version.number} versions, every link holds")
    print(f"every byte holds in the store{copy}")
    return 0


def _repair(args: argparse.Namespace, place: Place) -> int:
    from hauberk.lifecycle.datasets import mend

    found = mend(place, args.name)
    print("there is nothing to mend" if found is None else _line(found.version))
    return 0
