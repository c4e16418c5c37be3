"""Metadata store: signed events in an append-only log, and an index that can be rebuilt.

What happened in a run is appended to the log as canonical JSON: hand-overs with their
digests, metrics that Hauberk computed, the digest of each signed envelope. The log is the
truth. The index beside it is SQL for asking questions; losing or editing it changes no
decision, and ``rebuild`` makes it again from the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.errors import UsageError
from hauberk.lifecycle import release_records, reporting
from hauberk.lifecycle.log_check import judged_log
from hauberk.lifecycle.production.metadata_door import SECRET
from hauberk.lifecycle.production.metadata_events import checked
from hauberk.lifecycle.production.metadata_runs import trace_place
from hauberk.trust.cache import load_secret
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.sealing import seal

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[metadata-store]``.

    Attributes:
        notes: Name to text, logged with every run.
        traces: Products of steps with one sensitive evaluation trace a line; each is sealed
            before it is logged, and read only with a grant.
    """

    notes: dict[str, str] = field(default_factory=dict)
    traces: tuple[str, ...] = ()


def work(shop: Workshop) -> StepReport:
    """Judge log and index as earlier runs left them, append, sign the head, index."""
    from hauberk.lifecycle.production import metadata_index

    before = judged_log(shop.store, shop.signing.root)
    events = [canonical_json(checked(event)) for event in _events(shop)]
    receipt = shop.store.log.append(events)
    head = shop.signing.sign_head(shop.store)
    index = metadata_index.refresh(shop.store)
    rows = (
        ("events of this run", str(len(events))),
        ("records in the log", str(receipt.size)),
        ("head", head or "not signed"),
        ("runs in the index", str(index.n_runs)),
        ("witness", "hauberk log witness carries the head to a second place"),
    )
    report = StepReport(
        component=Component.METADATA_STORE,
        state=StepState.DONE,
        summary=f"{len(events)} events appended, {receipt.size} in the log",
        sections=(Section(title="Log", rows=rows),),
    )
    return reporting.with_gate(report, shop.decide(before))


def _events(shop: Workshop) -> Iterator[dict[str, Any]]:
    run = shop.context.run_id
    yield {
        "kind": "run",
        "run": run,
        "project": shop.settings.project.name,
        "code": shop.code.digest,
    }
    for record, attestation in zip(shop.records, shop.attestations, strict=True):
        yield {
            "kind": "step",
            "run": run,
            "step": record.name,
            "materials": dict(record.materials),
            "products": dict(record.products),
            "envelope": digest_bytes(attestation.envelope) if attestation.envelope else None,
        }
    model = shop.digests.get(shop.plan.model)
    for name, value in shop.shared.metrics.items():
        yield {"kind": "metric", "run": run, "model": model, "name": name, "value": value}
    if shop.shared.released is not None:
        yield release_records.done(run, shop.shared.released)
    table: TABLE = shop.settings.table(Component.METADATA_STORE)
    for name, text in {**table.notes, **shop.asked.notes()}.items():
        yield {"kind": "note", "run": run, "name": name, "text": text}
    for path in table.traces:
        yield from _traces(shop, path)


def _traces(shop: Workshop, path: str) -> Iterator[dict[str, Any]]:
    """One sealed event for each line of a product."""
    if path not in shop.digests:
        raise UsageError(
            "no step makes the file of traces",
            subject=shop.settings.source.place((Component.METADATA_STORE.value, "traces")),
            expected="an output of a step",
            found=path,
        )
    secret = load_secret(shop.configuration, project=shop.settings.root, name=SECRET)
    data = b"".join(shop.store.blobs.open(shop.digests[path]))
    for row, line in enumerate(data.splitlines()):
        place = trace_place(shop.context.run_id, path, row)
        yield {
            "kind": "trace",
            "run": shop.context.run_id,
            "name": path,
            "row": row,
            "sealed": seal(secret, place, line),
        }
