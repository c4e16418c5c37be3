"""Threat coverage of one run, by kind; what nothing stood against is shown as a gap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from hauberk.catalogue import answered_by, figure_of
from hauberk.core.attack import Score
from hauberk.core.finding import Assessment, Outcome
from hauberk.core.record import RunRecord
from hauberk.core.threat import Kind, Threat, ThreatId
from hauberk.report.evidence import Threats, scrolling
from hauberk.report.markup import Markup, element
from hauberk.report.verdict import assessments
from hauberk.report.wording import plural, title


class Cover(StrEnum):
    """What this run can say of a threat, in the order in which it is shown."""

    MET = "attacked, target met"
    MISSED = "attacked, target missed"
    OPEN = "attacked, not enough trials"
    VOID = "attacked, row void"
    FLAGGED = "checked, flagged"
    CHECKED = "checked, not attacked"
    UNJUDGED = "could not be judged"
    IDLE = "not looked at in this run"
    GAP = "gap: no control answers it yet"


SIGNS = {
    Cover.MET: "✓",
    Cover.MISSED: "✕",
    Cover.OPEN: "…",
    Cover.VOID: "∅",
    Cover.FLAGGED: "!",
    Cover.CHECKED: "·",
    Cover.UNJUDGED: "?",
    Cover.IDLE: "-",
    Cover.GAP: "\N{NO-BREAK SPACE}",
}

KIND_WORDS = {
    Kind.PREVENTIVE: "must be refused every time",
    Kind.DETECTIVE: "found at a measured rate",
    Kind.ADVISORY: "reported; cannot be fixed here",
    Kind.EXPERIMENTAL: "worth trying, promised to nobody",
}


def cover(record: RunRecord, threats: Threats) -> dict[ThreatId, Cover]:
    """What the run says of each threat of the catalogue."""
    scores: dict[ThreatId, list[Score]] = {}
    for score in record.scores:
        scores.setdefault(score.threat, []).append(score)
    outcomes = _outcomes(assessments(record))
    return {
        threat: _measured(scores[threat])
        if threat in scores
        else _checked(threat, outcomes.get(threat, set()))
        for threat in threats
    }


def _outcomes(made: Iterable[Assessment]) -> Mapping[ThreatId, set[Outcome]]:
    outcomes: dict[ThreatId, set[Outcome]] = {}
    for assessment in made:
        for threat in assessment.threats:
            outcomes.setdefault(threat, set()).add(assessment.outcome)
    return outcomes


def _measured(scores: list[Score]) -> Cover:
    """A threat with several parts is met when all are."""
    states = {score.state for score in scores}
    if states == {"met"}:
        return Cover.MET
    if "missed" in states:
        return Cover.MISSED
    return Cover.VOID if "void" in states else Cover.OPEN


def _checked(threat: ThreatId, outcomes: set[Outcome]) -> Cover:
    if Outcome.FLAGGED in outcomes:
        return Cover.FLAGGED
    if Outcome.FAILED in outcomes:
        return Cover.UNJUDGED
    if Outcome.CLEAN in outcomes:
        return Cover.CHECKED
    return Cover.IDLE if answered_by(threat).controls else Cover.GAP


def coverage(record: RunRecord, threats: Threats) -> Markup:
    """The coverage as a picture for each kind, and as one table with every threat."""
    covers = cover(record, threats)
    groups = [_group(kind, threats, covers) for kind in Kind]
    return element("div", _key(covers), groups, _table(threats, covers), class_="coverage")


def _key(covers: Mapping[ThreatId, Cover]) -> Markup:
    counts = Counter(covers.values())
    entries = [
        element("li", _square(item), f"{item.value}: {counts[item]}")
        for item in Cover
        if counts[item]
    ]
    return element("ul", entries, class_="key-list")


def _group(kind: Kind, threats: Threats, covers: Mapping[ThreatId, Cover]) -> Markup | None:
    members = [threat for threat in threats.values() if threat.kind is kind]
    if not members:
        return None
    gaps = sum(covers[threat.id] is Cover.GAP for threat in members)
    heading = element(
        "h3",
        kind.value.capitalize(),
        element(
            "small",
            f" {KIND_WORDS[kind]}; {plural(len(members), 'threat')}, {plural(gaps, 'gap')}",
        ),
    )
    chips = [_chip(threat, covers[threat.id]) for threat in members]
    return element("section", heading, element("ul", chips, class_="threats"))


def _chip(threat: Threat, cover: Cover) -> Markup:
    words = f"{threat.title} ({title(threat.component)}): {cover.value}"
    return element(
        "li",
        element("b", SIGNS[cover], aria_hidden="true"),
        threat.id,
        element("span", f" {words}", class_="said"),
        class_=f"threat t-{cover.name.lower()}",
        title=words,
    )


def _square(cover: Cover) -> Markup:
    return element("b", SIGNS[cover], class_=f"threat t-{cover.name.lower()}", aria_hidden="true")


def _table(threats: Threats, covers: Mapping[ThreatId, Cover]) -> Markup:
    head = [
        element("th", name, scope="col")
        for name in ("Threat", "What it is", "Component", "Kind", "In this run", "Figure shipped")
    ]
    rows = [
        element(
            "tr",
            element("td", threat.id),
            element("td", threat.title),
            element("td", title(threat.component)),
            element("td", threat.kind.value),
            element("td", covers[threat.id].value),
            element("td", _shipped(threat)),
        )
        for threat in threats.values()
    ]
    grid = element("table", element("thead", element("tr", head)), element("tbody", rows))
    summary = element("summary", f"All {plural(len(threats), 'threat')} in words")
    return element("details", summary, scrolling(grid, "All threats"))


def _shipped(threat: Threat) -> str:
    """What the figure in this version of the catalogue says, apart from this run."""
    figure = figure_of(threat)
    if not figure.measured:
        return "not measured"
    return {True: "met", False: "missed", None: "measured in part"}[figure.met]
