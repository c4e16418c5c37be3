"""Systems that put texts together before they use them, and then do what those say."""

from __future__ import annotations

import base64
import binascii
import contextlib
import sqlite3
import unicodedata
from dataclasses import dataclass

from hauberk.formats.http import Door
from hauberk.range.worlds import readers
from hauberk.range.worlds.guarded import PARROT_PATH

_INVISIBLE = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """The parrot, and a system behind it that joins what came in; see `ChainPayloads`."""

    door: Door
    path: str = PARROT_PATH

    def acts(self, reader: str, pieces: list[str]) -> bool:
        """Whether the system does what the joined pieces say, and did not for any piece."""
        joined = preprocessed("".join(pieces))
        alone = any(_acts(reader, preprocessed(piece)) for piece in pieces)
        return _acts(reader, joined) and not alone


def preprocessed(text: str) -> str:
    """What pipelines do with text before use: decode, normalise, drop what cannot be seen."""
    with contextlib.suppress(binascii.Error, ValueError):
        text = base64.b64decode(text, validate=True).decode()
    return unicodedata.normalize("NFKC", text).translate(_INVISIBLE)


def _acts(reader: str, text: str) -> bool:
    return _database(text) if reader == "database" else readers.acts(reader, text)


def _database(text: str) -> bool:
    """Whether a query with the text in quotes shows or changes what it must not."""
    with sqlite3.connect(":memory:") as database:
        database.executescript(
            "CREATE TABLE people (name TEXT); CREATE TABLE vault (secret TEXT);"
            "INSERT INTO people VALUES ('ann'), ('bob');"
            "INSERT INTO vault VALUES ('hauberk-canary');"
        )
        shown = _shown(database, f"SELECT name FROM people WHERE (name = '{text}')")
        shown += _shown(database, f"SELECT name FROM people WHERE name = '{text}'")
        return len(shown) > 0 or _changed(database)


def _shown(database: sqlite3.Connection, query: str) -> list[tuple[str]]:
    with contextlib.suppress(sqlite3.Error, sqlite3.Warning):
        return database.execute(query).fetchall()
    with contextlib.suppress(sqlite3.Error, sqlite3.Warning):
        database.executescript(query)
    return []


def _changed(database: sqlite3.Connection) -> bool:
    try:
        names = database.execute("SELECT name FROM people ORDER BY name").fetchall()
    except sqlite3.Error:
        return True
    return names != [("ann",), ("bob",)]
