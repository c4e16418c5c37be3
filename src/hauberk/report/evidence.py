"""Findings with the numbers behind them, as parts of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from hauberk.core.finding import Assessment, Evidence, Finding, Level, Outcome
from hauberk.core.threat import Threat, ThreatId
from hauberk.report.markup import Markup, Node, element, join
from hauberk.report.plots import draw
from hauberk.report.scan import place_of
from hauberk.report.verdict import OUTCOME_WORDS
from hauberk.report.wording import number, plural, short

MAX_FINDINGS = 100
"""Findings that one list shows; a page of more is not read, the JSON has all."""
MAX_ROWS = 400
MAX_FACTS = 40
MAX_PLOTS = 12
LONG = 12
"""Pairs from which on a list is set in columns."""

_DIGEST = re.compile(r"(sha256:[0-9a-f]{64})(?![0-9a-f])")

Threats = Mapping[ThreatId, Threat]

_OUTCOME_ORDER = (Outcome.FLAGGED, Outcome.FAILED, Outcome.CLEAN, Outcome.NOT_APPLICABLE)
_OUTCOME_SIGNS = {
    Outcome.FLAGGED: "✕",
    Outcome.FAILED: "!",
    Outcome.CLEAN: "✓",
    Outcome.NOT_APPLICABLE: "-",
}


def findings_list(findings: Sequence[Finding], threats: Threats) -> Markup | None:
    """Findings as blocks, in the order given."""
    if not findings:
        return None
    blocks = [finding_block(finding, threats) for finding in findings[:MAX_FINDINGS]]
    return join((blocks, more(len(findings) - MAX_FINDINGS, "finding")))


def more(count: int, noun: str) -> Markup | None:
    """A line that says how many were left out."""
    if count <= 0:
        return None
    text = f"{plural(count, f'more {noun}')} in the JSON, not shown here."
    return element("p", text, class_="quiet")


def finding_block(finding: Finding, threats: Threats) -> Markup:
    """One finding: what, where, what to do, and the evidence."""
    head = element(
        "p",
        severity_badge(finding),
        " ",
        element("code", f"{finding.path}{place_of(finding)}"),
        class_="finding-head",
    )
    return element(
        "div",
        head,
        element("p", finding.message, class_="message"),
        element("p", element("b", "Next: "), finding.remedy) if finding.remedy else None,
        evidence_block(finding.evidence),
        element("p", _origin(finding, threats), class_="quiet"),
        class_=f"finding {finding.severity.value}",
    )


def severity_badge(finding: Finding) -> Markup:
    """The severity in a word, with the wish for a second person where there is one."""
    word = finding.severity.value
    text = f"{word}, for review" if finding.level is Level.REVIEW else word
    return element("span", text, class_=f"badge {word}")


def _origin(finding: Finding, threats: Threats) -> list[Node]:
    chips: list[Node] = [threat_chip(threat, threats) for threat in finding.threats]
    sure = f"confidence {number(finding.confidence)}"
    control = element("code", finding.control) if finding.control else "an unnamed control"
    spaced = [part for chip in chips for part in (" ", chip)]
    return ["Found by ", control, f", {sure}.", *spaced]


def threat_chip(threat: ThreatId, threats: Threats) -> Markup:
    """A threat's id with its kind, which says what may be expected of controls."""
    known = threats.get(threat)
    if known is None:
        return element("span", threat, class_="chip")
    return element("span", f"{threat} · {known.kind.value}", class_="chip", title=known.title)


def evidence_block(evidence: Evidence) -> Markup | None:
    """Statistic, threshold, facts and plots; nothing where there is no evidence."""
    facts = list(evidence.facts.items())
    plots = [draw(plot) for plot in evidence.plots[:MAX_PLOTS]]
    parts = [
        element("p", _statistic(evidence), class_="statistic") if _is_measured(evidence) else None,
        pairs(facts[:MAX_FACTS]) if facts else None,
        more(len(facts) - MAX_FACTS, "fact"),
        element("div", plots, class_="plots") if plots else None,
    ]
    return element("div", parts, class_="evidence") if any(parts) else None


def _is_measured(evidence: Evidence) -> bool:
    """A rule that is broken is no statistic: its name stands among the facts."""
    known = (evidence.value, evidence.threshold, evidence.n)
    return bool(evidence.statistic) and any(number is not None for number in known)


def _statistic(evidence: Evidence) -> list[Node]:
    text: list[Node] = [evidence.statistic]
    if evidence.value is not None:
        text += [": ", element("b", number(evidence.value))]
    if evidence.threshold is not None:
        text.append(f", a finding from {number(evidence.threshold)}")
    if evidence.n is not None:
        text.append(f", n = {number(evidence.n)}")
    return text


def pairs(rows: Iterable[tuple[str, Node]]) -> Markup:
    """Names with values; many of them in columns, where there is room."""
    entries = [element("div", element("dt", name), element("dd", value)) for name, value in rows]
    return element("dl", entries, class_="pairs long" if len(entries) > LONG else "pairs")


def with_digests(text: str) -> Markup:
    """``text`` with each SHA-256 in it cut to its first digits."""
    parts = _DIGEST.split(text)
    return join(digest_code(part) if i % 2 else part for i, part in enumerate(parts))


def digest_code(digest: str) -> Markup:
    """The first digits of a digest; the whole of it when pointed at."""
    return element("code", short(digest), title=digest, class_="digest")


# Assessments -------------------------------------------------------------------------


def checks(assessments: Sequence[Assessment]) -> Markup | None:
    """What was checked: every control once, with its gravest outcome."""
    if not assessments:
        return None
    gravest = _by_control(assessments)
    chips = [
        element(
            "li",
            element("b", _OUTCOME_SIGNS[outcome], aria_hidden="true"),
            " ",
            control,
            element("span", f": {OUTCOME_WORDS[outcome]}", class_="said"),
            class_=f"check {outcome.value}",
            title=OUTCOME_WORDS[outcome],
        )
        for control, outcome in gravest.items()
    ]
    return element("ul", chips, class_="checks", aria_label="Controls and what they said")


def _by_control(assessments: Sequence[Assessment]) -> dict[str, Outcome]:
    gravest: dict[str, Outcome] = {}
    for item in sorted(assessments, key=lambda item: _OUTCOME_ORDER.index(item.outcome)):
        gravest.setdefault(item.control, item.outcome)
    return gravest


def unjudged(assessments: Sequence[Assessment]) -> Markup | None:
    """What could not be judged, and why: never the same as clean."""
    failed = [item for item in assessments if item.outcome is Outcome.FAILED]
    if not failed:
        return None
    entries = [
        element(
            "li",
            element("code", item.control),
            " on ",
            element("code", item.path),
            f": {item.reason or 'no reason was given'}",
        )
        for item in failed[:MAX_ROWS]
    ]
    return element(
        "div",
        element("p", element("b", "Could not be judged")),
        element("ul", entries),
        more(len(failed) - MAX_ROWS, "assessment"),
        class_="unjudged",
    )


def assessments_table(assessments: Sequence[Assessment]) -> Markup | None:
    """Every assessment, folded away."""
    if not assessments:
        return None
    rows = [_assessment_row(item) for item in assessments[:MAX_ROWS]]
    head = [element("th", name, scope="col") for name in ("Control", "Object", "Outcome", "Reason")]
    grid = element("table", element("thead", element("tr", head)), element("tbody", rows))
    return element(
        "details",
        element("summary", f"{plural(len(assessments), 'assessment')} in full"),
        scrolling(grid, "Assessments"),
        more(len(assessments) - MAX_ROWS, "assessment"),
    )


def _assessment_row(item: Assessment) -> Markup:
    return element(
        "tr",
        element("td", element("code", item.control)),
        element("td", element("code", item.path)),
        element("td", OUTCOME_WORDS[item.outcome], class_=item.outcome.value),
        element("td", item.reason),
    )


def scrolling(table: Markup, label: str) -> Markup:
    """A table that scrolls by itself where the page is narrower; reachable by keyboard."""
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=label)
