"""Numbers to draw behind a finding; `report` makes pictures of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts between edges, with an optional second series to hold against the first.

    Attributes:
        edges: ``n + 1`` increasing numbers, or ``n`` names for categories.
        series: Name to ``n`` counts or rates.
        mark: Position of a threshold on the axis.
    """

    title: str
    edges: tuple[float, ...] | tuple[str, ...]
    series: Mapping[str, tuple[float, ...]]
    mark: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points joined by lines; each series is ``(x, y)`` pairs."""

    title: str
    x: str
    y: str
    series: Mapping[str, tuple[tuple[float, float], ...]]
    mark: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A small table of numbers drawn as cells."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small grey picture, values 0 to 255."""

    title: str
    pixels: tuple[tuple[int, ...], ...]


Plot = Histogram | Curve | Matrix | Thumbnail
