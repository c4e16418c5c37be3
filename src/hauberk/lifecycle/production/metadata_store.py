"""Metadata store: signed events in an append-only log, and an index that can be rebuilt.

What happened in a run is appended to the log as canonical JSON: hand-overs with their
digests, metrics that Hauberk computed, the digest of each signed envelope. The log is the
truth. The index beside it is SQL for asking questions; losing or editing it changes no
decision, and ``rebuild`` makes it again from the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.lifecycle import reporting
from hauberk.lifecycle.log_check import judged_log
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[metadata-store]``; nothing to set yet."""


def work(shop: Workshop) -> StepReport:
    """Judge log and index as earlier runs left them, append, sign the head, index."""
    from hauberk.lifecycle.production import metadata_index

    before = judged_log(shop.store, shop.signing.root)
    events = [canonical_json(event) for event in _events(shop)]
    receipt = shop.store.log.append(events)
    head = shop.signing.sign_head(shop.store)
    index = metadata_index.refresh(shop.store)
    rows = (
        ("events of this run", str(len(events))),
        ("records in the log", str(receipt.size)),
        ("head", head or "not signed"),
        ("runs in the index", str(index.n_runs)),
        ("witness", "not witnessed: no second place holds the heads"),
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
