"""The one picture: three stages, sixteen components as linked rings.

It is drawn twice, for wide and for narrow pages, and the style sheet shows one. A state is
told by the sign inside the ring, by the form of the ring and in words, then by colour. A
chain is whole where both ends ran, open where the first of them was refused or failed, and
dotted where one of them did not run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from hauberk.core.finding import Outcome
from hauberk.core.lifecycle import COMPONENTS, Component, Stage
from hauberk.core.record import RunRecord, StepReport, StepState
from hauberk.report.markup import Markup, element, join
from hauberk.report.verdict import STATE_WORDS
from hauberk.report.wording import STAGE_TITLES, plural, title

Point = tuple[float, float]

_C = Component
LINKS: tuple[tuple[Component, Component], ...] = (
    (_C.ACQUISITION, _C.PREPROCESSING),
    (_C.PREPROCESSING, _C.ANALYSIS),
    (_C.ANALYSIS, _C.PREPARATION),
    (_C.PREPARATION, _C.VERSIONED_DATA),
    (_C.VERSIONED_DATA, _C.TRAINING),
    (_C.TRAINING, _C.VALIDATION),
    (_C.CODE_REPOSITORY, _C.PIPELINE),
    (_C.VALIDATION, _C.MODEL_EXPORT),
    (_C.MODEL_EXPORT, _C.MODEL_REGISTRY),
    (_C.MODEL_REGISTRY, _C.SERVING),
    (_C.SERVING, _C.MONITORING),
    (_C.INPUT_DATA, _C.SERVING),
    (_C.SERVING, _C.OUTPUT_DATA),
)
"""What hands over to what."""

SIGNS = {
    StepState.DONE: "M-9 1l6 6 12-13",
    StepState.SKIPPED: "M-9-4H9M-9 5H9",
    StepState.REFUSED: "M-8-8L8 8M8-8L-8 8",
    StepState.FAILED: "M0-11V3M0 9.5v.5",
    StepState.NOT_RUN: "M-7 0H7",
    StepState.GAP: "",
}
"""What stands in a ring, centred on 0, drawn as a thick line."""

_RING = 23.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Where everything stands on one of the two drawings.

    Attributes:
        bends: Corners of the links that do not run straight.
        bands: For each stage, its rectangle as x, y, width, height.
        beside: Whether the words stand beside the ring or below it.
    """

    name: str
    size: Point
    places: Mapping[Component, Point]
    bends: Mapping[tuple[Component, Component], tuple[Point, ...]]
    bands: Mapping[Stage, tuple[float, float, float, float]]
    beside: bool


_WIDE = _Plan(
    name="wide",
    size=(1160, 640),
    places={
        _C.ACQUISITION: (110, 74),
        _C.PREPROCESSING: (310, 74),
        _C.ANALYSIS: (510, 74),
        _C.PREPARATION: (710, 74),
        _C.VERSIONED_DATA: (110, 254),
        _C.TRAINING: (310, 254),
        _C.VALIDATION: (510, 254),
        _C.CODE_REPOSITORY: (850, 254),
        _C.PIPELINE: (1050, 254),
        _C.MODEL_EXPORT: (110, 434),
        _C.MODEL_REGISTRY: (310, 434),
        _C.SERVING: (570, 434),
        _C.MONITORING: (830, 434),
        _C.METADATA_STORE: (1050, 434),
        _C.INPUT_DATA: (330, 552),
        _C.OUTPUT_DATA: (810, 552),
    },
    bends={
        (_C.PREPARATION, _C.VERSIONED_DATA): ((800, 74), (800, 167), (30, 167), (30, 254)),
        (_C.VALIDATION, _C.MODEL_EXPORT): ((630, 254), (630, 347), (30, 347), (30, 434)),
    },
    bands={
        Stage.DATA_ENGINEERING: (0, 0, 1160, 156),
        Stage.EXPERIMENT: (0, 178, 1160, 158),
        Stage.PRODUCTION: (0, 358, 1160, 272),
    },
    beside=False,
)

_NARROW = _Plan(
    name="narrow",
    size=(360, 1240),
    places={
        _C.ACQUISITION: (44, 66),
        _C.PREPROCESSING: (44, 134),
        _C.ANALYSIS: (44, 202),
        _C.PREPARATION: (44, 270),
        _C.VERSIONED_DATA: (44, 388),
        _C.TRAINING: (44, 456),
        _C.VALIDATION: (44, 524),
        _C.CODE_REPOSITORY: (110, 592),
        _C.PIPELINE: (110, 660),
        _C.MODEL_EXPORT: (44, 778),
        _C.MODEL_REGISTRY: (44, 846),
        _C.SERVING: (44, 914),
        _C.INPUT_DATA: (110, 982),
        _C.OUTPUT_DATA: (110, 1050),
        _C.MONITORING: (44, 1118),
        _C.METADATA_STORE: (110, 1186),
    },
    bends={
        (_C.SERVING, _C.OUTPUT_DATA): ((66, 1014),),
    },
    bands={
        Stage.DATA_ENGINEERING: (0, 0, 360, 312),
        Stage.EXPERIMENT: (0, 322, 360, 380),
        Stage.PRODUCTION: (0, 712, 360, 526),
    },
    beside=True,
)


def lifecycle_map(record: RunRecord) -> Markup:
    """The lifecycle with the state of this run; each ring leads to its component."""
    steps = {step.component: step for step in record.steps}
    return element("div", _drawing(_WIDE, steps), _drawing(_NARROW, steps), class_="map")


def ring(state: StepState, radius: float = _RING) -> Markup:
    """A ring around 0 with its sign, for the map and for headings."""
    return element(
        "g",
        element("circle", r=radius, class_="ring"),
        element("path", d=SIGNS[state], class_="sign") if SIGNS[state] else None,
        class_=f"node {state.value}",
    )


def _drawing(plan: _Plan, steps: Mapping[Component, StepReport]) -> Markup:
    width, height = plan.size
    bands = [_band(stage, box) for stage, box in plan.bands.items()]
    chains = [_link(plan, steps, link) for link in LINKS]
    nodes = [_node(plan, component, steps.get(component)) for component in COMPONENTS]
    return element(
        "svg",
        bands,
        chains,
        nodes,
        viewBox=f"0 0 {width:g} {height:g}",
        class_=f"drawing {plan.name}",
        role="group",
        aria_label="The lifecycle with the state of each component",
    )


def _band(stage: Stage, box: tuple[float, float, float, float]) -> Markup:
    x, y, width, height = box
    return join(
        (
            element("rect", x=x, y=y, width=width, height=height, rx=14, class_="band"),
            element("text", STAGE_TITLES[stage], x=x + 68, y=y + 27, class_="stage"),
        )
    )


def _node(plan: _Plan, component: Component, step: StepReport | None) -> Markup:
    x, y = plan.places[component]
    state = step.state if step else StepState.NOT_RUN
    place: dict[str, float | str] = (
        {"x": 36, "class_": "words"} if plan.beside else {"x": 0, "class_": "words mid"}
    )
    top = -3 if plan.beside else 43
    label = f"{title(component)}: {STATE_WORDS[state]}. {_facts(step)}"
    return element(
        "a",
        element("title", label),
        ring(state),
        _badge(step),
        element("text", title(component), y=top, **place),
        element(
            "text",
            _under(state, step),
            y=top + 17,
            **(place | {"class_": f"{place['class_']} under"}),
        ),
        href=f"#{component.value}",
        transform=f"translate({x:g} {y:g})",
        class_="component",
        aria_label=label,
    )


def _under(state: StepState, step: StepReport | None) -> str:
    judged = step.assessments if step else ()
    controls = {item.control for item in judged if item.outcome is not Outcome.NOT_APPLICABLE}
    word = STATE_WORDS[state]
    return f"{word} · {plural(len(controls), 'control')}" if controls else word


def _facts(step: StepReport | None) -> str:
    if step is None:
        return "Not part of this run."
    found = sum(len(item.findings) for item in step.assessments)
    unjudged = sum(item.outcome is Outcome.FAILED for item in step.assessments)
    more = f", {plural(unjudged, 'assessment')} not made" if unjudged else ""
    return f"{plural(len(step.assessments), 'assessment')}, {plural(found, 'finding')}{more}."


def _badge(step: StepReport | None) -> Markup | None:
    found = sum(len(item.findings) for item in step.assessments) if step else 0
    if not found:
        return None
    text = str(found) if found < 100 else "99+"  # noqa: PLR2004 - three characters fit
    width = 12 + 7 * len(text)
    return element(
        "g",
        element("rect", x=-width / 2, y=-10, width=width, height=20, rx=10),
        element("text", text, y=4.5, class_="mid"),
        class_="badge",
        transform="translate(20 -20)",
    )


# Chains ------------------------------------------------------------------------------


def _link(
    plan: _Plan, steps: Mapping[Component, StepReport], link: tuple[Component, Component]
) -> Markup:
    first, second = link
    corners = [plan.places[first], *plan.bends.get(link, ()), plan.places[second]]
    corners[0] = _towards(corners[0], corners[1], _RING + 5)
    corners[-1] = _towards(corners[-1], corners[-2], _RING + 12)
    state = _link_state(steps.get(first), steps.get(second))
    legs = list(pairwise(corners))
    chains = [_chain(a, b, broken=state == "open" and i == 0) for i, (a, b) in enumerate(legs)]
    return element("g", chains, _arrow(*legs[-1]), class_=f"chain {state}", aria_hidden="true")


def _link_state(first: StepReport | None, second: StepReport | None) -> str:
    ran = (StepState.DONE, StepState.SKIPPED)
    if first and first.state in (StepState.REFUSED, StepState.FAILED):
        return "open"
    if second and second.state in (StepState.REFUSED, StepState.FAILED):
        return "whole" if first and first.state in ran else "dotted"
    return "whole" if first and second and {first.state, second.state} <= {*ran} else "dotted"


def _chain(start: Point, end: Point, *, broken: bool) -> Markup:
    """Small rings along a straight line; the middle ones are missing where it is broken."""
    length = math.dist(start, end)
    count = max(1, round(length / 13))
    pitch = length / count
    torn = range(count // 2 - 1, count // 2 + 2) if broken and count > 4 else range(0)  # noqa: PLR2004 - else nothing is left
    half = pitch / 2 + 2.5
    ovals = "".join(
        f"M{(i + 0.5) * pitch - half + 4:.1f}-4h{2 * half - 8:.1f}a4 4 0 0 1 0 8"
        f"h{8 - 2 * half:.1f}a4 4 0 0 1 0-8z"
        for i in range(count)
        if i not in torn
    )
    angle = math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))
    place = f"translate({start[0]:.1f} {start[1]:.1f}) rotate({angle:.1f})"
    return element("path", d=Markup(ovals), transform=place)


def _arrow(start: Point, end: Point) -> Markup:
    angle = math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))
    place = f"translate({end[0]:.1f} {end[1]:.1f}) rotate({angle:.1f})"
    return element("path", d="M0-6L9 0L0 6z", transform=place, class_="arrow")


def _towards(point: Point, other: Point, distance: float) -> Point:
    """The point at ``distance`` from ``point`` on the way to ``other``."""
    share = distance / math.dist(point, other)
    return (
        point[0] + (other[0] - point[0]) * share,
        point[1] + (other[1] - point[1]) * share,
    )
