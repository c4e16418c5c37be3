"""Versioned data: every prepared data set is a version, and two versions show their difference.

A version is a record of digests and row identities in the store; the bytes are shared with
every other version that has them. The difference says how many rows came, went, and kept
their features under another label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from hauberk.core.artifact import Batch, Dataset, Digest
from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.digest import digest_bytes

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop

MAX_RECORD_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[versioned-data]``; nothing to set yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a project's data.

    Attributes:
        number: From 1.
        files: Path to digest of the prepared parts and the table they were cut from.
        rows: Digest of the list of row identities, which lies in the store.
        parent: Digest of the version before; ``None`` for the first.
    """

    number: int
    files: Mapping[str, str]
    rows: str
    parent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed between two versions, in rows."""

    added: int
    removed: int
    relabelled: int
    kept: int


def work(shop: Workshop) -> StepReport:
    """Keep the prepared data as a version; the same data keep their version."""
    name = f"data/{shop.settings.project.name}"
    files = {path: str(shop.digests[path]) for path in _paths(shop)}
    pointer = shop.store.pointers.get(name)
    previous = _read(pointer.value, shop) if pointer else None
    if previous is not None and dict(previous.files) == files:
        return _report(previous, None, shop, StepState.SKIPPED)
    rows = _rows(shop)
    version = Version(
        number=previous.number + 1 if previous else 1,
        files=files,
        rows=_put(canonical_json(rows), shop),
        parent=pointer.value.decode() if pointer else None,
    )
    digest = _put(canonical_json(asdict(version)), shop)
    shop.store.pointers.swap(name, digest.encode(), expect=pointer.tag if pointer else None)
    difference = difference_of(_rows_of(previous, shop), rows) if previous else None
    materials = {path: shop.digests[path] for path in files}
    products = {f"{name}@{version.number}": digest}
    attestation = shop.hand_over("versioned-data", ("keep",), materials, products)
    report = _report(version, difference, shop, StepState.DONE)
    return replace(report, inputs=materials, attestations=(attestation,))


def _paths(shop: Workshop) -> tuple[str, ...]:
    source = shop.plan.split_from
    return (*([source] if source else []), *shop.plan.prepared.values())


def _rows(shop: Workshop) -> list[list[str]]:
    """``[identity of the features, identity of the whole row]`` of every prepared row."""
    found: list[list[str]] = []
    for path in shop.plan.prepared.values():
        dataset = shop.table(path)
        for batch in dataset.read():
            found.extend(_identities(batch, dataset))
    return sorted(found)


def _identities(batch: Batch, dataset: Dataset) -> Iterable[list[str]]:
    from hauberk.formats.rows import row_digests

    rows: Any = batch
    features = rows
    if dataset.label is not None:
        names = [column.name for column in dataset.columns if column.name != dataset.label]
        features = rows.select(names)
    whole, parts = row_digests(batch), row_digests(features)
    return ([part.hex()[:32], row.hex()[:32]] for part, row in zip(parts, whole, strict=True))


def difference_of(old: list[list[str]], new: list[list[str]]) -> Difference:
    """What changed between two lists of ``[identity of the features, identity of the row]``."""
    before, after = Counter(map(tuple, old)), Counter(map(tuple, new))
    gone, came = before - after, after - before
    lost: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for (features, _), count in gone.items():
        lost[features] += count
    for (features, _), count in came.items():
        found[features] += count
    relabelled = sum((lost & found).values())
    return Difference(
        added=sum(came.values()) - relabelled,
        removed=sum(gone.values()) - relabelled,
        relabelled=relabelled,
        kept=sum((before & after).values()),
    )


def _put(data: bytes, shop: Workshop) -> Digest:
    shop.store.blobs.put(iter([data]))
    return digest_bytes(data)


def _read(value: bytes, shop: Workshop) -> Version:
    document = _json(Digest(value.decode()), shop)
    return Version(**document)


def _rows_of(version: Version, shop: Workshop) -> list[list[str]]:
    rows: list[list[str]] = _json(Digest(version.rows), shop)
    return rows


def _json(digest: Digest, shop: Workshop) -> Any:
    data = b"".join(shop.store.blobs.open(digest))
    return parse_json(data, max_bytes=max(MAX_RECORD_BYTES, len(data)), max_depth=8)


def _report(
    version: Version, difference: Difference | None, shop: Workshop, state: StepState
) -> StepReport:
    rows = [("version", str(version.number)), *((path, d) for path, d in version.files.items())]
    summary = f"version {version.number}"
    if state is StepState.SKIPPED:
        summary += ", unchanged"
    if difference is not None:
        changes = asdict(difference)
        summary += ": " + ", ".join(f"{count} {word}" for word, count in changes.items())
        rows.extend((f"rows {word}", f"{count:,}") for word, count in changes.items())
    shop.shared.version = str(version.number)
    return StepReport(
        component=Component.VERSIONED_DATA,
        state=state,
        summary=summary,
        outputs={path: Digest(digest) for path, digest in version.files.items()},
        sections=(Section(title="Version", rows=tuple(rows)),),
    )
