"""Who may read what, until when: grants by bearer token, kept outside the project.

    [[grant]]
    reader = "alice"
    token = "sha256:..."              # of the token; the token itself is shown once
    objects = ["loans"]               # projects or data sets
    fields = ["metrics", "steps"]     # what of them; "rows" of a data set
    expires = 2027-01-31T12:00:00Z

Nobody else may read anything. A grant is for reading only, names its objects one by one and
ends by itself within `MAX_DAYS`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hauberk.errors import UsageError
from hauberk.trust import private_files
from hauberk.trust.durable import explained, read_small

NAME: Final = "grants.toml"
MAX_DAYS: Final = 90
MAX_GRANTS: Final = 10_000
DAY_S: Final = 86_400.0
FIELDS: Final = ("runs", "metrics", "steps", "notes", "traces", "rows")

_MAX_BYTES = 4 << 20
_TOKEN = re.compile(r"hkr_[A-Za-z0-9_-]{43}\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,79}\Z")
_HASH = re.compile(r"sha256:[0-9a-f]{64}\Z")
_KEYS = frozenset({"reader", "token", "objects", "fields", "expires"})
_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave to read.

    Attributes:
        token: SHA-256 of the token.
        expires: Seconds since the epoch.
    """

    reader: str
    token: str
    objects: tuple[str, ...]
    fields: tuple[str, ...]
    expires: float

    def allows(self, name: str, field: str, at: float) -> bool:
        """Whether it lets its holder read ``field`` of the object ``name`` at that time."""
        return at < self.expires and name in self.objects and field in self.fields


class Grants:
    """All grants of one configuration; empty where there is no file."""

    def __init__(self, grants: Iterable[Grant] = ()) -> None:
        self.grants = tuple(grants)

    def find(self, token: str | None) -> Grant | None:
        """The grant of ``token``, expired or not; every grant is compared, in constant time."""
        if token is None or _TOKEN.match(token) is None:
            return None
        wanted = _digest(token).encode()
        found = None
        for grant in self.grants:
            if hmac.compare_digest(grant.token.encode(), wanted):
                found = grant
        return found

    def with_new(
        self,
        reader: str,
        *,
        objects: tuple[str, ...],
        fields: tuple[str, ...],
        days: float,
        at: float,
    ) -> tuple[Grants, str]:
        """These and a new grant, with its token.

        Raises:
            UsageError: A name or the time is out of form.
        """
        if not 0 < days <= MAX_DAYS:
            raise UsageError(
                "a grant ends by itself", expected=f"1 to {MAX_DAYS} days", found=f"{days:g}"
            )
        token = f"hkr_{secrets.token_urlsafe(32)}"
        grant = Grant(
            reader=reader,
            token=_digest(token),
            objects=objects,
            fields=fields,
            expires=float(int(at + days * DAY_S)),
        )
        _check(grant, reader)
        return Grants((*(old for old in self.grants if old.expires > at), grant)), token

    def to_toml(self) -> str:
        """As the file spells them."""
        return "\n".join(_spelt(grant) for grant in self.grants)


def load(folder: Path) -> Grants | None:
    """The grants in the configuration folder; ``None`` where there is no file.

    Raises:
        TrustError: The file is a link or not private.
        UsageError: It is out of form.
    """
    path = folder / NAME
    if not private_files.is_there(path):
        return None
    with explained(path):
        private_files.check_private(path.lstat(), path, os.geteuid())
        data = read_small(path, max_bytes=_MAX_BYTES)
    try:
        document = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError("not TOML", subject=str(path), found=str(error)[:200]) from error
    entries = document.get("grant", [])
    if set(document) - {"grant"} or not isinstance(entries, list) or len(entries) > MAX_GRANTS:
        raise UsageError(
            "not a file of grants",
            subject=str(path),
            expected=f"at most {MAX_GRANTS} tables [[grant]]",
            found=", ".join(document)[:80],
        )
    return Grants(_grant(entry, f"{path}, grant {n}") for n, entry in enumerate(entries, 1))


def save(folder: Path, grants: Grants) -> Path:
    """Write the file, private to its owner."""
    private_files.make_folder(folder)
    path = folder / NAME
    private_files.write(path, grants.to_toml().encode(), _FILE_MODE)
    return path


def _digest(token: str) -> str:
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def _grant(entry: Any, place: str) -> Grant:
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        raise _malformed(place, f"the keys {' '.join(sorted(_KEYS))}", str(entry)[:60])
    expires = entry["expires"]
    if not isinstance(expires, datetime) or expires.tzinfo is None:
        raise _malformed(place, "expires = a date and time with its offset", repr(expires)[:60])
    lists = [entry["objects"], entry["fields"]]
    if not all(isinstance(one, list) and all(isinstance(x, str) for x in one) for one in lists):
        raise _malformed(place, "lists of strings for objects and fields", str(lists)[:60])
    grant = Grant(
        reader=str(entry["reader"]),
        token=str(entry["token"]),
        objects=tuple(entry["objects"]),
        fields=tuple(entry["fields"]),
        expires=expires.timestamp(),
    )
    _check(grant, place)
    return grant


def _check(grant: Grant, place: str) -> None:
    words = (grant.reader, *grant.objects)
    if not grant.objects or any(_WORD.match(word) is None for word in words):
        raise _malformed(place, "names of letters, digits and . _ @ -", ", ".join(words)[:80])
    if not grant.fields or set(grant.fields) - set(FIELDS):
        raise _malformed(place, f"fields out of {' '.join(FIELDS)}", ", ".join(grant.fields)[:80])
    if _HASH.match(grant.token) is None:
        raise _malformed(place, "token = sha256:<64 digits>, never the token", "something else")


def _spelt(grant: Grant) -> str:
    def listed(items: tuple[str, ...]) -> str:
        return ", ".join(f'"{item}"' for item in items)

    moment = datetime.fromtimestamp(grant.expires, tz=UTC)
    return (
        f'[[grant]]\nreader = "{grant.reader}"\ntoken = "{grant.token}"\n'
        f"objects = [{listed(grant.objects)}]\nfields = [{listed(grant.fields)}]\n"
        f"expires = {moment:%Y-%m-%dT%H:%M:%SZ}\n"
    )


def _malformed(place: str, expected: str, found: str) -> UsageError:
    return UsageError("not a grant", subject=place, expected=expected, found=found)
