"""The page of one model: traffic, latency, quality, columns drawn against training, who asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from hauberk.core.finding import Curve, Histogram, Plot
from hauberk.monitor import hours, pages
from hauberk.monitor.hours import DAY_H, Hour
from hauberk.monitor.judging import Judged
from hauberk.monitor.store import Shown, Sum
from hauberk.monitor.streams import Stream
from hauberk.report.evidence import pairs
from hauberk.report.markup import Markup, Node, element
from hauberk.report.plots import draw
from hauberk.report.wording import number, percent, plural
from hauberk.sketches.drift import ColumnDistance
from hauberk.sketches.grid import Axis, Grid

SPANS: Final = {"day": (DAY_H, 1), "week": (7 * DAY_H, 1), "month": (30 * DAY_H, DAY_H)}
SPANS_ALL: Final = {**SPANS, "year": (365 * DAY_H, DAY_H)}
"""Name to the hours shown and the hours of one point."""
MAX_DRAWN: Final = 12
MAX_ASKING: Final = 15
MAX_BARS: Final = 10
MAX_STREAMS: Final = 3
MAX_SERIES: Final = 4
_BINS = 24
_TAIL = 0.25
_FIRST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the page is drawn from.

    Attributes:
        judged: The last day.
        sums: The span, in order.
        provenance: Where the serving model comes from, in pairs.
        streams: Senders of the last day, those that matter most first.
    """

    name: str
    tone: str
    span: str
    grid: Grid
    judged: Judged
    sums: Sequence[Sum]
    alerts: Sequence[Shown]
    provenance: Sequence[tuple[str, str]]
    streams: Mapping[str, Stream] = field(default_factory=dict)


def model_page(view: View) -> str:
    """The page."""
    counts = view.judged.counts
    return pages.page(
        view.name,
        element(
            "section",
            element("h1", view.name),
            element("p", pages.state(view.tone)),
            _tiles(view),
            class_="verdict " + ("caution" if view.tone == "idle" else view.tone),
        ),
        _section("Over time", "time", _spans(view), _plots(_over_time(view))),
        _section("Columns, last day against training", "columns", *_columns(view)),
        _section("Predictions, last day", "predictions", *_predictions(counts)),
        _section("Groups, last day", "groups", *_groups(counts)),
        _section("Query streams, last day", "streams", *_asking(view)),
        _section("Alerts of the last week", "alerts", pages.alerts_list(view.alerts)),
        _section("Where the model comes from", "provenance", _provenance(view)),
    )


def _section(title: str, key: str, *body: Node) -> Markup:
    return element("section", element("h2", title), *body, id=key)


def _tiles(view: View) -> Markup:
    counts = view.judged.counts
    accuracy = counts.accuracy()
    drifted = [item.label for item in view.judged.distances if item.drifted]
    estimate = view.sums[-1].estimate if view.sums else None
    tiles = (
        ("Requests, last day", number(counts.requests), False),
        ("Rows", number(counts.rows), False),
        ("Refused", number(sum(counts.tallies.get(hours.REFUSED, {}).values())), False),
        ("Errors", number(counts.errors), bool(counts.errors)),
        ("95 % answered within", pages.milliseconds(counts.latency_s(0.95)), False),
        ("Columns that drifted", f"{len(drifted)} of {len(view.grid.axes)}", bool(drifted)),
        ("Accuracy by labels", percent(accuracy[0]) if accuracy else "no labels yet", False),
        ("Accuracy by confidence", percent(estimate), False),
        ("Replicas that disagree", ", ".join(view.judged.liars) or "none", bool(view.judged.liars)),
    )
    return element(
        "dl",
        [
            element(
                "div",
                element("dt", name),
                element("dd", value),
                class_="tile weak" if weak else "tile",
            )
            for name, value, weak in tiles
        ],
        class_="tiles",
    )


def _spans(view: View) -> Markup:
    links: list[Node] = []
    for name in SPANS_ALL:
        current = "page" if name == view.span else None
        href = f"/models/{view.name}?span={name}"
        links += [element("a", f"last {name}", href=href, aria_current=current), " "]
    return element("p", links, class_="quiet")


def _plots(plots: Sequence[Plot]) -> Node:
    if not plots:
        return element("p", "Nothing came in this time.")
    return element("div", [draw(plot) for plot in plots], class_="plots")


def _over_time(view: View) -> list[Plot]:
    sums = view.sums
    if not sums:
        return []
    unit = DAY_H if SPANS_ALL[view.span][1] == DAY_H else 1
    last = sums[-1].hour
    x = "days ago" if unit == DAY_H else "hours ago"

    def line(values: Sequence[float | None]) -> tuple[tuple[float, float], ...]:
        both = zip(sums, values, strict=True)
        return tuple(((s.hour - last) / unit, float(v)) for s, v in both if v is not None)

    named = (
        ("Traffic", {"requests": [s.requests for s in sums], "refused": [s.refused for s in sums]}),
        ("Latency, 95 % within (s)", {"p95": [_finite(s.latency) for s in sums]}),
        ("Errors of the server", {"errors": [s.errors for s in sums]}),
        (
            "Quality",
            {
                "accuracy by labels": [s.accuracy for s in sums],
                "accuracy by confidence": [s.estimate for s in sums],
            },
        ),
        ("Mean confidence", {"confidence": [s.confidence for s in sums]}),
        ("Predictions, share", _predicted(sums)),
        ("Drift, distance from training", _drift(view)),
    )
    plots: list[Plot] = []
    for title, series in named:
        lines = {name: found for name, values in series.items() if (found := line(values))}
        if lines:
            plots.append(Curve(title=title, x=x, y="", series=lines))
    return plots


def _finite(value: float | None) -> float | None:
    return None if value is None or value == float("inf") else value


def _predicted(sums: Sequence[Sum]) -> dict[str, list[float | None]]:
    totals: dict[str, int] = {}
    for item in sums:
        for name, n in item.predicted.items():
            totals[name] = totals.get(name, 0) + n
    top = sorted(totals, key=lambda name: -totals[name])[:3]
    return {
        name: [
            s.predicted.get(name, 0) / sum(s.predicted.values()) if s.predicted else None
            for s in sums
        ]
        for name in top
    }


def _drift(view: View) -> dict[str, list[float | None]]:
    """The columns that are farthest, over time."""
    n = len(view.grid.axes)
    known = [s.shapes if len(s.shapes) == n and s.rows else None for s in view.sums]
    present = [row for row in known if row is not None]
    if not present or not n:
        return {}
    far = np.argsort(-np.max(present, axis=0))[:3]
    return {
        view.grid.axes[i].label: [None if row is None else float(row[i]) for row in known]
        for i in far.tolist()
    }


# Columns -----------------------------------------------------------------------------


def _columns(view: View) -> list[Node]:
    ranked = sorted(view.judged.distances, key=lambda item: (not item.drifted, -item.shape))
    vector = _vector(view.judged.counts, view.grid)
    parts = {axis.label: (axis, counts) for axis, counts in view.grid.cut(vector)}
    drawn = [draw(_both(*parts[item.label])) for item in _varied(ranked)[:MAX_DRAWN]]
    head = ("Column", "State", "Distance", "PSI", "Missing", "Unseen", "Rows")
    left = len(ranked) - len(drawn)
    return [
        element("div", drawn, class_="plots") if drawn else element("p", "No columns are watched."),
        element("p", f"{len(drawn)} are drawn, the farthest of each column first.", class_="quiet")
        if left > 0
        else None,
        pages.grid(head, [_column(item) for item in ranked]),
    ]


def _varied(ranked: Sequence[ColumnDistance]) -> list[ColumnDistance]:
    """The farthest measure of each column, then the further ones, so that none is crowded out."""
    first: dict[str, ColumnDistance] = {}
    for item in ranked:
        first.setdefault(item.name, item)
    best = {item.label for item in first.values()}
    return [*first.values(), *(item for item in ranked if item.label not in best)]


def _vector(counts: Hour, grid: Grid) -> Any:
    return counts.counts if counts.counts.size else grid.zeros()


def _column(item: ColumnDistance) -> list[Node]:
    return [
        element("code", item.label),
        pages.state("caution" if item.drifted else ("good" if item.n[1] else "idle")),
        f"{item.shape:.3f}",
        f"{item.psi:.3f}",
        f"{item.missing:+.1%}",
        f"{item.unseen:.1%}",
        number(item.n[1]),
    ]


def _both(axis: Axis, live: Any) -> Histogram:
    """Training and live rows over the same bins."""
    both = {
        "training": np.array(axis.training, np.float64),
        "live": np.asarray(live, np.float64),
    }
    if axis.measure == "category":
        return _bars(axis, both)
    even = np.linspace(*_shown(axis), _BINS + 1)
    return Histogram(
        title=f"{axis.label}{' (length)' if axis.measure == 'length' else ''}",
        edges=tuple(even.tolist()),
        series={name: _evened(axis, counts, even) for name, counts in both.items()},
    )


def _shown(axis: Axis) -> tuple[float, float]:
    """The range that is drawn: long tails are cut, or nothing else would be seen."""
    low, high = axis.edges[0], max(axis.high, axis.edges[0] + 1e-9)
    if len(axis.edges) > 3:  # noqa: PLR2004 - enough bins to tell a tail
        inner = axis.edges[1:]
        reach = (inner[-1] - inner[0]) * _TAIL
        low, high = max(low, inner[0] - reach), min(high, inner[-1] + reach)
    return low, high


def _bars(axis: Axis, both: Mapping[str, Any]) -> Histogram:
    shown = list(range(_FIRST, len(axis.names) + _FIRST))[:MAX_BARS]
    rest = [place for place in range(1, axis.width) if place not in shown]
    series = {}
    for name, counts in both.items():
        row = [*(counts[place] for place in shown), counts[rest].sum()]
        series[name] = tuple(float(n / max(sum(row), 1)) for n in row)
    names = (*(axis.names[place - _FIRST] for place in shown), "(others)")
    return Histogram(title=axis.label, edges=names, series=series)


def _evened(axis: Axis, counts: Any, even: Any) -> tuple[float, ...]:
    """Counts of uneven bins, spread over even ones."""
    edges = np.append(np.asarray(axis.edges), axis.high)
    edges = np.maximum.accumulate(edges + np.arange(edges.size) * 1e-12)
    reached = np.concatenate([[0.0], np.cumsum(counts[_FIRST:-1])])
    at = np.interp(even, edges, reached)
    return tuple((np.diff(at) / max(counts[1:].sum(), 1)).tolist())


# Tables ------------------------------------------------------------------------------


def _predictions(counts: Hour) -> list[Node]:
    predicted = counts.tallies.get(hours.PREDICTED, {})
    confidence = counts.tallies.get(hours.CONFIDENCE, {})
    plots: list[Plot] = []
    if predicted:
        top = sorted(predicted, key=lambda name: (-predicted[name], name))[:10]
        n = sum(predicted.values())
        shares = tuple(predicted[name] / n for name in top)
        plots.append(Histogram(title="Predictions", edges=tuple(top), series={"live": shares}))
    if confidence:
        n = sum(confidence.values())
        edges = tuple(i / hours.N_CONFIDENCE for i in range(hours.N_CONFIDENCE + 1))
        bins = tuple(confidence.get(str(i), 0) / n for i in range(hours.N_CONFIDENCE))
        plots.append(Histogram(title="Confidence", edges=edges, series={"live": bins}))
    return [_plots(plots)]


def _groups(counts: Hour) -> list[Node]:
    """What is predicted of each group, and how much of it is right where labels came."""
    table = _by_group(counts.tallies.get(hours.GROUP, {}))
    if not table:
        return [element("p", "No column of groups is named.")]
    right = _by_group(counts.tallies.get(hours.GROUP_JUDGED, {}))
    names = sorted({name for row in table.values() for name in row})[:6]
    head = ("Group", "Rows", *names, "Right by labels")
    rows = [
        [
            group,
            number(sum(row.values())),
            *(_share(row, name) for name in names),
            _share(right[group], hours.RIGHT) if group in right else "no labels yet",
        ]
        for group, row in sorted(table.items())
    ]
    shown = sorted(table)[:MAX_BARS]
    plots: list[Plot] = [
        Histogram(
            title="Predictions by group, share",
            edges=tuple(shown),
            series={
                name: tuple(table[g].get(name, 0) / max(sum(table[g].values()), 1) for g in shown)
                for name in names[:MAX_SERIES]
            },
        )
    ]
    if right:
        known = [group for group in shown if group in right]
        shares = tuple(right[g].get(hours.RIGHT, 0) / sum(right[g].values()) for g in known)
        title = "Right by labels, by group"
        plots.append(Histogram(title=title, edges=tuple(known), series={"right": shares}))
    return [_plots(plots), pages.grid(head, rows)]


def _by_group(tally: Mapping[str, int]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for key, n in tally.items():
        group, _, name = key.partition("\t")
        table.setdefault(group, {})[name] = n
    return table


def _share(row: Mapping[str, int], name: str) -> str:
    return percent(row.get(name, 0) / max(sum(row.values()), 1))


def _asking(view: View) -> list[Node]:
    """Streams of queries, those that controls note first, with when they came."""
    counts = view.judged.counts
    if not view.streams and not counts.tallies.get(hours.PRINCIPAL):
        return [element("p", "No log of decisions is watched for this model.")]
    top = list(view.streams.items())[:MAX_ASKING]
    left = len(view.streams) - len(top)
    refused = counts.tallies.get(hours.REFUSED, {})
    shadow = counts.tallies.get(hours.SHADOW, {})
    said = [(f"refused: {name}", number(n)) for name, n in sorted(refused.items())]
    said += [(f"in shadow: {name}", number(n)) for name, n in sorted(shadow.items())]
    head = ("Principal", "State", "Requests", "Rows", "Refused", "Noted by controls")
    return [
        _plots(_streams(top)),
        pages.grid(head, [_stream(name, stream) for name, stream in top]),
        element("p", f"And {plural(left, 'sender')} more.", class_="quiet") if left > 0 else None,
        pairs(said) if said else None,
    ]


def _streams(top: Sequence[tuple[str, Stream]]) -> list[Plot]:
    """When those that were noted asked, or else those that asked most."""
    shown = [item for item in top if item[1].noted][:MAX_STREAMS] or list(top[:MAX_STREAMS])
    if not shown:
        return []
    lines = {
        name: tuple((float(hour), float(n)) for hour, n in enumerate(stream.by_hour))
        for name, stream in shown
    }
    return [Curve(title="Requests by the hour of the day", x="hour (UTC)", y="", series=lines)]


def _stream(name: str, stream: Stream) -> list[Node]:
    noted = ", ".join(f"{control} ({number(n)})" for control, n in sorted(stream.noted.items()))
    return [
        element("a", element("code", name), href=f"/audit?principal={_quoted(name)}"),
        pages.state("caution" if noted else "good"),
        number(stream.requests),
        number(stream.rows),
        number(stream.refused),
        noted or "none",
    ]


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name)


def _provenance(view: View) -> Node:
    return pairs(view.provenance) if view.provenance else element("p", "No record is named.")
