"""How robust a model is: what the worker's attacks found, believed no further than its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hauberk.core.finding import Curve
from hauberk.core.record import Section
from hauberk.errors import ArtifactError

if TYPE_CHECKING:
    from hauberk.methods.triggers import Signs

NOT_ASKED = "not asked for"
METRIC = "robust_accuracy@"
"""Before a radius: the share of rows that stay right within it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One radius.

    Attributes:
        share: Rows that stayed right, as a share of those attacked; an upper bound of what
            stays right under every attack.
        low: Lower bound of the share in the population, one-sided at 95 %.
        high: Upper bound likewise.
    """

    radius: float
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """What attacks on a model gave.

    Attributes:
        points: The curve, smallest radius first; none where nothing could be attacked.
        strength: How hard it was tried, as attestations say it.
        cpu_s: Processor seconds it took.
        passes: Attack to calls of the model, rows scored and rows that gradients were taken of.
        fooled: Attack to the rows that it was the first to fool, over all radii.
        is_valid: Whether every moved row keeps the schema of the features.
        hides_gradients: Whether the model only looks robust to gradients; ``None`` where it has
            none that are known.
        schema: What was learnt of the features, as people may correct it.
        reason: Why nothing could be attacked.
        certified: Share of rows that are proven to stay right at each radius.
        proof: How it is proven; empty where nothing is.
    """

    points: tuple[Point, ...] = ()
    strength: Mapping[str, Any] | None = None
    movable: tuple[str, ...] = ()
    cpu_s: float = 0.0
    passes: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    fooled: Mapping[str, int] = field(default_factory=dict)
    is_valid: bool = True
    hides_gradients: bool | None = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    certified: tuple[Point, ...] = ()
    proof: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """The curve as metrics."""
        return {f"{METRIC}{point.radius:g}": point.share for point in self.points}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Bounds of `metrics`."""
        return {f"{METRIC}{point.radius:g}": (point.low, point.high) for point in self.points}

    @property
    def plot(self) -> Curve:
        """To draw: the share with its bounds."""
        series = {
            name: tuple((point.radius, value(point)) for point in self.points)
            for name, value in _LINES.items()
        }
        return Curve(title="Rows that stay right", x="radius", y="share", series=series)


_LINES: Mapping[str, Callable[[Point], float]] = {
    "share": lambda point: point.share,
    "lower bound": lambda point: point.low,
    "upper bound": lambda point: point.high,
}
_NUMBERS = ("rows", "of", "queries", "radius", "steps")


def robustness_of(answer: Any) -> Robustness:
    """The worker's answer as a value.

    Raises:
        ArtifactError: It is malformed.
    """
    if answer is None:
        return Robustness(reason=NOT_ASKED)
    try:
        if reason := answer.get("not_applicable"):
            return Robustness(reason=str(reason), strength={"not_applicable": str(reason)})
        strength = {name: float(answer[name]) for name in _NUMBERS} | {
            "attacks": sorted(map(str, answer["attacks"])),
            "norm": str(answer["norm"]),
            "unit": str(answer["unit"]),
        }
        rows = int(answer["rows"])
        points = tuple(_point(float(eps), int(right), rows) for eps, right in answer["curve"])
        return Robustness(
            points=points,
            strength={name: _whole(value) for name, value in strength.items()},
            movable=tuple(map(str, answer["movable"])),
            cpu_s=float(answer["cpu_s"]),
            passes={str(name): _three(counts) for name, counts in answer["passes"].items()},
            fooled={str(name): int(count) for name, count in answer["fooled"].items()},
            is_valid=answer["valid"] is True,
            hides_gradients=_flag(answer["hides_gradients"]),
            schema=dict(answer["schema"]),
            **_certified(answer.get("certified")),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            "the worker's answer is malformed", found=f"{type(error).__name__}: {error}"
        ) from error


def _certified(answer: Any) -> dict[str, Any]:
    if answer is None:
        return {}
    rows = int(answer["rows"])
    points = tuple(_point(float(eps), int(right), rows) for eps, right in answer["curve"])
    return {"certified": points, "proof": str(answer["how"])}


def _point(radius: float, right: int, rows: int) -> Point:
    from hauberk.methods.statistics import clopper_pearson

    bounds = clopper_pearson(right, rows)
    return Point(
        radius=radius, share=right / rows if rows else 0.0, low=bounds.low, high=bounds.high
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """What the search for a trigger gave.

    Attributes:
        signs: What was found; ``None`` where it was not searched.
        n_rows: Clean rows that a trigger had to turn.
        of: Rows there were.
        reason: Why it was not searched.
        is_calibrated: Whether the shipped scale is of networks like this one.
    """

    signs: Signs | None = None
    n_rows: int = 0
    of: int = 0
    reason: str = ""
    is_calibrated: bool = True

    @property
    def strength(self) -> Mapping[str, Any] | None:
        """How hard it was searched, as attestations say it; ``None`` where nobody asked."""
        if self.reason == NOT_ASKED:
            return None
        if self.signs is None:
            return {"not_applicable": self.reason}
        return {"of": self.of, "rows": self.of, "turned": self.n_rows}


def triggers_of(answer: Any) -> Triggers:
    """The worker's answer as a value.

    Raises:
        ArtifactError: It is malformed.
    """
    import numpy as np

    from hauberk.methods.triggers import Signs

    if answer is None:
        return Triggers(reason=NOT_ASKED)
    try:
        if reason := answer.get("not_applicable"):
            return Triggers(reason=str(reason))
        masks = np.asarray(answer["masks"], np.float64)
        taken = np.asarray(answer["taken"], np.float64)
        shapes = {masks.shape, taken.shape}
        if masks.ndim != 1 or len(shapes) != 1 or not 0 <= int(answer["target"]) < len(masks):
            raise ValueError(f"shapes {shapes}")  # noqa: TRY301
        return Triggers(
            signs=Signs(
                masks=masks,
                taken=taken,
                target=int(answer["target"]),
                pattern=((), ()),
            ),
            n_rows=int(answer["rows"]),
            of=int(answer["of"]),
            is_calibrated=answer["calibrated"] is True,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            "the worker's answer is malformed", found=f"{type(error).__name__}: {error}"
        ) from error


def _three(counts: Any) -> tuple[int, int, int]:
    calls, forward, backward = counts
    return int(calls), int(forward), int(backward)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def robustness_section(
    found: Robustness, title: str = "Robustness of the exported model"
) -> Section:
    """What a report says of it."""
    if not found.points or found.strength is None:
        return Section(title=title, rows=(("not assessed", found.reason),))
    rows = tuple(
        (
            f"right within {point.radius:g} spreads",
            f"{point.share:.3f} [{point.low:.3f}, {point.high:.3f}]",
        )
        for point in found.points
    ) + tuple(
        (f"proven within {point.radius:g} spreads ({found.proof})", f"{point.share:.3f}")
        for point in found.certified
    )
    how = found.strength
    tried = (
        f"{', '.join(how['attacks'])}; {how['rows']} of {how['of']} rows, {how['queries']} calls "
        f"each, {found.cpu_s:.1f} CPU-seconds"
    )
    return Section(
        title=title,
        rows=(*rows, ("attacked by", tried)),
        plots=(found.plot,),
    )
