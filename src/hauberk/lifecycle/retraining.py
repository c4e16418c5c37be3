"""A monitor's request to retrain, taken up by the next run.

1. Only the files of the folder that the lifecycle file names are looked at, as bytes.
2. A request is held to the rules of `hauberk.trust.requests` with the monitor's key, the
   project's name and the project's own budget; one that breaks a rule is refused and told, and
   the run goes on as if it were not there.
3. The newest that stands makes training a step of its own: what earlier runs trained is not
   taken from the cache. It is in the run's record and a note in the log.
4. Where a source of data names the column of its senders, rows of those that the request
   leaves out may be no more than the budget, or acquisition refuses.
5. When the run has ended well the request is kept in the store and counts no more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hauberk.core.artifact import Digest
from hauberk.core.lifecycle import Component
from hauberk.errors import HauberkError, TrustError, UsageError
from hauberk.trust.digest import digest_bytes, open_regular
from hauberk.trust.keys import MAX_KEY_BYTES, PublicKey, read_public
from hauberk.trust.requests import MAX_BYTES, Request, Rules, open_request

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.lifecycle.settings import Settings
    from hauberk.lifecycle.workshop import Workshop
    from hauberk.trust.store import Store

FOLDER: Final = "requests"
RETRAIN: Final = "retrain"
MAX_FILES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run knows of requests.

    Attributes:
        request: The one that it answers; ``None`` where there is none.
        digest: Of the envelope that training answers, now or in an earlier run.
        data: That envelope, where it is answered now.
        refused: File to why.
    """

    request: Request | None = None
    digest: Digest | None = None
    data: bytes = b""
    refused: Mapping[str, str] = field(default_factory=dict)

    def notes(self) -> dict[str, str]:
        """Names to values for the run's record and its log."""
        found = {f"request refused: {name}": why for name, why in self.refused.items()}
        if self.request is not None:
            origins = " and ".join(sorted(self.request.origins))
            found["retraining"] = (
                f"asked for by a monitor: request {self.request.number}, {origins} agree, "
                f"{self.request.share:.2%} of the rows from sources that move, {self.digest}"
            )
        return found


def asked(settings: Settings, store: Store, now: float) -> Asked:
    """The newest request that stands, with those that do not.

    Raises:
        UsageError: The lifecycle file names a folder without a key, or a key that is none.
    """
    table = settings.table(Component.MONITORING)
    answered = _answered(store)
    last = max(answered, default=0)
    before = answered.get(last)
    if not table.requests:
        return Asked(digest=before)
    rules = Rules(
        action=RETRAIN,
        model=table.model or settings.project.name,
        now=now,
        last=last,
        budget=table.budget,
    )
    key = _key(settings)
    refused: dict[str, str] = {}
    found: list[tuple[int, Request, bytes]] = []
    done = frozenset(answered.values())
    for path in _files(settings.root / table.requests):
        try:
            data = _read(path, MAX_BYTES)
            if digest_bytes(data) in done:
                continue
            request = open_request(data, key)
            rules.check(request)
        except HauberkError as error:
            why = f"{error.message}; {error.rule}; found {error.found}"
            refused[_visible(path.name)[:80]] = _visible(why)[:300]
        else:
            found.append((request.number, request, data))
    if not found:
        return Asked(digest=before, refused=refused)
    _, request, data = max(found, key=lambda item: item[0])
    return Asked(request=request, digest=digest_bytes(data), data=data, refused=refused)


def hold(shop: Workshop) -> None:
    """Refuse data in which sources that are to be left out have more than the budget.

    Raises:
        TrustError: They have.
    """
    found = shop.asked
    if found.request is None or not found.request.leave_out:
        return
    budget = shop.settings.table(Component.MONITORING).budget
    sources = shop.settings.table(Component.ACQUISITION)
    for path, name in shop.plan.sources.items():
        column = sources[name].source
        share = _share(shop.table(path), column, found.request.leave_out) if column else 0.0
        if share > budget:
            raise TrustError(
                "the data hold rows of sources that a retraining must leave out",
                subject=path,
                rule="a retraining takes in no more poison than the budget",
                expected=f"at most {budget:.2%} of the rows from the sources that move",
                found=f"{share:.2%} of {', '.join(found.request.leave_out)[:100]}",
                hint="leave out the rows of these sources where the data come from",
            )


def answered(shop: Workshop) -> None:
    """Keep the request that this run answered, so that it counts no more."""
    found = shop.asked
    if found.request is not None:
        path = shop.store.root / FOLDER / f"{found.request.number:016d}.json"
        shop.store.write(path, found.data)


def _share(table: Dataset, column: str, sources: tuple[str, ...]) -> float:
    from hauberk.formats.rows import cell_texts

    left, total = frozenset(sources), 0
    sent = 0
    for batch in table.read():
        total += batch.num_rows
        if column in batch.schema.names:
            names = cell_texts(batch.column(column)).to_pylist()
            sent += sum(str(name) in left for name in names if name is not None)
    return sent / max(total, 1)


def _visible(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _answered(store: Store) -> dict[int, Digest]:
    """Numbers of requests that were answered to the digests of their envelopes."""
    folder = store.root / FOLDER
    if not folder.is_dir():
        return {}
    return {
        int(path.stem): digest_bytes(_read(path, MAX_BYTES))
        for path in folder.iterdir()
        if path.stem.isdecimal() and path.suffix == ".json"
    }


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        names = sorted(folder.glob(f"{RETRAIN}-*.json"), reverse=True)  # newest first
        yield from names[:MAX_FILES]


def _read(path: Path, limit: int) -> bytes:
    with open_regular(path) as file:
        return os.read(file, limit + 1)


def _key(settings: Settings) -> PublicKey:
    table = settings.table(Component.MONITORING)
    place = settings.source.place(("monitoring", "monitor_key"))
    if not table.monitor_key:
        raise UsageError(
            "requests are taken up only from a monitor whose key is known",
            subject=place,
            expected='monitor_key = "monitor.pub.pem"',
            found="no key",
            hint="`hauberk monitor key` makes one",
        )
    try:
        return read_public(_read(settings.root / table.monitor_key, MAX_KEY_BYTES))
    except HauberkError as error:
        raise UsageError(
            "the monitor's key cannot be read",
            subject=place,
            expected="a public key in PEM",
            found=error.found or error.message,
        ) from error
