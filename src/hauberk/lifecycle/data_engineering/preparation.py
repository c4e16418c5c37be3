"""Preparation: split the rows once, from a committed seed, and seal the parts.

The split is made by Hauberk (random, stratified by a column, by whole groups, or by time) or
by the project's own step, declared. The test part is sealed: its digest is attested, no step of
the user reads it, and only the independent evaluator does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.core.artifact import Comparison, Digest, Splits
from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.errors import UsageError
from hauberk.lifecycle import reporting
from hauberk.lifecycle.plan import LimitsTable
from hauberk.lifecycle.steps import do, report_of

if TYPE_CHECKING:
    from hauberk.core.control import Control
    from hauberk.core.finding import Assessment
    from hauberk.lifecycle.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitTable:
    """``split``: shares of the rows, 0 to 1.

    Attributes:
        stratify: Column whose shares are kept equal in all parts.
        seed: Seed of the shuffle; part of the recipe.
        by: Of a split of the project's own (``run``) how it draws rows, and that it is done again
            and compared: ``sklearn`` (``train_test_split``, with ``random_state=seed``) or
            ``hauberk``, as without ``run``.
    """

    test: float = 0.2
    validation: float = 0.2
    stratify: str | None = None
    seed: int = 0
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[preparation]``.

    Attributes:
        data: Table to split; the last preprocessing output where it is not given.
        run: The project's own split, which writes ``train``, ``validation`` and ``test``.
        group: Column whose values may not stand in two parts.
        time: Column by which test rows may not be older than training rows.
    """

    data: str | None = None
    split: SplitTable = field(default_factory=SplitTable)
    train: str = "data/train.csv"
    validation: str | None = "data/validation.csv"
    test: str = "data/test.csv"
    label: str | None = None
    group: str | None = None
    time: str | None = None
    run: str | None = None
    inputs: tuple[str, ...] = ()
    limits: LimitsTable = field(default_factory=LimitsTable)


def work(shop: Workshop) -> StepReport:
    """Split, seal, and look for rows that stand in two parts."""
    report = _own_split(shop) if shop.plan.preparation else _split(shop)
    splits = splits_of(shop)
    assessments = shop.judge(splits, ["dataset"]) + _balance(splits, shop) + _again(splits, shop)
    return reporting.with_gate(report, shop.decide(assessments))


def _balance(splits: Splits, shop: Workshop) -> tuple[Assessment, ...]:
    """All parts together, and the training part, against the table that they come from."""
    source = _source(shop)
    if source is None:
        return ()
    old = shop.table(source)
    if old.label is None or splits.train.label is None:
        return ()
    parts = [part for part in (splits.train, splits.validation, splits.test) if part is not None]
    whole = replace(
        splits.train,
        name="all parts",
        digest=None,
        path=None,
        read=lambda: chain.from_iterable(part.read() for part in parts),
    )
    pairs = [Comparison(old=old, new=new) for new in (whole, splits.train)]
    found = [shop.judge(pair, ["dataset"], only=_weighs_cells) for pair in pairs]
    return tuple(chain.from_iterable(found))


def _source(shop: Workshop) -> str | None:
    """The table that is split, where it is one: scripts beside it do not count."""
    own = shop.plan.preparation
    if shop.plan.split_from is not None or own is None:
        return shop.plan.split_from if shop.plan.split_from in shop.digests else None
    made = {path for step in shop.plan.steps for path in step.table.outputs}
    known = made | {*shop.plan.sources}
    tables = [path for path in own.table.inputs if path in known and path in shop.digests]
    return tables[0] if len(tables) == 1 else None


def _again(splits: Splits, shop: Workshop) -> tuple[Assessment, ...]:
    """The declared split of the project's own step, done again from its one input."""
    own = shop.plan.preparation
    table = shop.settings.table(Component.PREPARATION)
    if own is None or table.split.by is None:
        return ()
    from hauberk.lifecycle.data_engineering.splitting import drawn_again

    _refuse_shares(shop, table.split)
    source = _source(shop)
    if source is None:
        raise UsageError(
            "a split that is done again has one table among its inputs",
            subject=shop.settings.source.place(("preparation", "inputs")),
            expected="the table that is split, a source or what a step before wrote",
            found=", ".join(own.table.inputs) or "none",
            hint="leave [preparation.split] by out, and the split is not done again",
        )
    again = drawn_again(shop.table(source), table.split, splits, group=table.group, time=table.time)
    return shop.judge(again, ["dataset"])


def _weighs_cells(control: Control) -> bool:
    return control.id == "dataset/skewed-cells"


def splits_of(shop: Workshop) -> Splits:
    """The parts, opened lazily from the sealed bytes."""
    table = shop.settings.table(Component.PREPARATION)
    prepared = shop.plan.prepared
    validation = prepared.get("validation")
    return Splits(
        train=shop.table(prepared["train"]),
        test=shop.table(prepared["test"]),
        validation=shop.table(validation) if validation else None,
        group=table.group,
        time=table.time,
    )


def _own_split(shop: Workshop) -> StepReport:
    step = shop.plan.preparation
    if step is None:
        raise UsageError("no split step is declared")
    return report_of(step, do(step, shop))


def _split(shop: Workshop) -> StepReport:
    from hauberk.lifecycle.data_engineering.splitting import write_parts

    table = shop.settings.table(Component.PREPARATION)
    source = shop.plan.split_from
    if source is None:
        raise UsageError("no table to split is declared")
    _refuse_shares(shop, table.split)
    if table.split.by not in {None, "hauberk"}:
        raise UsageError(
            "without a step of its own a split is made by Hauberk",
            subject=shop.settings.source.place(("preparation", "split")),
            expected='by = "hauberk", or run = "..." beside it',
            found=str(table.split.by),
        )
    folder = shop.work / "preparation"
    counts = write_parts(
        shop.table(source),
        table.split,
        shop.plan.prepared,
        folder,
        group=table.group,
        time=table.time,
    )
    products = {path: _sealed(folder / path, path, shop) for path in shop.plan.prepared.values()}
    command = (
        "split",
        f"seed={table.split.seed}",
        f"stratify={table.split.stratify}",
        f"group={table.group}",
        f"time={table.time}",
    )
    attestation = shop.hand_over("preparation", command, {source: shop.digests[source]}, products)
    for path in products:
        shop.deliver(path)
    rows = tuple((role, f"{counts[role]:,} rows, {products[path]}") for role, path in _roles(shop))
    return StepReport(
        component=Component.PREPARATION,
        state=StepState.DONE,
        summary=", ".join(f"{role} {counts[role]:,}" for role, _ in _roles(shop)) + " rows",
        inputs={source: shop.digests[source]},
        outputs=products,
        attestations=(attestation,),
        sections=(Section(title="Split", rows=rows),),
    )


def _roles(shop: Workshop) -> tuple[tuple[str, str], ...]:
    return tuple(shop.plan.prepared.items())


def _sealed(file: Path, path: str, shop: Workshop) -> Digest:
    digest = shop.store.publish_file(file)
    shop.land(path, digest)
    return digest


def _refuse_shares(shop: Workshop, split: SplitTable) -> None:
    keys = ("preparation", "split")
    shares = (split.test, split.validation)
    if any(not 0 <= share < 1 for share in shares) or not split.test or sum(shares) >= 1:
        raise UsageError(
            "the shares of the split do not fit",
            subject=shop.settings.source.place(keys),
            expected="test above 0, validation at least 0, together below 1",
            found=f"test = {split.test}, validation = {split.validation}",
        )
