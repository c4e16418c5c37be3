"""Verify, show, prove, publish and witness the append-only log of a project.

`verify` reads the whole log, damaged or not, and holds it against its signed heads and, where
one is named, against the heads that a second place holds. `witness` carries the newest signed
head to that place, which should be one that whoever can write to the log cannot write to.
`prove` and `publish` make files that a second party holds against its own keys with `check`.
`decisions` answers an investigator, and `leaks` looks for secrets and personal data in records.
`erase` forgets one sender of a log that `--erasable` wrote, and `show --erasable` reads the others.
`references` records where the branches and tags of a repository point, and tells what moved.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli._log_erasure import configure_erasure, erase, readable, vault_of
from hauberk.cli._log_proofs import (
    check,
    configure_proofs,
    configure_witness,
    newest,
    prove,
    publish,
    refuse_unsigned,
    witness,
)
from hauberk.cli._log_queries import configure_queries, decisions, leaks
from hauberk.cli._log_references import configure_references, references
from hauberk.errors import TrustError, UsageError

if TYPE_CHECKING:
    from hauberk.trust.audit import Audit
    from hauberk.trust.checkpoint import Check
    from hauberk.trust.log import Log
    from hauberk.trust.store import Store

HELP = "verify, prove, show, publish or witness the append-only log"
EXAMPLE = "hauberk log verify --witness /mnt/second-place/loans.heads"

_NAMED = 5
_PASSES_HEADS_ON = frozenset({"prove", "publish", "witness"})
"""Deeds that hand the newest head to others, who would take a forged one for ours."""
_DEFAULT_COUNT = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    verify = deeds.add_parser("verify", help="hold the log against its heads and a witness")
    verify.add_argument("--witness", type=Path, metavar="FILE", help="heads in a second place")
    verify.add_argument("--witness-key", type=Path, action="append", metavar="PEM")
    verify.add_argument("--witness-name", default="witness", metavar="NAME")
    verify.add_argument("--root", type=Path, metavar="FILE", help="root of trust with the keys")
    verify.add_argument("--format", choices=("text", "json"), default="text")
    show = deeds.add_parser("show", help="print records, checked against the log's roots")
    show.add_argument("--start", type=int, default=None, metavar="N", help="first record")
    show.add_argument("--count", type=int, default=_DEFAULT_COUNT, metavar="N")
    show.add_argument("--erasable", type=Path, metavar="FOLDER", help="keys of senders")
    show.add_argument("--log", type=Path, metavar="FOLDER", help="a guard's own log")
    configure_erasure(deeds)
    configure_proofs(deeds)
    configure_witness(deeds)
    configure_references(deeds)
    configure_queries(deeds)
    for deed in (verify, show):
        deed.add_argument("--project", default=".", metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; 1 where the log is not what was signed."""
    from hauberk.cli.words import project_folder
    from hauberk.trust.store import Store

    apart = {
        "check": check,
        "references": references,
        "erase": erase,
        "decisions": decisions,
        "leaks": leaks,
    }
    if args.deed in apart:
        return apart[args.deed](args)
    if args.deed == "show" and args.log is not None:
        return _show(args, _log_at(args.log))
    folder = project_folder(args.project)
    store = Store.open(folder, create=False, read_only=True)
    deeds = {
        "verify": _verify,
        "show": lambda args, store: _show(args, store.log),
        "prove": prove,
        "publish": publish,
        "witness": witness,
    }
    if args.deed in _PASSES_HEADS_ON:
        refuse_unsigned(newest(store), _check(folder, None))
    return deeds[args.deed](args, store)


def _verify(args: argparse.Namespace, store: Store) -> int:
    import json

    from hauberk.trust.log import examine

    signed = _check(store.root.parent, args.root)
    _refuse_uncosigned(args)
    result = examine(store.root / "log", check=signed, witness=args.witness)
    if args.format == "json":
        print(json.dumps(_as_json(result, signatures=signed is not None), indent=1))
    else:
        print("\n".join(_lines(result, signatures=signed is not None)))
    if not result.is_clean:
        raise TrustError(
            "the log does not hold",
            subject=str(store.root / "log"),
            rule="records are appended and never changed, and heads are signed",
            expected="the log as it was signed",
            found="; ".join(defect.message for defect in result.defects[:_NAMED]),
            hint="find out who changed it, and restore it from a backup",
        )
    if signed is not None:
        _refuse_forgotten(store, result)
    if not store.log.nodes_hold():
        print(
            "hauberk: log/nodes is damaged: hashes made of the records, which nothing rests on; "
            "they are made anew when a proof needs them",
            file=sys.stderr,
        )
    return 0


def _refuse_forgotten(store: Store, result: Audit) -> None:
    """Hold the log against what this user saw signed before."""
    from hauberk.cli.words import configuration
    from hauberk.lifecycle.settings import name_of
    from hauberk.trust.seen_logs import SeenLog

    name = name_of(store.root.parent)
    seen = SeenLog.of(configuration() / "seen" / name, store.root / "log")
    seen.check(result.signed_size, store.log.root_at)
    if result.signed_size:
        seen.remember(result.signed_size, store.log.root_at(result.signed_size))


def _refuse_uncosigned(args: argparse.Namespace) -> None:
    """Where a witness's key is named, its newest head must carry the witness's own line."""
    from hauberk.cli._log_proofs import demanded
    from hauberk.trust.heads import HeadsFile

    args.key, args.signer = None, None
    signed = demanded(args)
    if signed is None:
        return
    note = None if args.witness is None else HeadsFile(args.witness).newest()
    if note is None:
        raise TrustError(
            "the witness holds no head",
            subject=str(args.witness or "--witness FILE"),
            expected="a head with a line of the key that was named",
            found="none",
            hint="hauberk log witness FILE --cosign KEY",
        )
    refuse_unsigned(note, signed)


def _check(project: Path, root_file: Path | None) -> Check | None:
    """Whose signatures count; ``None`` where nothing is pinned and no root is named."""
    from hauberk.cli.words import configuration
    from hauberk.lifecycle.settings import name_of
    from hauberk.trust.checkpoint import signed_by
    from hauberk.trust.keys import Role
    from hauberk.trust.root import resolve, root_path
    from hauberk.trust.signer import HEAD_SIGNER

    name = name_of(project)
    if root_file is None and not root_path(configuration(), name).exists():
        return None
    keys = resolve(name, configuration(), file=root_file).keys(Role.LIFECYCLE)
    return signed_by(HEAD_SIGNER, keys.by_id().values(), threshold=keys.threshold)


def _lines(result: Audit, *, signatures: bool) -> list[str]:
    checked = "checked" if signatures else "not checked: no root is pinned and --root names none"
    lines = [
        f"{result.size} records, root {result.root.hex()}",
        f"  signed      {result.signed_size} records; signatures {checked}",
        f"  witness     {result.standing}, {result.witnessed_size} records",
    ]
    if result.signed_size < result.size:
        lines.append(
            f"  unsigned    records from {result.signed_size} on: whoever can write here may have "
            f"written them; look at them with hauberk log show --start {result.signed_size}; the "
            "next hauberk run or data add signs them with what it adds"
        )
    lines += [f"  {defect.fault.value:<11} {defect.message}" for defect in result.defects]
    return [*lines, "the log is whole" if result.is_clean else "THE LOG IS NOT WHAT WAS SIGNED"]


def _as_json(result: Audit, *, signatures: bool) -> dict[str, object]:
    return {
        "schema": 1,
        "clean": result.is_clean,
        "size": result.size,
        "root": result.root.hex(),
        "signed": result.signed_size,
        "signatures_checked": signatures,
        "witnessed": result.witnessed_size,
        "standing": result.standing.value,
        "defects": [
            {"fault": d.fault.value, "message": d.message, "first": d.first, "last": d.last}
            for d in result.defects
        ],
    }


def _log_at(folder: Path) -> Log:
    from hauberk.trust.log import Log

    return Log.open(folder, read_only=True)


def _show(args: argparse.Namespace, log: Log) -> int:
    if args.count < 0:
        raise UsageError("not a number of records", found=str(args.count), expected="0 or more")
    vault = None if args.erasable is None else vault_of(args.erasable)
    start = max(log.size - args.count, 0) if args.start is None else args.start
    for number, record in enumerate(log.records(start, start + args.count), start=start):
        print(number, _printable(readable(record, vault)))
    return 0


def _printable(record: bytes) -> str:
    """One line without control characters, whatever the record holds."""
    text = record.decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
