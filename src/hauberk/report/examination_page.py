"""An examination of a model as one page: the verdict in words, each part with its plot."""

from __future__ import annotations

from collections.abc import Sequence

from hauberk.core.finding import Level
from hauberk.core.record import Section
from hauberk.report.document import document
from hauberk.report.evidence import assessments_table, findings_list, pairs, unjudged
from hauberk.report.markup import Markup, element
from hauberk.report.plots import draw
from hauberk.report.scan import by_severity
from hauberk.report.scan_result import ScanResult
from hauberk.report.verdict import Tone
from hauberk.report.wording import plural


def examination_html(
    model: str, result: ScanResult, sections: Sequence[Section], sentences: Sequence[str]
) -> str:
    """One self-contained page.

    Args:
        model: Name of what was examined.
        result: Findings and assessments.
        sections: Each part of the examination, with its numbers and plots.
        sentences: Plain words of what they mean, one for each part.
    """
    from hauberk.catalogue import threats

    heading, tone = _answer(result)
    return document(
        f"{model}: {heading}",
        element("header", element("p", "Hauberk examination of a model", class_="brand")),
        element(
            "main",
            element(
                "section",
                element("h1", heading),
                element("p", model),
                element("ul", *(element("li", text) for text in sentences), class_="plain"),
                class_=f"verdict {tone}",
            ),
            element(
                "section",
                element("h2", "Findings"),
                findings_list(by_severity(result.findings), threats())
                or element("p", "Nothing is proven against the model."),
                id="findings",
            ),
            *(_part(section) for section in sections),
            element(
                "section",
                element("h2", "What was looked at"),
                unjudged(result.assessments),
                assessments_table(result.assessments),
                id="assessments",
            ),
        ),
    )


def _answer(result: ScanResult) -> tuple[str, Tone]:
    code = result.summary.get("exit_code")
    proven = sum(finding.level is Level.DEFECT for finding in result.findings)
    if code == 1:
        heading = (
            f"{plural(proven, 'finding')} against the model" if proven else "A bound is broken"
        )
        return heading, Tone.BAD
    if code == 0 and not result.findings:
        return "Nothing is proven against the model", Tone.GOOD
    if code == 0:
        found = plural(len(result.findings), "finding")
        return f"Nothing is proven against the model; {found} to look at", Tone.CAUTION
    return "Not everything that was asked for could be judged", Tone.CAUTION


def _part(section: Section) -> Markup:
    return element(
        "section",
        element("h2", section.title),
        pairs(section.rows) if section.rows else None,
        *(draw(plot) for plot in section.plots),
    )
