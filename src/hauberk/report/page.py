"""A run as one page: the verdict, the picture, and everything they rest on."""

from __future__ import annotations

from hauberk.core.finding import Severity
from hauberk.core.lifecycle import COMPONENTS, Component, Stage, components_of
from hauberk.core.record import Event, RunRecord, Section, StepReport, StepState
from hauberk.report.attacks import attacks
from hauberk.report.coverage import coverage
from hauberk.report.document import document
from hauberk.report.evidence import (
    Threats,
    assessments_table,
    checks,
    findings_list,
    more,
    pairs,
    scrolling,
    severity_badge,
    unjudged,
    with_digests,
)
from hauberk.report.lifecycle_map import lifecycle_map, ring
from hauberk.report.markup import Markup, element, join
from hauberk.report.plots import draw
from hauberk.report.provenance import provenance
from hauberk.report.verdict import (
    STATE_WORDS,
    Headline,
    Tone,
    findings,
    headline,
    is_weak,
    trust_state,
)
from hauberk.report.wording import STAGE_TITLES, duration, moment, number, plural, title

MAX_EVENTS = 300
MAX_WORST = 8
MAX_SECTION_ROWS = 200

_TONE_STATE = {
    Tone.GOOD: StepState.DONE,
    Tone.CAUTION: StepState.FAILED,
    Tone.BAD: StepState.REFUSED,
}
_STAGES = (Stage.DATA_ENGINEERING, Stage.EXPERIMENT, Stage.PRODUCTION)


def html(record: RunRecord, *, threats: Threats | None = None) -> str:
    """One self-contained page for ``record``.

    Args:
        record: A run; whatever stands in it is shown, never executed or followed.
        threats: The catalogue to hold the run against; the shipped one by default.
    """
    known = _catalogue() if threats is None else threats
    parts = (
        ("lifecycle", "The lifecycle", lifecycle_map(record)),
        ("findings", "What was found", _worst(record)),
        ("attacks", "What attacks measured", _attacks(record, known)),
        ("components", "Component by component", _components(record, known)),
        ("coverage", "Threat coverage", coverage(record, known)),
        ("provenance", "Provenance", _provenance(record)),
        ("environment", "Environment", _environment(record)),
    )
    return document(
        f"{record.project}: {headline(record).title}",
        element("a", "Skip to the verdict", href="#verdict", class_="skip"),
        _top(record),
        element("nav", _menu([(key, name) for key, name, _ in parts]), aria_label="Sections"),
        element(
            "main",
            _verdict(record),
            [element("section", element("h2", name), body, id=key) for key, name, body in parts],
        ),
        _foot(record),
    )


def _catalogue() -> Threats:
    from hauberk.catalogue import threats

    return threats()


# Head --------------------------------------------------------------------------------


def _top(record: RunRecord) -> Markup:
    rings = element(
        "svg",
        element(
            "path", d="M14 6a8 8 0 1 0 0 16a8 8 0 1 0 0-16zM28 6a8 8 0 1 0 0 16a8 8 0 1 0 0-16z"
        ),
        viewBox="0 0 42 28",
        class_="logo",
        aria_hidden="true",
    )
    when = f"{moment(record.started)}, {duration(record.finished - record.started)}"
    return element(
        "header",
        element("p", rings, " Hauberk", class_="brand"),
        element(
            "p",
            element("b", record.project),
            " · run ",
            element("code", record.run_id),
            f" · {when}",
        ),
    )


def _menu(parts: list[tuple[str, str]]) -> Markup:
    return element("ul", [element("li", element("a", name, href=f"#{key}")) for key, name in parts])


def _verdict(record: RunRecord) -> Markup:
    head = headline(record)
    sign = element("svg", ring(_TONE_STATE[head.tone]), viewBox="-30 -30 60 60", aria_hidden="true")
    words = element(
        "div",
        element("h1", head.title),
        element("p", head.reason, class_="reason") if head.reason else None,
    )
    return element(
        "section",
        element("div", sign, words, class_="answer"),
        _tiles(record),
        _sentences(head),
        id="verdict",
        class_=f"verdict {head.tone.value}",
    )


def _sentences(head: Headline) -> Markup:
    return element("ul", [element("li", sentence) for sentence in head.sentences], class_="plain")


def _tiles(record: RunRecord) -> Markup:
    trust = [(name, value, "weak" if is_weak(value) else "") for name, value in trust_state(record)]
    tiles = [
        ("isolation", record.isolation.value, "weak" if not record.isolation.rank else ""),
        *trust,
    ]
    boxes = [
        element("div", element("dt", name), element("dd", value), class_=f"tile {kind}".rstrip())
        for name, value, kind in tiles
    ]
    return element("dl", boxes, class_="tiles")


# Findings ----------------------------------------------------------------------------


def _worst(record: RunRecord) -> Markup:
    found = findings(record.steps)
    if not found:
        text = "No control found anything in what it could judge."
        return element("p", text)
    counts = [
        f"{number(count)} {severity.value}"
        for severity in reversed(Severity)
        if (count := sum(finding.severity is severity for _, finding in found))
    ]
    entries = [
        element(
            "li",
            severity_badge(finding),
            " ",
            element("a", title(step.component), href=f"#{step.component.value}"),
            element("span", f" {finding.message}"),
        )
        for step, finding in found[:MAX_WORST]
    ]
    left = len(found) - MAX_WORST
    rest = element("p", f"{plural(left, 'more')} under the components below.", class_="quiet")
    return join(
        (
            element("p", f"{plural(len(found), 'finding')}: {', '.join(counts)}."),
            element("ul", entries, class_="worst"),
            rest if left > 0 else None,
        )
    )


def _attacks(record: RunRecord, threats: Threats) -> Markup:
    if not record.scores:
        text = "No attack was run with this record. The range measures them: hauberk range."
        return element("p", text, class_="quiet")
    intro = (
        "Each attack first proves that it works with the control off; then the control is "
        "switched on. The bar is the 95 % interval, the tick the target, the shaded side "
        "what counts as met."
    )
    return join((element("p", intro, class_="quiet"), attacks(record.scores, threats)))


# Components --------------------------------------------------------------------------


def _components(record: RunRecord, threats: Threats) -> Markup:
    steps = {step.component: step for step in record.steps}
    return join(
        (
            element("h3", STAGE_TITLES[stage], class_="stage-title"),
            [_card(component, steps.get(component), threats) for component in components_of(stage)],
        )
        for stage in _STAGES
    )


def _card(component: Component, step: StepReport | None, threats: Threats) -> Markup:
    state = step.state if step else StepState.NOT_RUN
    sign = element("svg", ring(state), viewBox="-28 -28 56 56", aria_hidden="true")
    heading = element(
        "div",
        sign,
        element("h4", title(component)),
        element("span", STATE_WORDS[state], class_=f"state {state.value}"),
        element("span", _circumstances(step), class_="quiet") if step else None,
        class_="card-head",
    )
    body = (
        _card_body(step, threats) if step else element("p", "Not part of this run.", class_="quiet")
    )
    return element("article", heading, body, id=component.value, class_=f"card {state.value}")


def _circumstances(step: StepReport) -> str:
    parts = [
        duration(step.seconds) if step.seconds else None,
        f"isolation {step.isolation.value}" if step.isolation else None,
        f"evidence {step.evidence.value}" if step.evidence else None,
    ]
    return " · ".join(part for part in parts if part)


def _card_body(step: StepReport, threats: Threats) -> Markup:
    found = [finding for item in step.assessments for finding in item.findings]
    found.sort(key=lambda finding: -finding.severity.rank)
    return join(
        (
            element("p", step.summary) if step.summary else None,
            element("p", step.reason, class_=_reason_class(step)) if _has_reason(step) else None,
            findings_list(found, threats),
            unjudged(step.assessments),
            checks(step.assessments),
            [_section(section) for section in step.sections],
            assessments_table(step.assessments),
        )
    )


def _has_reason(step: StepReport) -> bool:
    """Whether the reason says more than the summary did."""
    return bool(step.reason) and step.reason != step.summary


def _reason_class(step: StepReport) -> str:
    return "why" if step.state in (StepState.REFUSED, StepState.FAILED) else "quiet"


def _section(section: Section) -> Markup:
    rows = section.rows[:MAX_SECTION_ROWS]
    plots = [draw(plot) for plot in section.plots]
    return element(
        "div",
        element("h5", section.title),
        element("p", section.text) if section.text else None,
        pairs((name, with_digests(value)) for name, value in rows) if rows else None,
        more(len(section.rows) - len(rows), "row"),
        element("div", plots, class_="plots") if plots else None,
        class_="facts",
    )


# Provenance and environment ----------------------------------------------------------


def _provenance(record: RunRecord) -> Markup:
    intro = (
        "Who handed what to whom, by the first digits of its SHA-256. This page only shows "
        "the chain; hauberk verify checks it."
    )
    return join((element("p", intro, class_="quiet"), provenance(record)))


def _environment(record: RunRecord) -> Markup:
    rows = [(name, with_digests(value)) for name, value in record.environment.items()]
    return join((pairs(rows) if rows else None, _events(record)))


def _events(record: RunRecord) -> Markup | None:
    if not record.events:
        return None
    head = [element("th", name, scope="col") for name in ("After", "Component", "What", "")]
    rows = [_event(event, record.started) for event in record.events[:MAX_EVENTS]]
    grid = element("table", element("thead", element("tr", head)), element("tbody", rows))
    return element(
        "details",
        element("summary", f"The run, event by event ({number(len(record.events))})"),
        scrolling(grid, "Events"),
        more(len(record.events) - MAX_EVENTS, "event"),
    )


def _event(event: Event, started: float) -> Markup:
    cells = (
        f"{max(event.at - started, 0):.2f} s",
        title(event.component) if event.component else "",
        event.kind,
        event.message,
    )
    return element("tr", [element("td", cell) for cell in cells])


def _foot(record: RunRecord) -> Markup:
    text = (
        f"Drawn from run record {record.run_id}, schema {record.schema}, of "
        f"{plural(len(COMPONENTS), 'component')}. A page proves nothing by itself: "
    )
    return element("footer", element("p", text, element("code", "hauberk verify"), " does."))
