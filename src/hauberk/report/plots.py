"""Plots of `core.finding` as SVG that stands in a page as it is.

Each function returns one ``<figure>``. Series differ in form (filled, outlined, dashed,
dotted) before they differ in colour; every plot says its main fact in words, for those who
do not see it; numbers that are not finite are left out; sizes are bounded whatever comes.
Colours and fonts are classes of ``page.css``, so the same figure is right on a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from hauberk.core.finding import Curve, Histogram, Matrix, Plot, Thumbnail
from hauberk.report.markup import Markup, element, join, visible
from hauberk.report.wording import number, plural

MAX_BINS = 120
"""Bins of a histogram that are drawn; more are added up pairwise."""
MAX_CATEGORIES = 24
"""Categories that are drawn; the rest is named by count."""
MAX_POINTS = 600
"""Points of a curve that are drawn; more are thinned evenly, ends kept."""
MAX_SERIES = 4
MAX_CELLS = 32
"""Rows and columns of a matrix that are drawn."""
MAX_PIXELS = 96
"""Width and height of a thumbnail that are drawn."""

_WIDTH, _HEIGHT = 340, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 10, 24, 38
_GREYS = 32
_LABEL = 16
_TICKS = 4
_FAR = 1e100

Point = tuple[float, float]
Span = tuple[float, float]


def draw(plot: Plot) -> Markup:
    """Any plot as a ``<figure>``."""
    if isinstance(plot, Histogram):
        return histogram(plot)
    if isinstance(plot, Curve):
        return curve(plot)
    return matrix(plot) if isinstance(plot, Matrix) else thumbnail(plot)


# Histogram ---------------------------------------------------------------------------


def histogram(plot: Histogram) -> Markup:
    """Bars between numbers, or a bar for each category; a second series as an outline."""
    series = {
        name: tuple(_finite(value) for value in values)
        for name, values in list(plot.series.items())[:MAX_SERIES]
    }
    edges = tuple(edge for edge in plot.edges if isinstance(edge, (int, float)))
    if len(edges) != len(plot.edges) or len(edges) < 2:  # noqa: PLR2004 - one bin has two edges
        return _categories(plot, series)
    bins = min([len(edges) - 1, *(len(values) for values in series.values())])
    edges = edges[: bins + 1]
    while len(edges) - 1 > MAX_BINS:
        edges, series = _halve(edges, series)
    if not series or not bins or not all(map(math.isfinite, edges)):
        return _nothing(plot.title)
    edges = tuple(map(_finite, edges))
    if edges[0] >= edges[-1]:
        return _nothing(plot.title)
    return _bars(plot, edges, series)


def _halve(
    edges: tuple[float, ...], series: Mapping[str, tuple[float, ...]]
) -> tuple[tuple[float, ...], dict[str, tuple[float, ...]]]:
    last = edges[-1:] if len(edges) % 2 == 0 else ()
    merged = {
        name: tuple(sum(values[i : i + 2]) for i in range(0, len(values), 2))
        for name, values in series.items()
    }
    return edges[::2] + last, merged


def _bars(
    plot: Histogram, edges: tuple[float, ...], series: Mapping[str, tuple[float, ...]]
) -> Markup:
    xs = (edges[0], edges[-1])
    ys = (0.0, _top(series))
    shapes = [
        _filled(edges, values, xs, ys) if i == 0 else _outline(edges, values, xs, ys, i)
        for i, values in enumerate(series.values())
    ]
    body = join((_axes(xs, ys, "", ""), shapes, _mark(plot.mark, xs)))
    words = f"Highest bar of {next(iter(series))}: {number(max(next(iter(series.values()))))}."
    return _figure(plot.title, body, words, tuple(series), plot.mark)


def _top(series: Mapping[str, tuple[float, ...]]) -> float:
    """The highest bar; one where there is none above zero."""
    return max([0.0, *(max(values, default=0.0) for values in series.values())]) or 1.0


def _filled(edges: Sequence[float], values: Sequence[float], xs: Span, ys: Span) -> Markup:
    base = _y(0, ys)
    path = "".join(
        f"M{_x(a, xs):.1f} {base:.1f}V{_y(value, ys):.1f}H{_x(b, xs) - 0.8:.1f}V{base:.1f}z"
        for (a, b), value in zip(pairwise(edges), values, strict=False)
    )
    return element("path", d=Markup(path), class_="fill s1")


def _outline(edges: Sequence[float], values: Sequence[float], xs: Span, ys: Span, i: int) -> Markup:
    steps = "".join(
        f"L{_x(a, xs):.1f} {_y(value, ys):.1f}H{_x(b, xs):.1f}"
        for (a, b), value in zip(pairwise(edges), values, strict=False)
    )
    start = f"M{_x(edges[0], xs):.1f} {_y(0, ys):.1f}"
    return element("path", d=Markup(f"{start}{steps}V{_y(0, ys):.1f}"), class_=f"line s{i + 1}")


def _categories(plot: Histogram, series: Mapping[str, tuple[float, ...]]) -> Markup:
    names = tuple(str(edge) for edge in plot.edges)[:MAX_CATEGORIES]
    if not names or not series:
        return _nothing(plot.title)
    top = _top(series)
    pitch = 12 * len(series) + 10
    rows = [
        _category(name, [values[i : i + 1] for values in series.values()], top, 6 + i * pitch)
        for i, name in enumerate(names)
    ]
    left_out = len(plot.edges) - len(names)
    words = f"{plural(len(plot.edges), 'category', 'categories')}" + (
        f", the first {len(names)} drawn." if left_out else "."
    )
    height = 6 + pitch * len(names)
    return _figure(plot.title, join(rows), words, tuple(series), None, height=height)


def _category(name: str, values: Sequence[Sequence[float]], top: float, y: float) -> Markup:
    left, room = 112, _WIDTH - 112 - 52
    bars = [
        (
            element(
                "rect",
                x=left,
                y=y + 12 * i,
                height=10,
                class_=f"{'fill' if i == 0 else 'line'} s{i + 1}",
                width=round(max(value, 0) / top * room, 1),
            ),
            _text(left + max(value, 0) / top * room + 5, y + 12 * i + 9, number(value), "tick"),
        )
        for i, held in enumerate(values)
        for value in (held[0] if held else 0.0,)
    ]
    label = _text(left - 8, y + 6 * len(values) + 3, _cut(name), "tick end")
    return join((label, bars))


# Curve -------------------------------------------------------------------------------


def curve(plot: Curve) -> Markup:
    """Points joined by lines, one form of line for each series."""
    series = {
        name: _thin(
            [(_finite(x), _finite(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        )
        for name, points in list(plot.series.items())[:MAX_SERIES]
    }
    points = [point for line in series.values() for point in line]
    if not points:
        return _nothing(plot.title)
    marks = [_finite(plot.mark)] if plot.mark is not None and math.isfinite(plot.mark) else []
    xs = _span([x for x, _ in points] + marks)
    ys = _span([y for _, y in points])
    lines = [_line(line, xs, ys, i) for i, line in enumerate(series.values()) if line]
    body = join((_axes(xs, ys, plot.x, plot.y), lines, _mark(plot.mark, xs)))
    ends = "; ".join(
        f"{name} ends at {number(line[-1][1])}" for name, line in series.items() if line
    )
    return _figure(plot.title, body, f"{ends}.", tuple(series), plot.mark, form="lines")


def _line(points: Sequence[Point], xs: Span, ys: Span, i: int) -> Markup:
    path = "L".join(f"{_x(x, xs):.1f} {_y(y, ys):.1f}" for x, y in points)
    if len(points) == 1:
        x, y = points[0]
        return element("circle", cx=_x(x, xs), cy=_y(y, ys), r=3, class_=f"fill s{i + 1}")
    return element("path", d=Markup(f"M{path}"), class_=f"curve s{i + 1}")


def _thin(points: list[Point]) -> list[Point]:
    if len(points) <= MAX_POINTS:
        return points
    step = (len(points) - 1) / (MAX_POINTS - 1)
    return [points[round(i * step)] for i in range(MAX_POINTS)]


# Matrix ------------------------------------------------------------------------------


def matrix(plot: Matrix) -> Markup:
    """Cells shaded by value, each with its number."""
    columns, rows = plot.columns[:MAX_CELLS], plot.rows[:MAX_CELLS]
    values = [[_finite(value) for value in row[: len(columns)]] for row in plot.values[: len(rows)]]
    flat = [value for row in values for value in row]
    if not flat:
        return _nothing(plot.title)
    span = _span([0.0, *flat])
    head = element(
        "tr", element("td"), [element("th", _cut(name), scope="col") for name in columns]
    )
    body = [
        element("tr", element("th", _cut(name), scope="row"), [_cell(value, span) for value in row])
        for name, row in zip(rows, values, strict=False)
    ]
    cut = len(plot.rows) > len(rows) or len(plot.columns) > len(columns)
    words = f"Only the first {MAX_CELLS} rows and columns are shown." if cut else ""
    table = element(
        "div", element("table", head, body, class_="matrix"), class_="scroll", tabindex=0
    )
    return element("figure", _caption(plot.title, words), table, class_="plot")


def _cell(value: float, span: Span) -> Markup:
    low, high = span
    shade = round(9 * ((value - low) / (high - low)))
    return element("td", number(value), class_=f"h{shade}")


# Thumbnail ---------------------------------------------------------------------------


def thumbnail(plot: Thumbnail) -> Markup:
    """A small grey picture, one path for each of its grey levels."""
    pixels = [row[:MAX_PIXELS] for row in plot.pixels[:MAX_PIXELS]]
    width = max((len(row) for row in pixels), default=0)
    if not width:
        return _nothing(plot.title)
    levels: dict[int, list[str]] = {}
    for y, row in enumerate(pixels):
        for x, value in enumerate(row):
            levels.setdefault(_grey(value), []).append(f"M{x} {y}h1v1h-1z")
    paths = [
        element("path", d=Markup("".join(path)), fill=f"rgb({grey},{grey},{grey})")
        for grey, path in sorted(levels.items())
    ]
    picture = element(
        "svg",
        paths,
        viewBox=f"0 0 {width} {len(pixels)}",
        role="img",
        class_="thumbnail",
        aria_label=f"{plot.title}: a picture of {width} by {len(pixels)} pixels",
        shape_rendering="crispEdges",
    )
    return element("figure", _caption(plot.title, ""), picture, class_="plot")


def _grey(value: float) -> int:
    level = min(max(value, 0), 255) * (_GREYS - 1) // 255
    return int(level * 255 // (_GREYS - 1))


# Interval ----------------------------------------------------------------------------


def interval(
    value: float, bounds: Span | None, target: float, *, at_least: bool, label: str
) -> Markup:
    """A measured value with its interval, held against a target, on one line.

    The side of the target that counts as met is shaded.
    """
    low, high = bounds or (value, value)
    numbers = [_finite(item) for item in (0.0, value, low, high, target)]
    span = (min(numbers), 1.0) if max(numbers) <= 1 else _span(numbers)
    x, left, right, goal = (_along(item, span) for item in (value, low, high, target))
    start, end = (goal, _along(span[1], span)) if at_least else (_along(span[0], span), goal)
    body = (
        element(
            "rect", x=start, y=3, width=round(max(end - start, 0), 1), height=18, class_="goal"
        ),
        element("path", d="M4 12H156", class_="axis"),
        element("path", d=f"M{goal} 2V22", class_="mark"),
        element("path", d=f"M{left} 12H{right}M{left} 8V16M{right} 8V16", class_="bar"),
        element("circle", cx=x, cy=12, r=4.5, class_="dot"),
    )
    return element(
        "svg", body, viewBox="0 0 160 24", role="img", class_="interval", aria_label=label
    )


def _along(value: float, span: Span) -> float:
    low, high = span
    share = (_finite(value) - low) / (high - low)
    return round(4 + 152 * min(max(share, 0.0), 1.0), 1)


# Shared parts ------------------------------------------------------------------------


def _figure(
    title: str,
    body: Markup,
    words: str,
    names: tuple[str, ...],
    mark: float | None,
    *,
    height: float = _HEIGHT,
    form: str = "bars",
) -> Markup:
    picture = element(
        "svg", body, viewBox=f"0 0 {_WIDTH} {height:g}", role="img", aria_label=f"{title}. {words}"
    )
    return element(
        "figure", _caption(title, ""), picture, _legend(names, mark, form), class_="plot"
    )


def _caption(title: str, words: str) -> Markup:
    return element("figcaption", title, element("small", words) if words else None)


def _legend(names: tuple[str, ...], mark: float | None, form: str) -> Markup | None:
    entries = [
        element("li", element("i", class_=f"key s{i + 1}"), name) for i, name in enumerate(names)
    ]
    if mark is not None:
        entries.append(
            element("li", element("i", class_="key threshold"), f"threshold {number(mark)}")
        )
    return element("ul", entries, class_=f"legend {form}") if entries else None


def _axes(xs: Span, ys: Span, x_title: str, y_title: str) -> Markup:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    across = [
        (
            element("path", d=f"M{_LEFT} {_y(tick, ys):.1f}H{right}", class_="grid"),
            _text(_LEFT - 6, _y(tick, ys) + 4, number(tick), "tick end"),
        )
        for tick in _ticks(ys)
    ]
    along = [_text(_x(tick, xs), bottom + 15, number(tick), "tick mid") for tick in _ticks(xs)]
    base = element("path", d=f"M{_LEFT} {bottom}H{right}", class_="axis")
    titles = (
        _text((_LEFT + right) / 2, _HEIGHT - 5, _cut(x_title, 40), "name mid") if x_title else None,
        _text(2, 12, _cut(y_title, 40), "name") if y_title else None,
    )
    return join((across, along, base, titles))


def _ticks(span: Span) -> list[float]:
    """Round numbers inside ``span``, about four of them."""
    low, high = span
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, min(last, first + 9) + 1)]


def _mark(mark: float | None, xs: Span) -> Markup | None:
    if mark is None or not xs[0] <= mark <= xs[1]:
        return None
    x = _x(mark, xs)
    return element("path", d=f"M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}", class_="mark")


def _text(x: float, y: float, text: str, class_: str) -> Markup:
    return element("text", text, x=round(x, 1), y=round(y, 1), class_=class_)


def _x(value: float, span: Span) -> float:
    return _LEFT + (value - span[0]) / (span[1] - span[0]) * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, span: Span) -> float:
    room = _HEIGHT - _TOP - _BOTTOM
    return _HEIGHT - _BOTTOM - (value - span[0]) / (span[1] - span[0]) * room


def _span(values: Sequence[float]) -> Span:
    low, high = min(values), max(values)
    if high - low > max(abs(low), abs(high)) * 1e-9:
        return (low, high)
    pad = abs(low) / 2 or 0.5
    return (low - pad, high + pad)


def _finite(value: float) -> float:
    """``value`` where differences, products and logarithms of two such numbers stay finite.

    Beyond 1e100 no picture tells one number from another, and below 1e-100 none from zero.
    """
    if not math.isfinite(value) or abs(value) < 1 / _FAR:
        return 0.0
    return max(-_FAR, min(_FAR, value))


def _cut(text: str, limit: int = _LABEL) -> str:
    text = visible(text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _nothing(title: str) -> Markup:
    return element(
        "figure",
        _caption(title, ""),
        element("p", "Nothing to draw.", class_="quiet"),
        class_="plot",
    )
