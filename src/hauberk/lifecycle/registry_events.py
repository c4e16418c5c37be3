"""Deeds on the model registry as records of the project's log, under a signed head.

The registry's own metadata stays the truth about what is served. The record says in the same
log as runs and data versions when this project saw it published, so that a registry put
back to an old state stands against a log that somebody witnessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hauberk.errors import HauberkError
from hauberk.lifecycle.production.metadata_events import checked
from hauberk.lifecycle.signing import keys_folder
from hauberk.trust.canonical import canonical_json
from hauberk.trust.keys import Role
from hauberk.trust.signer import Signer
from hauberk.trust.store import NAME, Store

if TYPE_CHECKING:
    from hauberk.lifecycle.datasets import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What was done.

    Attributes:
        deed: ``publish``, ``promote``, ``rollback``, ``retire`` or ``revoke-key``; with
            ``-signed`` behind it where others must sign before it is published.
        subject: ``model@version``, or the beginning of a key's id.
        registry: Where the registry is.
        state: Version of its timestamp in which clients see the deed; 0 while it waits.
    """

    deed: str
    subject: str
    registry: str
    state: int


def event_of(deed: Deed) -> bytes:
    """The record that a deed leaves."""
    event = {
        "kind": "registry",
        "deed": deed.deed,
        "subject": deed.subject,
        "registry": deed.registry,
        "state": deed.state,
    }
    return canonical_json(checked(event))


def log_deed(place: Place, deed: Deed) -> int | None:
    """Append a record, and sign the log's head where a key here may; the record's number.

    A project that never ran has no log, and nothing is logged. The deed itself is done, so
    whatever prevents the record is told and does not fail it. Somebody whose key signs no heads
    of this project leaves a record all the same: the next head covers it.
    """
    if not (place.project / NAME).is_dir():
        return None
    try:
        store = Store.open(place.project)
        with store.lock():
            receipt = store.log.append([event_of(deed)])
            if not _head_signed(place, store):
                place.tell(
                    f"record {receipt.size - 1} of the project's log holds the deed; "
                    "the next run's signed head covers it: your key signs none"
                )
    except HauberkError as error:
        place.tell(f"the deed is done, but not in the project's log: {error.message}")
        return None
    return receipt.size - 1


def _head_signed(place: Place, store: Store) -> bool:
    try:
        trusted = place.root().keys(Role.LIFECYCLE).by_id()
        with Signer.start(keys_folder(place.configuration), (Role.LIFECYCLE,)) as signer:
            if signer.public[Role.LIFECYCLE].key_id not in trusted:
                return False
            store.log.checkpoint(lambda text: signer.sign_head(Role.LIFECYCLE, text))
    except HauberkError:
        return False  # no key, or no root: whoever has them signs the next head
    return True
