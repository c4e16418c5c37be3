"""The figures that attacks measured in a run, each held against its target."""

from __future__ import annotations

from collections.abc import Sequence

from hauberk.catalogue import figure_of
from hauberk.core.attack import Score
from hauberk.core.threat import Comparison
from hauberk.report.evidence import Threats, threat_chip
from hauberk.report.markup import Markup, Node, element
from hauberk.report.plots import interval
from hauberk.report.verdict import state_words
from hauberk.report.wording import number, percent, plural

_SIGNS = {"met": "✓", "missed": "✕", "void": "∅"}
_COLUMNS = (
    "Threat",
    "Attack and control",
    "Without the control",
    "With the control",
    "False alarms",
    "Result",
)


def attacks(scores: Sequence[Score], threats: Threats) -> Markup:
    """A table of scores; on a narrow page every score becomes a block."""
    head = element("tr", [element("th", name, scope="col") for name in _COLUMNS])
    rows = [_row(score, threats) for score in scores]
    return element(
        "table", element("thead", head), element("tbody", rows), class_="scores stacking"
    )


def _row(score: Score, threats: Threats) -> Markup:
    known = threats.get(score.threat)
    cells: tuple[Node, ...] = (
        (threat_chip(score.threat, threats), element("small", known.title) if known else None),
        (
            element("code", score.attack),
            element("small", "against ", element("code", score.control)),
            element("small", score.strength) if score.strength else None,
        ),
        (percent(score.potency), element("small", "of the attacks work")),
        _measured(score),
        percent(score.false_alarm_rate),
        (
            element("b", f"{_SIGNS.get(score.state, '…')} {state_words(score)}"),
            element("small", f"{plural(score.trials, 'trial')} ({score.unit})"),
            _shipped(score, threats),
            element("small", score.note) if score.note else None,
        ),
    )
    boxes = [
        element("td", cell, data_label=name) for name, cell in zip(_COLUMNS, cells, strict=True)
    ]
    return element("tr", boxes, class_=f"score {score.state.replace(' ', '-')}")


def _shipped(score: Score, threats: Threats) -> Markup | None:
    """What the catalogue ships of the same part, from a run at full size."""
    known = threats.get(score.threat)
    parts = figure_of(known).parts if known else ()
    for part in parts:
        full = part.score
        if full and (full.metric, full.strength) == (score.metric, score.strength):
            text = f"measured in full: {full.state}, {plural(full.trials, 'trial')}"
            return element("small", element("b", text))
    return None


def _measured(score: Score) -> list[Node]:
    sign = "at least" if score.comparison is Comparison.AT_LEAST else "at most"
    goal = f"target {sign} {number(score.target)}"
    if score.value is None:
        return ["no value", element("small", goal)]
    spread = ""
    if score.interval is not None:
        low, high = score.interval
        spread = f"{number(low)} to {number(high)}, "
    label = f"{score.metric} {number(score.value)}, {spread}{goal}"
    drawing = interval(
        score.value,
        score.interval,
        score.target,
        at_least=score.comparison is Comparison.AT_LEAST,
        label=label,
    )
    value = element("b", number(score.value))
    words = element("small", spread, element("span", goal, class_="goal-text"))
    return [value, f" {score.metric.replace('_', ' ')}", drawing, words]
