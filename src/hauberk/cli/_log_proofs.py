"""`hauberk log`: proofs, tiles and witnesses, made here and checked elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import TrustError, UsageError

if TYPE_CHECKING:
    from hauberk.trust.checkpoint import Check, Note
    from hauberk.trust.keys import KeyPair, PublicKey
    from hauberk.trust.store import Store

MAX_RECORD_BYTES = 64 << 20


def configure_proofs(deeds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare what makes, publishes and checks proofs."""
    prove = deeds.add_parser("prove", help="write a proof that a second party checks alone")
    what = prove.add_mutually_exclusive_group(required=True)
    what.add_argument("record", nargs="?", type=int, metavar="N", help="that record N is in")
    what.add_argument("--since", type=Path, metavar="FILE", help="that all under this head is in")
    prove.add_argument("--output", type=Path, required=True, metavar="FILE")
    prove.add_argument("--record-output", type=Path, metavar="FILE", help="the record itself")
    prove.add_argument("--project", default=".", metavar="DIR")
    publish = deeds.add_parser("publish", help="write the log as tiles (C2SP tlog-tiles)")
    publish.add_argument("folder", type=Path, metavar="FOLDER")
    publish.add_argument("--project", default=".", metavar="DIR")
    check = deeds.add_parser("check", help="check a proof or tiles; needs no project")
    check.add_argument("path", type=Path, metavar="PROOF|FOLDER")
    check.add_argument("--record", type=Path, metavar="FILE", help="the record that is proven")
    check.add_argument("--key", type=Path, action="append", metavar="PEM", help="key of the log")
    check.add_argument("--signer", metavar="NAME", help="its name in heads (default: hauberk)")
    _witness_keys(check)


def configure_witness(deeds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare what carries heads to a second place."""
    witness = deeds.add_parser("witness", help="carry the newest head to a second place")
    witness.add_argument("file", type=Path, metavar="FILE")
    witness.add_argument("--cosign", type=Path, metavar="PEM", help="the witness's private key")
    witness.add_argument("--name", default="witness", metavar="NAME", help="its name in heads")
    witness.add_argument("--project", default=".", metavar="DIR")


def _witness_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--witness-key", type=Path, action="append", metavar="PEM")
    parser.add_argument("--witness-name", default="witness", metavar="NAME")


def prove(args: argparse.Namespace, store: Store) -> int:
    """Write a proof under the newest signed head."""
    from hauberk.trust.heads import HeadsFile
    from hauberk.trust.proof_files import ConsistencyProof, InclusionProof

    note = newest(store)
    if args.since is None:
        hashes = store.log.prove_inclusion(args.record, note.head.size)
        data = InclusionProof(index=args.record, hashes=hashes, note=note).to_bytes()
        said = f"record {args.record} is under the head at {note.head.size} records"
    else:
        old = HeadsFile(args.since).newest()
        if old is None:
            raise UsageError("there is no head in the file", subject=str(args.since))
        _refuse_other(store, old, note)
        hashes = store.log.prove_consistency(old.head.size, note.head.size)
        data = ConsistencyProof(old=old, hashes=hashes, new=note).to_bytes()
        said = f"all {old.head.size} records of the old head are under that at {note.head.size}"
    _write(args.output, data)
    if args.record_output is not None and args.record is not None:
        (record,) = store.log.records(args.record, args.record + 1)
        _write(args.record_output, record)
    print(f"{args.output}: {said}")
    return 0


def _refuse_other(store: Store, old: Note, new: Note) -> None:
    fits = old.head.origin == new.head.origin and old.head.size <= new.head.size
    if not fits or store.log.root_at(old.head.size) != old.head.root:
        raise TrustError(
            "the log does not hold what that head covers",
            subject=f"log {new.head.origin} at {new.head.size}",
            rule="a new head contains every older one",
            expected=f"the head of {old.head.origin} at {old.head.size}",
            found="another root, another log or a smaller size",
            hint="the log was rewritten, cut or restored: compare it with the witness's copy",
        )


def newest(store: Store) -> Note:
    """The newest signed head of the log.

    Raises:
        UsageError: Nothing is signed yet.
    """
    from hauberk.trust.heads import HeadsFile

    note = HeadsFile(store.root / "log" / "heads").newest()
    if note is None:
        raise UsageError(
            "there is no signed head yet", subject=str(store.root / "log"), hint="hauberk run"
        )
    return note


def publish(args: argparse.Namespace, store: Store) -> int:
    """Write the tiles up to the newest signed head."""
    from hauberk.trust.tiles import publish as publish_tiles

    note = newest(store)
    n_files = publish_tiles(store.log, note, args.folder)
    print(f"{args.folder}: {note.head.size} records, {n_files} files written")
    return 0


def check(args: argparse.Namespace) -> int:
    """Check a proof or a folder of tiles with nothing but keys."""
    from hauberk.trust.durable import explained, read_small
    from hauberk.trust.proof_files import MAX_BYTES, InclusionProof, parse_proof
    from hauberk.trust.tiles import check as check_tiles

    signed = demanded(args)
    if args.path.is_dir():
        note = check_tiles(args.path)
        refuse_unsigned(note, signed)
        print(f"{note.head.size} records of {note.head.origin} are what was published")
    else:
        with explained(args.path):
            proof = parse_proof(_present(args.path, MAX_BYTES))
        if isinstance(proof, InclusionProof):
            if args.record is None:
                raise UsageError("which record? name its file", expected="--record FILE")
            with explained(args.record):
                record = read_small(args.record, max_bytes=MAX_RECORD_BYTES)
            proof.check(record, signed)
            print(f"the record is number {proof.index} of {proof.note.head.size}")
        else:
            proof.check(signed)
            print(f"the head at {proof.new.head.size} contains that at {proof.old.head.size}")
    if signed is None:
        print("signatures not checked: no --key and no --witness-key")
    return 0


def _present(path: Path, limit: int) -> bytes:
    from hauberk.trust.durable import read_small

    try:
        return read_small(path, max_bytes=limit)
    except FileNotFoundError as error:
        raise UsageError(
            "there is no such proof",
            subject=str(path),
            expected="a file of hauberk log prove, or a folder of hauberk log publish",
            found="nothing",
            hint="get it from whoever keeps the log",
        ) from error


def demanded(args: argparse.Namespace) -> Check | None:
    """What heads must carry: a line of every key that was named."""
    from hauberk.trust.checkpoint import signed_by
    from hauberk.trust.cosign import cosigned_by
    from hauberk.trust.signer import HEAD_SIGNER

    checks = [signed_by(args.signer or HEAD_SIGNER, [public(path)]) for path in args.key or ()]
    checks += [cosigned_by(args.witness_name, [public(p)]) for p in args.witness_key or ()]
    if not checks:
        return None
    return lambda note: all(one(note) for one in checks)


def refuse_unsigned(note: Note, signed: Check | None) -> None:
    """Refuse a head without the lines that are demanded.

    Raises:
        TrustError: One is missing or bad.
    """
    if signed is not None and not signed(note):
        raise TrustError(
            "the head does not carry the signatures that count",
            subject=f"head of {note.head.origin} at {note.head.size}",
            rule="a head is believed, and passed on, with the signatures of keys that are trusted",
            expected="good lines of the keys that were named or pinned",
            found=f"{len(note.signatures)} lines, too few of them good ones of those keys",
            hint="fetch the head from where it is published, or name the right keys",
        )


def public(path: Path) -> PublicKey:
    """The public key in a file."""
    from hauberk.trust.keys import MAX_KEY_BYTES, read_public

    return read_public(_present(path, MAX_KEY_BYTES))


def witness(args: argparse.Namespace, store: Store) -> int:
    """Hold the newest head against all that the witness has seen, and keep it there."""
    from hauberk.cli.words import clock
    from hauberk.trust.cosign import cosigned

    _refuse_no_folder(args.file)
    if args.cosign is None:
        head = store.log.witness(args.file)
    else:
        key = _private(args.cosign)
        at = int(clock())
        head = store.log.witness(args.file, mark=lambda note: cosigned(note, args.name, key, at))
    print(f"{args.file} holds the head at {head.size} records")
    return 0


def _private(path: Path) -> KeyPair:
    from hauberk.trust.keys import read_private

    return read_private(path)


def _write(path: Path, data: bytes) -> None:
    from hauberk.trust.durable import explained, write_file

    _refuse_no_folder(path)
    with explained(path):
        write_file(path, data, tmp=path.absolute().parent)


def _refuse_no_folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise UsageError(
            "there is no folder for the file",
            subject=str(path),
            expected="a folder that is there",
            found=f"no folder {path.absolute().parent}",
            hint="make it, or name a file in another one",
        )
