"""Input data: the closed schema of requests, learnt from the rows the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.errors import ArtifactError, UnavailableError
from hauberk.lifecycle.production.model_export import PATH as MODEL
from hauberk.lifecycle.production.signature import schema_for

if TYPE_CHECKING:
    from hauberk.formats.v2_schema import InputSchema
    from hauberk.lifecycle.workshop import Workshop
    from hauberk.methods.networks import Network

PROFILE = "hauberk/profile.json"
SCHEMA = "hauberk/schema.json"
REFERENCE = "hauberk/reference.json"
REFERENCE_ROWS = 5_000
CHECKED_ROWS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[input-data]``.

    Attributes:
        max_rows: Rows that one request may carry.
    """

    max_rows: int = 10_000


def work(shop: Workshop) -> StepReport:
    """Learn profile and schema from the training part; say how many test rows do not fit."""
    from hauberk.formats import v2_schema
    from hauberk.sketches.profile import profile_of

    train = shop.plan.prepared["train"]
    profile = profile_of(shop.table(train))
    table = shop.settings.table(Component.INPUT_DATA)
    schema = schema_for(shop, profile, max_rows=table.max_rows)
    shop.shared.profile = profile.to_bytes()
    shop.shared.schema = v2_schema.to_bytes(schema)
    products = {
        PROFILE: shop.store.blobs.put(iter([shop.shared.profile])),
        SCHEMA: shop.store.blobs.put(iter([shop.shared.schema])),
    }
    shop.shared.reference = _reference(shop, schema)
    if shop.shared.reference:
        products[REFERENCE] = shop.store.blobs.put(iter([shop.shared.reference]))
    attestation = shop.hand_over(
        "input-data", ("learn-schema",), {train: shop.digests[train]}, products
    )
    n_rows, misfits = _misfits(shop, schema)
    return StepReport(
        component=Component.INPUT_DATA,
        state=StepState.DONE,
        summary=f"closed schema of {len(shop.shared.features)} features; "
        f"{misfits} of {n_rows} test rows do not fit it",
        inputs={train: shop.digests[train]},
        outputs=products,
        attestations=(attestation,),
        sections=(_section(schema, n_rows, misfits),),
    )


def _reference(shop: Workshop, schema: InputSchema) -> bytes:
    """What ordinary requests look like; empty where inputs are no numbers, or too few."""
    from hauberk.formats import v2
    from hauberk.formats.v2_schema import request_for
    from hauberk.methods import stream_reference

    parts: list[Any] = []
    for batch in shop.table(shop.plan.prepared["train"]).read():
        rows: Any = batch
        rows = rows.slice(0, REFERENCE_ROWS - sum(map(len, parts))).to_pylist()
        try:
            found = v2.numeric_rows(request_for(schema, rows).inputs) if rows else None
        except ArtifactError:
            return b""
        if found is None:
            break
        parts.append(found)
    try:
        return stream_reference.learn_from(parts, _network(shop)).to_bytes()
    except ArtifactError:
        return b""


def _network(shop: Workshop) -> Network | None:
    """The exported model, where it is a network whose gradients are known."""
    from hauberk.methods.network_reading import of_onnx

    try:
        return of_onnx(shop.view(MODEL).read_bytes())
    except UnavailableError:
        return None


def _misfits(shop: Workshop, schema: InputSchema) -> tuple[int, int]:
    """Test rows looked at, and those that the schema would refuse."""
    from hauberk.formats.v2_schema import request_for

    seen = misfits = 0
    for batch in shop.table(shop.plan.prepared["test"]).read():
        rows: Any = batch
        for row in rows.to_pylist()[: CHECKED_ROWS - seen]:
            seen += 1
            try:
                schema.check(request_for(schema, [row]))
            except ArtifactError:
                misfits += 1
    return seen, misfits


def _section(schema: InputSchema, n_rows: int, misfits: int) -> Section:
    rows = [("test rows that do not fit", f"{misfits} of {n_rows}")]
    for tensor in schema.inputs:
        shape = "x".join("rows" if size is None else str(size) for size in tensor.shape)
        names = ", ".join(rule.name for rule in tensor.columns if rule.name)
        rows.append((tensor.name, f"{tensor.datatype} {shape} {names}".strip()))
    return Section(title="Schema of requests", rows=tuple(rows))
