"""Analysis: what the data look like before they are split, and what is suspicious in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.finding import Histogram, Plot
from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.lifecycle import reporting

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop
    from hauberk.sketches.profile import Profile

PRODUCT = "hauberk/analysis.json"
"""Name of the profile among the products."""

SHOWN_COLUMNS = 40
SHOWN_BARS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[analysis]``; nothing to set yet."""


def work(shop: Workshop) -> StepReport:
    """Profile the table that will be split; let the data controls look at its rows."""
    from hauberk.sketches.profile import profile_of

    path = subject_path(shop)
    dataset = shop.table(path)
    profile = profile_of(dataset)
    digest = shop.store.blobs.put(iter([profile.to_bytes()]))
    attestation = shop.hand_over(
        "analysis", ("profile",), {path: shop.digests[path]}, {PRODUCT: digest}
    )
    assessments = shop.judge(dataset, ["dataset"])
    report = StepReport(
        component=Component.ANALYSIS,
        state=StepState.DONE,
        summary=_summary(dataset, profile),
        inputs={path: shop.digests[path]},
        outputs={PRODUCT: digest},
        attestations=(attestation,),
        sections=(_columns(profile), *_balance(profile), *_groups(dataset, profile)),
    )
    return reporting.with_gate(report, shop.decide(assessments))


def subject_path(shop: Workshop) -> str:
    """The table to look at: the one that will be split, else the training part's source."""
    if shop.plan.split_from is not None:
        return shop.plan.split_from
    made = [path for step in shop.plan.steps for path in step.table.outputs]
    return (made or list(shop.plan.sources))[-1]


def _summary(dataset: Dataset, profile: Profile) -> str:
    missing = sum(column.missing for column in profile.columns)
    label = f", label {dataset.label}" if dataset.label else ", no label"
    return f"{profile.rows:,} rows, {len(profile.columns)} columns, {missing:,} missing{label}"


def _columns(profile: Profile) -> Section:
    rows = []
    for column in profile.columns[:SHOWN_COLUMNS]:
        span = ""
        if column.kind is ColumnKind.NUMBER and column.low is not None:
            span = f", {column.low:g} to {column.high:g}"
        elif column.categories is not None:
            span = f", {len(column.categories)} values"
        missing = f", {column.missing} missing" if column.missing else ""
        rows.append((column.name, f"{column.kind}{span}{missing}"))
    left = len(profile.columns) - len(rows)
    text = f"The first {len(rows)} columns; {left} more are in the profile." if left else ""
    return Section(title="Columns", text=text, rows=tuple(rows))


def _balance(profile: Profile) -> tuple[Section, ...]:
    balance = profile.balance()
    if not balance:
        return ()
    names = sorted(balance, key=lambda name: -balance[name])[:SHOWN_BARS]
    plot: Plot = Histogram(
        title="Rows per label",
        edges=tuple(names),
        series={"rows": tuple(float(balance[name]) for name in names)},
    )
    return (Section(title="Label balance", plots=(plot,)),)


def _groups(dataset: Dataset, profile: Profile) -> tuple[Section, ...]:
    """Rows per value of each sensitive column."""
    names: Sequence[str] = dataset.sensitive
    rows = []
    for name in names:
        counts = profile.representation([name])
        said = ", ".join(f"{'/'.join(key)}: {count:,}" for key, count in sorted(counts.items()))
        rows.append((name, said))
    return (Section(title="Representation of groups", rows=tuple(rows)),) if rows else ()
