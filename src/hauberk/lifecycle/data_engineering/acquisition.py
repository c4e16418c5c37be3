"""Acquisition: land every source, pin its bytes, and go on only with the landed copy.

A source is a file of the project, a file that an installed Python package carries
(``package:NAME/path``), or an https address. The first landing records the digest in
``hauberk.lock``; from then on other bytes under the same name are refused. A digest in the
lifecycle file counts more than the lock. Of a database the answer to one query is landed; the
query and the state that it was asked of are attested beside the digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hauberk.core.artifact import Digest, RegistryEntry
from hauberk.core.lifecycle import Component
from hauberk.core.record import Attestation, Section, StepReport, StepState
from hauberk.errors import TrustError, UsageError
from hauberk.lifecycle import reporting, retraining
from hauberk.lifecycle.downloads import Landed
from hauberk.lifecycle.lock import Pin
from hauberk.lifecycle.sources import land

if TYPE_CHECKING:
    from hauberk.core.finding import Assessment
    from hauberk.lifecycle.queries import Snapshot
    from hauberk.lifecycle.workshop import Workshop

MANY = True
ALTERED_FETCH = "registry/altered-fetch"


class Mode(StrEnum):
    """How the bytes are kept: ``pin`` refuses change, ``snapshot`` copies anew per run."""

    PIN = "pin"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[acquisition.NAME]``.

    Attributes:
        uri: Where the bytes come from: a path, ``package:NAME/path``, ``system:PATH`` (below
            ``/usr/share``) or an https address.
        path: Where scripts look for them; the path itself for files of the project.
        sha256: Expected digest, 64 hexadecimal digits.
        label: Column to predict.
        sensitive: Columns that name a protected group.
        licence: Licence of the data, recorded in the lock.
        croissant: Path of the publisher's Croissant metadata in the project; the source must
            have the digest that stands there.
        query: For a database (``sqlite:``, ``duckdb:``, ``postgresql:``, ``sqlalchemy+``): what
            to ask it; the answer is landed as CSV.
    """

    uri: str
    path: str | None = None
    mode: Mode = Mode.PIN
    sha256: str | None = None
    label: str | None = None
    sensitive: tuple[str, ...] = ()
    source: str | None = None
    annotator: str | None = None
    licence: str | None = None
    croissant: str | None = None
    query: str | None = None


def work(shop: Workshop) -> StepReport:
    """Land all sources; refuse bytes that are not the pinned ones."""
    tables = shop.settings.table(Component.ACQUISITION)
    rows: list[tuple[str, str]] = []
    outputs: dict[str, Digest] = {}
    attestations: list[Attestation] = []
    assessments: list[Assessment] = []
    for path, name in shop.plan.sources.items():
        landed, snapshot = _land(shop, name, path, tables[name])
        outputs[path] = landed.digest
        step, products = f"acquisition.{name}", {path: landed.digest}
        attestations.append(shop.hand_over(step, _command(landed, snapshot), {}, products))
        assessments.extend(_checked(shop, name, landed))
        rows.append((path, f"{landed.size:,} bytes from {landed.origin}; {landed.digest}"))
        if snapshot is not None:
            rows.append(
                (f"{path}: query", f"{snapshot.query}; {snapshot.engine}, {snapshot.state}")
            )
    retraining.hold(shop)
    shop.pins.write()
    report = StepReport(
        component=Component.ACQUISITION,
        state=StepState.DONE,
        summary=f"{len(outputs)} source{'s' if len(outputs) != 1 else ''} landed and pinned",
        outputs=outputs,
        attestations=tuple(attestations),
        sections=(Section(title="Sources", rows=tuple(rows)),),
    )
    return reporting.with_gate(report, shop.decide(assessments))


def _command(landed: Landed, snapshot: Snapshot | None) -> tuple[str, ...]:
    if snapshot is None:
        return ("land", landed.origin)
    return ("query", snapshot.origin, snapshot.query, snapshot.engine, snapshot.state)


def _checked(shop: Workshop, name: str, landed: Landed) -> tuple[Assessment, ...]:
    """The landed copy held against the pin once more, as it lies in the store now."""
    pin = shop.pins.get(name)
    entry = RegistryEntry(
        name=name,
        version=landed.digest,
        channel="source",
        read=lambda _: b"".join(shop.store.blobs.open(landed.digest)),
        trusted={"digest": pin.digest} if pin else {},
    )
    return shop.judge(entry, ["registry"], only=lambda control: control.id == ALTERED_FETCH)


def _declared(shop: Workshop, keys: tuple[str, str], table: TABLE) -> Digest | None:
    """The digest that the lifecycle file or the publisher's description has for a source."""
    own = Digest(f"sha256:{table.sha256}") if table.sha256 else None
    if table.croissant is None:
        return own
    from hauberk.lifecycle.croissant import digest_for, read_description
    from hauberk.lifecycle.plan import inside

    path = shop.settings.root / inside(table.croissant, shop.settings, (*keys, "croissant"))
    described = digest_for(read_description(path), table.uri, table.croissant)
    if own is not None and own != f"sha256:{described}":
        raise TrustError(
            "the lifecycle file and the Croissant metadata of a source disagree",
            subject=shop.settings.source.place((*keys, "sha256")),
            rule="what two parties say of the same bytes is the same",
            expected=f"sha256:{described} ({table.croissant})",
            found=own,
            hint="ask the publisher which of them is right",
        )
    return Digest(f"sha256:{described}")


def _whose(table: TABLE) -> str:
    return table.croissant or "lifecycle file"


def _land(shop: Workshop, name: str, path: str, table: TABLE) -> tuple[Landed, Snapshot | None]:
    keys = ("acquisition", name)
    declared = _declared(shop, keys, table)
    pinned = shop.pins.get(name) if table.mode is Mode.PIN else None
    expected = declared or (pinned.digest if pinned else None)
    landed, snapshot = _bytes(shop, keys, table, expected)
    if expected is not None and landed.digest != expected:
        raise TrustError(
            f"the source {name!r} is not what was pinned",
            subject=f"{path} ({table.uri})",
            rule="bytes under a pinned name never change",
            expected=f"{expected} ({_whose(table) if declared else 'hauberk.lock'})",
            found=landed.digest,
            hint="find out who changed it; if that is right, remove the pin and run again",
        )
    shop.pins.put(
        name,
        Pin(
            uri=table.uri,
            digest=landed.digest,
            size=landed.size,
            licence=table.licence or (pinned.licence if pinned else ""),
        ),
    )
    shop.land(path, landed.digest)
    return landed, snapshot


def _bytes(
    shop: Workshop, keys: tuple[str, str], table: TABLE, expected: Digest | None
) -> tuple[Landed, Snapshot | None]:
    """The source in the store: a file as it is, a database's answer as CSV."""
    from hauberk.lifecycle.queries import asked, is_query_source

    if is_query_source(table.uri) != (table.query is not None):
        raise UsageError(
            "a database needs a query, and nothing else takes one",
            subject=shop.settings.source.place(keys),
            expected='uri = "sqlite:..." and query = "SELECT ... ORDER BY ..."',
            found=table.uri if table.query is None else f"a query for {table.uri}",
        )
    if table.query is None:
        return land(table.uri, shop, keys, expected=expected), None
    with asked(table.uri, table.query, shop.settings.root) as answer:
        digest = shop.store.blobs.put(answer.chunks)
        snapshot = answer.snapshot
    landed = Landed(digest=digest, size=shop.store.blobs.size(digest), origin=snapshot.origin)
    return landed, snapshot
