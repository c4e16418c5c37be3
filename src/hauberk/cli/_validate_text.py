"""What `hauberk validate` prints: one block for each part of the examination."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hauberk.report.wording import plural

if TYPE_CHECKING:
    from hauberk.lifecycle.evaluator import Result

_SHOWN = 12
_GROUP_COLUMN = 30


def lines(result: Result) -> Iterator[str]:
    """The whole text."""
    kinds = f"{len(result.classes)} classes" if result.classes else "a number"
    yield f"{result.n_rows} rows, the model gives {kinds}"
    yield f"  rows {result.seal}"
    for name, value in result.metrics.items():
        bounds = result.accuracy if name == "accuracy" else None
        shown = f" [{bounds[0]:.4f}, {bounds[1]:.4f}]" if bounds else ""
        yield f"  {name:<22}{value:.4f}{shown}"
    for name, reason in result.reasons.items():
        if name.partition(" ")[0] in ("labels", "answers", "identifier"):
            yield f"  {name}: {reason}"
    for part in _PARTS:
        said = tuple(part(result))
        yield from ("", *said) if said else ()
    yield ""
    yield from _found(result)


def _found(result: Result) -> Iterator[str]:
    from hauberk.core.finding import Outcome

    for assessment in (*result.assessments, *result.training):
        for finding in assessment.findings:
            yield f"{finding.severity.value.upper():<9} {finding.message}"
            yield f"       -> {finding.remedy}"
        if assessment.outcome is Outcome.FAILED:
            yield f"NOT JUDGED {assessment.control}: {assessment.reason}"
    yield from (f"BROKEN    {sentence}" for sentence in result.unkept)


def _robustness(result: Result) -> Iterator[str]:
    yield "Robustness: share of rows that stay right when a search moves their features"
    found = result.robustness
    if not found.points:
        yield f"  not assessed: {result.reasons.get('robustness', '')}"
        return
    for point in found.points:
        bounds = f"[{point.low:.3f}, {point.high:.3f}]"
        bar = "#" * round(30 * point.share)
        yield f"  within {point.radius:<6g} spreads   {point.share:.3f} {bounds}  {bar}"
    if found.certified:
        shares = ", ".join(f"{one.share:.3f} within {one.radius:g}" for one in found.certified)
        yield f"  proven to stay right: {shares} ({found.proof})"
    asked = sum(forward for _, forward, _ in found.passes.values())
    hidden = {True: "hidden", False: "not hidden", None: "not known"}[found.hides_gradients]
    yield f"  by {', '.join(found.passes)}; gradients {hidden}"
    yield (
        f"  an upper bound, over {len(found.movable)} features that may move; "
        f"{asked} rows scored, {found.cpu_s:.1f} CPU-seconds"
    )


def _triggers(result: Result) -> Iterator[str]:
    yield "Triggers: a class that a far smaller change reaches than any other"
    found = result.triggers.signs
    if found is None:
        yield f"  not assessed: {result.triggers.reason}"
        return
    name = result.classes[found.target]
    ratio, gap = found.scores
    yield (
        f"  nearest to one is {name!r}: a mask {math.exp(ratio):.1f} times smaller than the median "
        f"class's, one faint change takes {gap:+.0%} more rows than for the next class"
    )


def _owned(result: Result) -> Iterator[str]:
    yield "Owned places: rows of training where hardly a given row lies and one class has all"
    found = result.owned.found
    if found is None:
        yield f"  not assessed: {result.owned.reason}"
        return
    trees = "trees grown beside it on the training rows" if result.owned.is_beside else "its trees"
    yield (
        f"  {len(found.regions)} in {found.n_nodes} nodes of {trees}; fewer than {found.least} "
        "planted rows would not show"
    )


def _fairness(result: Result) -> Iterator[str]:
    from hauberk.methods.fairness import Verdict

    yield "Fairness: each group against everybody else"
    if "fairness" in result.reasons:
        yield f"  not assessed: {result.reasons['fairness']}"
        return
    counts = {
        verdict: sum(item.verdict is verdict for item in result.differences) for verdict in Verdict
    }
    yield "  " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    for gap in sorted(result.gaps, key=lambda gap: -gap.value)[:_SHOWN]:
        yield (
            f"  groups of {gap.column[:_GROUP_COLUMN]} are {gap.value:.3f} "
            f"[{gap.low:.3f}, {gap.high:.3f}] apart in {gap.rate} of {gap.given}"
        )
    ranked = sorted(
        (item for item in result.differences if item.verdict is not Verdict.FAIR),
        key=lambda item: (item.verdict is Verdict.UNDECIDED, -abs(item.value)),
    )
    for item in ranked[:_SHOWN]:
        group = f"{item.column}={item.group}"[:_GROUP_COLUMN]
        more = f"; about {item.n_more} more rows would tell" if item.n_more else ""
        yield (
            f"  {group:<{_GROUP_COLUMN}} {item.rate:<15} {item.given}: {item.value:+.3f} "
            f"[{item.low:+.3f}, {item.high:+.3f}] {item.verdict}{more}"
        )
    if len(ranked) > _SHOWN:
        yield f"  and {len(ranked) - _SHOWN} more; --format json lists all"


def _memory(result: Result) -> Iterator[str]:
    yield "Membership inference: training rows that the model's confidence gives away"
    if result.leak is None:
        yield f"  not assessed: {result.reasons.get('membership inference', '')}"
        return
    leak = result.leak
    if any(leak.tied):
        yield (
            f"  not assessable by confidence: {leak.tied[0]:.1%} of {leak.n_members} training rows "
            f"and {leak.tied[1]:.1%} of {leak.n_others} others share the largest one, so that no "
            f"threshold takes as few as {leak.false_rate:.2%} of the others"
        )
    else:
        yield (
            f"  {leak.rate:.1%} of {leak.n_members} [{leak.low:.1%}, {leak.high:.1%}] at no more "
            f"than {leak.false_rate:.2%} of {leak.n_others} other rows; by confidence alone, "
            "without shadow models"
        )
    yield (
        f"  right answers: {leak.right[0]:.1%} of the training rows, {leak.right[1]:.1%} of the "
        f"others; a gap of at least {leak.gap:.1%}"
    )
    yield from _shadowed(result)


def _shadowed(result: Result) -> Iterator[str]:
    from hauberk.lifecycle.robustness import NOT_ASKED

    found = result.exposed.found
    if found is None:
        more = " (--shadows 4 asks for it)" if result.exposed.reason == NOT_ASKED else ""
        yield f"  with shadow models: {result.exposed.reason}{more}"
        return
    for one in found.rates:
        yield (
            f"  {one.rate:.1%} [{one.low:.1%}, {one.high:.1%}] at {one.false_rate:.1%} false "
            f"positives by {found.n_shadows} shadow models, {found.cost_s:.1f} CPU-seconds"
        )
    if result.exposed.forecast_s is not None:
        yield f"  forecast before it began: {result.exposed.forecast_s:.1f} CPU-seconds"
    if result.exposed.recipe:
        yield f"  trained as far as the file tells: {result.exposed.recipe}"
    worst = ", ".join(f"{row} ({ratio:.2f})" for row, ratio in result.exposed.rows[:_SHOWN])
    yield f"  most exposed rows of the training data: {worst}"


def _version_before(result: Result) -> Iterator[str]:
    found = result.edited.found
    if found is None:
        return
    yield "Version before: was the model edited, or trained on?"
    yield (
        f"  {found.n_compared} layers differ; in units of their thresholds: few numbers moved "
        f"{found.sparse:.2f}, some moved far {found.peak:.2f}, a class came nearer "
        f"{found.trigger:.2f}; {found.disagreement:.1%} of the rows are answered differently"
    )


def _share(result: Result) -> Iterator[str]:
    found = result.inferred.found
    if found is None:
        return
    few, many = found.shares
    yield "Property inference: does the model tell the share of the group in its training rows?"
    yield (
        f"  area under the attacker's curve {found.auroc:.3f} [{found.low:.3f}, {found.high:.3f}] "
        f"for {few:.0%} against {many:.0%}, by {found.n_shadows} shadow models of {found.n_rows} "
        "rows; 0.5 is a guess"
    )


def _training(result: Result) -> Iterator[str]:
    if not result.training and not result.training_reason:
        return
    yield "Training data: what hauberk scan says of the rows of --train"
    if result.training_reason:
        yield f"  {result.training_reason}"
        return
    n_findings = sum(len(one.findings) for one in result.training)
    outcomes = Counter(one.outcome.value for one in result.training)
    told = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in sorted(outcomes.items()))
    yield f"  {plural(n_findings, 'finding')}; {told}"


def _slices(result: Result) -> Iterator[str]:
    from hauberk.methods.slices import PROVEN

    if not result.slices:
        return
    proven = [one for one in result.slices if one.p_value < PROVEN]
    yield "Slices: parts of the rows with more errors than elsewhere"
    yield f"  {len(proven)} proven of {len(result.slices)} that looked worst in the other half"
    for one in proven[:_SHOWN]:
        yield (
            f"  {' and '.join(one.where)}: {one.error:.1%} wrong of {one.n} rows, elsewhere "
            f"{one.rest:.1%} (p {one.p_value:.2g})"
        )


def _remedies(result: Result) -> Iterator[str]:
    if result.remedied:
        yield "Remedies: what each would change, on the same rows"
    for one in result.remedied:
        yield f"  {one.name}" + (f": not tried, {one.reason}" if one.reason else "")
        yield from (f"    {name:<40} {text}" for name, text in one.lines())


_PARTS = (
    _robustness,
    _triggers,
    _owned,
    _fairness,
    _slices,
    _memory,
    _training,
    _version_before,
    _share,
    _remedies,
)
