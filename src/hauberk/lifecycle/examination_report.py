"""The parts of an examination as sections and sentences, for the page that people read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hauberk.core.finding import Curve, Histogram
from hauberk.core.record import Section
from hauberk.lifecycle.remedying import remedies_section
from hauberk.lifecycle.robustness import robustness_section
from hauberk.methods.fairness import Verdict
from hauberk.methods.slices import PROVEN

if TYPE_CHECKING:
    from hauberk.lifecycle.evaluator import Result
    from hauberk.lifecycle.owning import Owned
    from hauberk.lifecycle.robustness import Triggers
    from hauberk.methods.slices import Slice

_SHOWN = 25


def sections(result: Result) -> tuple[Section, ...]:
    """Metrics, robustness, triggers, fairness, membership: each with its plot."""
    return (
        _metrics(result),
        robustness_section(result.robustness, title="Robustness"),
        triggers_section(result.triggers, result.classes),
        owned_section(result.owned, result.classes),
        _fairness(result),
        *([slices_section(result.slices)] if result.slices else []),
        _membership(result),
        *([remedies_section(result.remedied)] if result.remedied else []),
    )


def sentences(result: Result) -> Iterator[str]:
    """What each part means, in one plain sentence."""
    if result.accuracy:
        low, high = result.accuracy
        yield (
            f"It is right on {result.metrics['accuracy']:.1%} of {result.n_rows} rows "
            f"(between {low:.1%} and {high:.1%} with 95 % confidence on each side)."
        )
    if "labels" in result.reasons:
        yield f"Not all labels are the model's: {result.reasons['labels']}."
    points = result.robustness.points
    if points:
        last = points[-1]
        yield (
            f"At most {last.share:.0%} of the rows stay right when each feature may move by "
            f"{last.radius:g} spreads; a stronger attacker may leave fewer."
        )
        if result.robustness.hides_gradients:
            yield "It hides its gradients: robustness against gradient attacks means nothing here."
    else:
        yield f"Robustness was not assessed: {result.robustness.reason}."
    if result.triggers.signs is None:
        yield f"It was not searched for a planted trigger: {result.triggers.reason}."
    yield _of_groups(result)
    if result.exposed.found is None and result.leak is None:
        yield "What it remembers of its training rows was not assessed."
    yield from (f"Broken: {sentence}." for sentence in result.unkept)


def _of_groups(result: Result) -> str:
    if "fairness" in result.reasons:
        return f"Groups of people were not compared: {result.reasons['fairness']}."
    counts = {
        verdict: sum(item.verdict is verdict for item in result.differences) for verdict in Verdict
    }
    words = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items())
    return f"Groups of people, each against everybody else: {words}."


def _metrics(result: Result) -> Section:
    rows = [(name, f"{value:.4f}") for name, value in result.metrics.items()]
    if result.accuracy:
        low, high = result.accuracy
        rows.append(("accuracy, one-sided 95 % bounds", f"{low:.4f} to {high:.4f}"))
    return Section(title="Scored again", rows=(("rows", f"{result.n_rows}"), *rows))


def triggers_section(searched: Triggers, names: tuple[str, ...]) -> Section:
    """What a report says of the search for triggers of pictures."""
    found = searched.signs
    title = "Planted triggers"
    if found is None:
        return Section(title=title, rows=(("not assessed", searched.reason),))
    ratio, gap = found.scores
    return Section(
        title=title,
        rows=(
            ("class nearest to a trigger", names[found.target]),
            ("smallest mask below the median", f"{ratio:.2f} in logarithms"),
            ("rows that one faint change takes beyond the next class", f"{gap:+.0%}"),
        ),
        plots=(
            Histogram(
                title="size of the smallest mask, by class",
                edges=names,
                series={"share of the input": tuple(map(float, found.masks))},
            ),
        ),
    )


def owned_section(searched: Owned, names: tuple[str, ...]) -> Section:
    """What a report says of the search for triggers of tables."""
    found, title = searched.found, "Owned places"
    if found is None:
        return Section(title=title, rows=(("not assessed", searched.reason),))
    rows = [
        ("nodes of trees looked at", f"{found.n_nodes}"),
        ("planted rows that would show", f"{found.least} or more"),
        ("places that one class owns", f"{len(found.regions)}"),
    ]
    if found.regions:
        one, name = found.regions[0], names[found.regions[0].target]
        rows.append((f"training rows in the least likely, of {name}", f"{one.n_grown}"))
        rows.append(("given rows there", f"{one.n_honest} of {one.of_honest}"))
        rows.append(("other rows that go over when moved there", f"{one.taken:.0%}"))
    return Section(title=title, rows=tuple(rows))


def _fairness(result: Result) -> Section:
    title = "Groups of people"
    if "fairness" in result.reasons:
        return Section(title=title, rows=(("not assessed", result.reasons["fairness"]),))
    ranked = sorted(
        result.differences,
        key=lambda item: (item.verdict is not Verdict.VIOLATION, -abs(item.value)),
    )
    rows = tuple(
        (
            f"{item.column} = {item.group}: {item.rate} of {item.given}",
            f"{item.value:+.3f} [{item.low:+.3f}, {item.high:+.3f}] {item.verdict.value}"
            + (f"; about {item.n_more} more rows would tell" if item.n_more else ""),
        )
        for item in ranked[:_SHOWN]
    )
    return Section(title=title, rows=rows)


def slices_section(slices: Sequence[Slice]) -> Section:
    """What a report says of parts of the rows with more errors than elsewhere."""
    rows = tuple(
        (
            " and ".join(one.where),
            f"{one.error:.1%} wrong of {one.n} rows, elsewhere {one.rest:.1%}, "
            + ("proven" if one.p_value < PROVEN else "not proven"),
        )
        for one in slices
    )
    return Section(title="Parts of the rows that look worst", rows=rows)


def _membership(result: Result) -> Section:
    rows: list[tuple[str, str]] = []
    if result.leak is not None:
        leak = result.leak
        rows.append(
            (
                f"by confidence alone, at {leak.false_rate:.2%} false positives",
                f"{leak.rate:.1%} [{leak.low:.1%}, {leak.high:.1%}]",
            )
        )
    found = result.exposed.found
    if found is None:
        rows.append(("with shadow models", result.exposed.reason))
        return Section(title="What it remembers", rows=tuple(rows))
    rows += [
        (
            f"by {found.n_shadows} shadow models, at {one.false_rate:.1%} false positives",
            f"{one.rate:.1%} [{one.low:.1%}, {one.high:.1%}]",
        )
        for one in found.rates
    ]
    worst = ", ".join(f"{row} ({ratio:.2f})" for row, ratio in result.exposed.rows[:_SHOWN])
    rows += [("cost", f"{found.cost_s:.1f} CPU-seconds"), ("most exposed rows", worst)]
    if result.exposed.recipe:
        rows.append(("how shadows were trained", result.exposed.recipe))
    plot = Curve(
        title="Ratio of the most exposed rows",
        x="rank",
        y="ratio",
        series={
            "training rows": tuple(
                (float(rank), ratio) for rank, (_, ratio) in enumerate(result.exposed.rows)
            )
        },
    )
    return Section(title="What it remembers", rows=tuple(rows), plots=(plot,))
