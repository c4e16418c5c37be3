"""Reading a project's metadata on this machine: by grant where grants exist, noted always."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.lifecycle.production import metadata_index
from hauberk.lifecycle.production.metadata_access import OK, RUN_FIELDS, Access
from hauberk.lifecycle.production.metadata_runs import IndexedRuns
from hauberk.trust import grants
from hauberk.trust.cache import load_secret
from hauberk.trust.log import Log
from hauberk.trust.private_files import make_folder
from hauberk.trust.reading import Read

if TYPE_CHECKING:
    from hauberk.trust.store import Store

SECRET = "metadata.secret"  # noqa: S105 - the name of a file
"""File of the configuration folder that opens sealed traces."""

OWNER = "owner"
"""Whoever owns the store's files, and so may read all of them."""

READS = "reads"
"""Folder of the configuration folder with the log of who read what."""


def reads_log(configuration: Path, *, read_only: bool = False) -> Log:
    """The log of who read what."""
    make_folder(configuration)
    return Log.open(configuration / READS, origin="hauberk-reads", read_only=read_only)


def ask(
    store: Store, project: str, configuration: Path, *, token: str | None, path: str
) -> Sequence[Mapping[str, Any]] | None:
    """The entries at ``path`` of the project; ``None`` for all that is not to be had.

    Args:
        path: ``runs``, ``runs/RUN`` or ``runs/RUN/FIELD``.

    Raises:
        UnavailableError: The call cannot be noted, so it is not answered.
    """
    if not metadata_index.is_there(store) and not store.read_only:
        metadata_index.refresh(store)
    held = grants.load(configuration)
    log = reads_log(configuration)

    def note(read: Read) -> None:
        log.append([read.to_record()])

    if held is None:
        return _as_owner(store, project, path, note)
    secret = load_secret(configuration, project=store.root.parent, name=SECRET)
    access = Access(
        projects={project: IndexedRuns(store=store, secret=secret)},
        grants=held,
        note=note,
        clock=time.time,
    )
    reply = access.ask(token, f"/projects/{project}/{path}")
    return reply.entries if reply.status == OK else None


def _as_owner(
    store: Store, project: str, path: str, note: Any
) -> Sequence[Mapping[str, Any]] | None:
    """What whoever owns the store's files can read anyway; traces stay sealed."""
    runs = IndexedRuns(store=store)
    _, _, rest = path.partition("/")
    run, _, field = rest.partition("/")
    entries: Sequence[Mapping[str, Any]] | None
    entries = runs.runs() if not run else None
    if run and (field or "metrics") in RUN_FIELDS and field != "traces":
        entries = runs.field(run, field or "metrics")
    note(
        Read(
            at=time.time(),
            reader=OWNER,
            name=project,
            part=path,
            n=len(entries or ()),
            allowed=entries is not None,
        )
    )
    return entries
