"""How numbers, times and names are written wherever people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from hauberk.core.lifecycle import Component, Stage

STAGE_TITLES = {
    Stage.DATA_ENGINEERING: "Data engineering",
    Stage.EXPERIMENT: "Experiment and development",
    Stage.PRODUCTION: "Production",
    Stage.ALL: "Cross-cutting",
}

_LARGE = 10_000
_DIGITS = 4
_SHORT_DIGEST = 12
_MINUTE_S = 60
_TENTH_S = 0.1
_TINY = 0.001


def number(value: float | None) -> str:
    """A number with at most four significant digits; whole numbers whole.

    >>> [number(value) for value in (0.123456, 1234567, 3.0, None, float("nan"))]
    ['0.1235', '1 234 567', '3', 'none', 'not a number']
    """
    if value is None:
        return "none"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("infinite" if value > 0 else "-infinite")
    if float(value).is_integer() and abs(value) < 1e15:  # noqa: PLR2004 - floats are exact below
        return f"{int(value):,}".replace(",", " ")
    if abs(value) >= _LARGE:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.{_DIGITS}g}"


def percent(share: float | None) -> str:
    """A share from 0 to 1 as people say it; never rounded to all or none.

    >>> percent(0.0133), percent(1.0), percent(0.9999), percent(0.00001), percent(None)
    ('1.3 %', '100 %', 'over 99.9 %', 'under 0.1 %', 'not measured')
    """
    if share is None or not math.isfinite(share):
        return "not measured"
    if 0 < share < _TINY:
        return "under 0.1 %"
    if 1 - _TINY < share < 1:
        return "over 99.9 %"
    return f"{number(round(100 * share, 1))} %"


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> plural(1, "finding"), plural(3, "finding"), plural(2, "entry", "entries")
    ('1 finding', '3 findings', '2 entries')
    """
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(0.004), duration(3.21), duration(125.2)
    ('under 0.1 s', '3.2 s', '2 min 5 s')
    """
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < _TENTH_S:
        return "under 0.1 s"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    return f"{int(seconds // _MINUTE_S)} min {int(seconds % _MINUTE_S)} s"


def moment(at: float) -> str:
    """A time of the run's clock, in UTC.

    >>> moment(0)
    '1970-01-01 00:00:00 UTC'
    """
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "unknown time"


def short(digest: str) -> str:
    """The first twelve digits of a digest or key id, without the name of the algorithm.

    >>> short("sha256:0123456789abcdef")
    '0123456789ab'
    """
    return digest.removeprefix("sha256:")[:_SHORT_DIGEST]


def title(component: Component) -> str:
    """A component's name as a heading.

    >>> title(Component.MODEL_EXPORT)
    'Model export'
    """
    return component.value.replace("-", " ").capitalize()
