"""A scan as one page: what was found, then what was looked at."""

from __future__ import annotations

from hauberk.core.finding import Outcome
from hauberk.report.document import document
from hauberk.report.evidence import assessments_table, checks, findings_list, unjudged
from hauberk.report.markup import Markup, element
from hauberk.report.scan import by_severity, counted
from hauberk.report.scan_result import ScanResult
from hauberk.report.verdict import OUTCOME_WORDS, Tone
from hauberk.report.wording import plural


def page(result: ScanResult) -> str:
    """One self-contained page for a scan."""
    from hauberk.catalogue import threats

    known = threats()
    heading, tone = _answer(result)
    return document(
        heading,
        element("header", element("p", "Hauberk scan", class_="brand")),
        element(
            "main",
            element("section", element("h1", heading), _counts(result), class_=f"verdict {tone}"),
            element(
                "section",
                element("h2", "Findings"),
                findings_list(by_severity(result.findings), known)
                or element("p", "No control found anything in what it could judge."),
                id="findings",
            ),
            element(
                "section",
                element("h2", "What was looked at"),
                unjudged(result.assessments),
                checks(result.assessments),
                assessments_table(result.assessments),
                id="assessments",
            ),
        ),
    )


def _answer(result: ScanResult) -> tuple[str, Tone]:
    if result.findings:
        return plural(len(result.findings), "finding"), Tone.BAD
    if not result.assessments:
        return "Nothing was assessed", Tone.CAUTION
    if any(item.outcome is Outcome.FAILED for item in result.assessments):
        return "Nothing found, but not everything could be judged", Tone.CAUTION
    return "Nothing found", Tone.GOOD


def _counts(result: ScanResult) -> Markup:
    counts = counted(result)
    found = [f"{count} {name}" for name, count in counts["severities"].items() if count]
    judged = [f"{counts['assessments'][item.value]} {OUTCOME_WORDS[item]}" for item in Outcome]
    text = f"{plural(len(result.assessments), 'assessment')}: {', '.join(judged)}."
    return element(
        "ul",
        element("li", f"Findings: {', '.join(found)}.") if found else None,
        element("li", text),
        class_="plain",
    )
