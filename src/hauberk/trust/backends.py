"""Which servers hold a project's blobs, pointers and index, and how they are opened.

    [store]                                       # hauberk.toml, or [tool.hauberk.store]
    blobs = "s3://models/loans"                   # s3, gs, az; a folder where it is not given
    pointers = "postgresql://hauberk@db/hauberk"  # or "blobs": beside the blobs
    schema = "loans"                              # of the database; one for each project
    endpoint = "https://s3.example.org"           # a server of S3 other than Amazon's

``HAUBERK_STORE_BLOBS``, ``HAUBERK_STORE_POINTERS``, ``HAUBERK_STORE_SCHEMA`` and
``HAUBERK_STORE_ENDPOINT`` replace what the file says: set them where the file is written by
others than those who own the credentials, such as in CI. Credentials come from the
environment of the process alone.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from hauberk.errors import UnavailableError, UsageError
from hauberk.trust.durable import Before, proceed

if TYPE_CHECKING:
    from hauberk.trust.objects import ObjectBlobs, ObjectPointers
    from hauberk.trust.postgres import Postgres

FILES: Final = (("hauberk.toml", ("store",)), ("pyproject.toml", ("tool", "hauberk", "store")))
MAX_BYTES: Final = 1 << 20
BESIDE_BLOBS: Final = "blobs"
RETRIES: Final[dict[str, Any]] = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
VARIABLE: Final = "HAUBERK_STORE_"

_SCHEMES = ("s3", "gs", "az")
_DATABASES = ("postgresql", "postgres")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """``[store]``; without anything, everything lies in the folder ``.hauberk``.

    Attributes:
        blobs: Address of the shared blobs.
        pointers: Address of the database of pointers and index, or ``blobs``.
        schema: Schema of the database.
        endpoint: Address of a server of S3 other than Amazon's.
    """

    blobs: str | None = None
    pointers: str | None = None
    schema: str = "hauberk"
    endpoint: str | None = None

    def __post_init__(self) -> None:
        for name, address, schemes in (
            ("blobs", self.blobs, _SCHEMES),
            ("pointers", self.pointers, (*_DATABASES, BESIDE_BLOBS)),
            ("endpoint", self.endpoint, ("https", "http")),
        ):
            if address is not None and address != BESIDE_BLOBS:
                _check_address(name, address, schemes)
        if self.pointers == BESIDE_BLOBS and self.blobs is None:
            raise UsageError(
                "pointers cannot lie beside blobs that have no address",
                subject="[store] pointers",
                expected="an address for [store] blobs too",
                found="none",
            )

    @property
    def database(self) -> Postgres | None:
        """The database of pointers and index, where one is named."""
        if self.pointers is None or self.pointers == BESIDE_BLOBS:
            return None
        from hauberk.trust.postgres import Postgres

        return Postgres(self.pointers, schema=self.schema)

    def open_blobs(self, *, before: Before = proceed) -> ObjectBlobs | None:
        """The shared blobs, where an address is given.

        Raises:
            UnavailableError: The extra is missing.
        """
        if self.blobs is None:
            return None
        from hauberk.trust.objects import ObjectBlobs

        return ObjectBlobs(self._objects(), label=self.blobs, before=before)

    def open_object_pointers(self) -> ObjectPointers | None:
        """Pointers beside the blobs, where that is asked for."""
        if self.pointers != BESIDE_BLOBS or self.blobs is None:
            return None
        from hauberk.trust.objects import ObjectPointers

        return ObjectPointers(self._objects(), label=self.blobs)

    def _objects(self) -> Any:
        from hauberk.trust.objects import library

        obstore = library()
        options: dict[str, Any] = {"retry_config": RETRIES}
        if self.endpoint is not None:
            options["config"] = {"endpoint": self.endpoint}
            if _is_loopback(self.endpoint):
                options["client_options"] = {"allow_http": True}
        try:
            return obstore.store.from_url(self.blobs, **options)
        except obstore.exceptions.BaseError as error:
            raise UnavailableError(
                "the object store cannot be opened",
                subject=str(self.blobs),
                found=str(error).strip().splitlines()[0][:200],
                hint="look at the address in [store] and at the variables of the store",
            ) from error


def _check_address(name: str, address: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(address)
        scheme, host, password = parts.scheme, parts.netloc, parts.password
    except ValueError:
        scheme, host, password = "", "", None
    named = host or scheme in _DATABASES  # a local socket has no host
    if scheme not in schemes or not named:
        raise UsageError(
            "not an address of a store",
            subject=f"[store] {name}",
            expected=" or ".join(f"{item}://..." for item in schemes if item != BESIDE_BLOBS),
            found=repr(address[:80]),
        )
    if password is not None:
        raise UsageError(
            "an address holds no password",
            subject=f"[store] {name}",
            rule="credentials come from the environment, never from a file of the project",
            found="a password",
            hint="set the variables of the store or of the database instead",
        )
    if scheme == "http" and not _is_loopback(address):
        raise UsageError(
            "credentials would travel unencrypted",
            subject=f"[store] {name}",
            expected="https, or http on this machine",
            found=repr(address[:80]),
        )


def _is_loopback(address: str) -> bool:
    return urlsplit(address).hostname in _LOOPBACK


def of_project(root: Path, environment: Mapping[str, str] | None = None) -> Backends:
    """What the lifecycle file of the project at ``root`` names, and the environment replaces.

    A file that is no lifecycle file, or a broken one, names nothing here: whoever reads it
    for its other tables refuses it with the line.

    Raises:
        UsageError: A key or value is wrong.
    """
    environment = os.environ if environment is None else environment
    found = from_table(_table(root))
    said = {
        item.name: environment[VARIABLE + item.name.upper()]
        for item in fields(Backends)
        if environment.get(VARIABLE + item.name.upper())
    }
    return replace(found, **said)


def from_table(table: object) -> Backends:
    """The dataclass filled from the TOML table.

    Raises:
        UsageError: A key or value is wrong.
    """
    known = {item.name for item in fields(Backends)}
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise UsageError(
            "not a table of addresses",
            subject="[store]",
            expected=f"strings for {', '.join(sorted(known))}",
            found=str(table)[:80],
        )
    for key in table:
        if key not in known:
            raise UsageError(
                "there is no such key",
                subject=f"[store] {key}",
                expected=", ".join(sorted(known)),
                found=key,
            )
    return Backends(**table)


def _table(root: Path) -> object:
    for name, keys in FILES:
        path = root / name
        try:
            if path.stat().st_size > MAX_BYTES:
                continue
            value: object = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
            continue
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return value
    return {}
