import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.example_record import plots

from hauberk.core.finding import Curve, Histogram, Matrix, Plot, Thumbnail
from hauberk.report.plots import MAX_BINS, MAX_CATEGORIES, MAX_POINTS, draw, interval

_FLOATS = st.floats(allow_nan=True, allow_infinity=True)
_TEXT = st.text(st.characters(codec=None), max_size=12)
_HISTOGRAMS = st.builds(
    Histogram,
    title=_TEXT,
    edges=st.one_of(st.lists(_FLOATS, max_size=9), st.lists(_TEXT, max_size=9)).map(tuple),
    series=st.dictionaries(_TEXT, st.lists(_FLOATS, max_size=9).map(tuple), max_size=6),
    mark=st.none() | _FLOATS,
)
_CURVES = st.builds(
    Curve,
    title=_TEXT,
    x=_TEXT,
    y=_TEXT,
    series=st.dictionaries(
        _TEXT, st.lists(st.tuples(_FLOATS, _FLOATS), max_size=9).map(tuple), max_size=6
    ),
    mark=st.none() | _FLOATS,
)
_MATRICES = st.builds(
    Matrix,
    title=_TEXT,
    rows=st.lists(_TEXT, max_size=4).map(tuple),
    columns=st.lists(_TEXT, max_size=4).map(tuple),
    values=st.lists(st.lists(_FLOATS, max_size=4).map(tuple), max_size=4).map(tuple),
)
_THUMBNAILS = st.builds(
    Thumbnail,
    title=_TEXT,
    pixels=st.lists(st.lists(st.integers(), max_size=4).map(tuple), max_size=4).map(tuple),
)


_EDGE = st.sampled_from((0.0, -1.0, 1.0, 5e-324, 1e-300, 1.2e308, -1.7976931348623157e308))
_AT_THE_EDGE = st.builds(
    Curve,
    title=st.just("far"),
    x=st.just("x"),
    y=st.just("y"),
    series=st.dictionaries(
        st.just("s"),
        st.lists(st.tuples(_EDGE, _EDGE), min_size=1, max_size=4).map(tuple),
        min_size=1,
    ),
    mark=st.none() | _EDGE,
) | st.builds(
    Histogram,
    title=st.just("far"),
    edges=st.lists(_EDGE, min_size=2, max_size=4).map(sorted).map(tuple),
    series=st.dictionaries(
        st.just("s"), st.lists(_EDGE, min_size=3, max_size=3).map(tuple), min_size=1
    ),
    mark=st.none() | _EDGE,
)


@given(plot=st.one_of(_AT_THE_EDGE, _HISTOGRAMS, _CURVES, _MATRICES, _THUMBNAILS))
def test_any_numbers_give_a_figure_without_numbers_that_svg_cannot_carry(plot: Plot):
    figure = draw(plot)
    assert figure.startswith("<figure")
    coordinates = " ".join(re.findall(r' (?:d|x|y|cx|cy|width|height)="([^"]*)"', figure))
    assert "nan" not in coordinates
    assert "inf" not in coordinates


@pytest.mark.parametrize("plot", plots())
def test_every_plot_names_itself(plot: Plot):
    assert plot.title in draw(plot)


def test_a_second_series_is_an_outline():
    figure = draw(plots()[0])
    assert figure.count('class="fill s1"') == 1
    assert figure.count('class="line s2"') == 1


def test_a_threshold_is_drawn_where_it_lies():
    plot = Histogram(title="t", edges=(0.0, 1.0), series={"s": (1.0,)}, mark=0.5)
    assert 'class="mark"' in draw(plot)


def test_many_bins_are_added_up():
    edges = tuple(float(i) for i in range(1001))
    figure = draw(Histogram(title="t", edges=edges, series={"s": (1.0,) * 1000}))
    (path,) = re.findall(r'd="([^"]*)" class="fill s1"', figure)
    assert path.count("z") <= MAX_BINS


def test_adding_up_bins_keeps_the_last_edge():
    edges = tuple(float(i) for i in range(MAX_BINS + 4))
    figure = draw(Histogram(title="t", edges=edges, series={"s": (1.0,) * (MAX_BINS + 3)}))
    (path,) = re.findall(r'd="([^"]*)" class="fill s1"', figure)
    assert path.count("z") == MAX_BINS // 2 + 2


def test_many_points_are_thinned_with_both_ends_kept():
    points = tuple((float(i), float(i)) for i in range(10_000))
    figure = draw(Curve(title="t", x="x", y="y", series={"s": points}))
    (path,) = re.findall(r'd="(M[^"]*)" class="curve s1"', figure)
    assert path.count("L") == MAX_POINTS - 1
    assert "s ends at 9 999" in figure


def test_many_categories_are_counted_and_some_drawn():
    names = tuple(f"name {i}" for i in range(100))
    figure = draw(Histogram(title="t", edges=names, series={"s": (1.0,) * 100}))
    assert f"100 categories, the first {MAX_CATEGORIES} drawn." in figure
    assert figure.count('class="fill s1"') == MAX_CATEGORIES


def test_an_interval_shades_the_side_that_counts_as_met():
    at_least = interval(0.9, (0.8, 0.95), 0.5, at_least=True, label="a")
    at_most = interval(0.9, (0.8, 0.95), 0.5, at_least=False, label="b")
    assert '<rect x="80.0" y="3" width="76.0"' in at_least
    assert '<rect x="4.0" y="3" width="76.0"' in at_most


def test_a_cell_near_the_largest_number_is_drawn():
    plot = Matrix(title="t", rows=("r",), columns=("c",), values=((1.9974368165136842e307,),))
    assert 'class="h9"' in draw(plot)


@given(value=_FLOATS, low=_FLOATS, high=_FLOATS, target=_FLOATS)
def test_an_interval_of_any_numbers_stays_on_its_line(
    value: float, low: float, high: float, target: float
):
    drawing = interval(value, (low, high), target, at_least=True, label="l")
    places = [float(x) for x in re.findall(r'cx="([^"]*)"', drawing)]
    assert all(math.isfinite(x) and 4 <= x <= 156 for x in places)
