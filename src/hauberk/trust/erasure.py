"""What a log says of a person, readable until that person's key is erased.

A log's records never change, so what must be forgotten must never have been in it in clear.
`SealingLog` takes out of each decision what is about one sender (who it was, the digests of
request and answer, what controls noted) and seals it under a key that is this sender's alone.
The record keeps a pseudonym that was drawn by chance, so that a sender's records still belong
together. The keys lie in a `Vault`, apart from the log. Erasing a key is erasing all that was
sealed under it: the log's hashes, heads and proofs stay as they are, and a sender who comes
back is somebody new.

Limits:
    Erasing overwrites the key in the vault's file. Backups and file systems that keep old blocks
    keep old keys: leave the vault out of backups, or let them end. What stays in clear, time,
    model, action, rule, status and number of rows, may still point at somebody who sent alone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from hauberk.errors import TrustError, UsageError
from hauberk.trust.database import Database
from hauberk.trust.private_files import make_folder
from hauberk.trust.sealing import seal, unseal

FILE: Final = "subjects.sqlite"
SEALED: Final = ("principal", "request", "response", "signals")
"""Fields of a decision that are about one sender."""
_KEY_BYTES = 32
_ID_BYTES = 8
_SCHEMA: Final = (
    (
        "CREATE TABLE subjects (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
        "key BLOB NOT NULL) WITHOUT ROWID"
    ),
)


class Appending(Protocol):
    """Something that records are added to."""

    def append(self, batch: Sequence[bytes], /) -> Any:
        """Add records; durable when it returns."""
        ...


class Vault:
    """Keys of single senders, in a folder of its owner's own.

    Args:
        folder: Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._database = Database(folder / FILE, schema=_SCHEMA, synchronous="FULL")

    def keys(self, names: Iterable[str]) -> dict[str, tuple[str, bytes]]:
        """Pseudonym and key of each name; made where there is none."""
        wanted = sorted(set(names))
        with self._database.write() as connection:
            found = {}
            for name in wanted:
                query = "SELECT id, key FROM subjects WHERE name = ?"
                row = connection.execute(query, (name,)).fetchone()
                if row is None:
                    row = (secrets.token_hex(_ID_BYTES), secrets.token_bytes(_KEY_BYTES))
                    connection.execute("INSERT INTO subjects VALUES (?, ?, ?)", (name, *row))
                found[name] = (str(row[0]), bytes(row[1]))
        return found

    def key_of(self, pseudonym: str) -> bytes | None:
        """The key behind a pseudonym; ``None`` where it was erased, or never was."""
        query = "SELECT key FROM subjects WHERE id = ?"
        with self._database.read() as connection:
            row = connection.execute(query, (pseudonym,)).fetchone()
        return None if row is None else bytes(row[0])

    def erase(self, name: str) -> str:
        """Overwrite and remove the key of a sender, by name or pseudonym; the pseudonym.

        Raises:
            UsageError: There is no such sender.
        """
        with self._database.write() as connection:
            query = "SELECT id FROM subjects WHERE name = ? OR id = ?"
            row = connection.execute(query, (name, name)).fetchone()
            if row is not None:
                connection.execute("PRAGMA secure_delete = ON")
                empty = bytes(_KEY_BYTES)
                connection.execute("UPDATE subjects SET key = ? WHERE id = ?", (empty, row[0]))
                connection.execute("DELETE FROM subjects WHERE id = ?", (row[0],))
        if row is None:
            raise UsageError(
                "there is no key of this sender",
                subject=name[:80],
                expected="a sender, or the pseudonym that stands in the log",
                found="neither; perhaps erased before",
            )
        return str(row[0])


class SealingLog:
    """A log whose decisions are sealed on their way in; other records pass as they are."""

    def __init__(self, log: Appending, vault: Vault) -> None:
        self._log = log
        self._vault = vault

    def append(self, batch: Sequence[bytes], /) -> Any:
        """Seal and add."""
        parsed = [_decision(record) for record in batch]
        names = [str(value["principal"]) for value in parsed if value is not None]
        keys = self._vault.keys(names) if names else {}
        sealed = [
            record if value is None else _sealed(value, *keys[str(value["principal"])])
            for record, value in zip(batch, parsed, strict=True)
        ]
        return self._log.append(sealed)


def opened(record: bytes, vault: Vault) -> Mapping[str, Any] | None:
    """A decision with what was sealed in it; ``None`` where its key is gone or none is sealed.

    Raises:
        TrustError: It was sealed under another key, or changed.
    """
    value = _decision(record)
    if value is None or not isinstance(value.get("sealed"), str):
        return None
    key = vault.key_of(str(value["principal"]))
    if key is None:
        return None
    plain = json.loads(unseal(key, _place(value), value["sealed"]))
    if not isinstance(plain, dict) or set(plain) - set(SEALED):
        raise TrustError("a sealed part holds other fields than those that are sealed")
    return {**{name: part for name, part in value.items() if name != "sealed"}, **plain}


def _sealed(value: dict[str, Any], pseudonym: str, key: bytes) -> bytes:
    personal = {name: value[name] for name in SEALED if name in value}
    kept = {name: part for name, part in value.items() if name not in SEALED}
    kept["principal"] = pseudonym
    kept["sealed"] = seal(key, _place(kept), json.dumps(personal).encode())
    return json.dumps(kept, separators=(",", ":")).encode("ascii")


def _place(value: Mapping[str, Any]) -> str:
    """What a sealed part is bound to: everything of the record that is in clear."""
    rest = {name: part for name, part in value.items() if name != "sealed"}
    return json.dumps(rest, sort_keys=True)


def _decision(record: bytes) -> dict[str, Any] | None:
    if b'"decision"' not in record:
        return None
    try:
        value = json.loads(record)
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(value, dict) and value.get("kind") == "decision" and "principal" in value
    return value if is_one else None
