"""A scan as one page: what was found, then what was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hauberk.core.finding import Finding, Level, Outcome, Severity
from hauberk.report.document import document
from hauberk.report.evidence import assessments_table, checks, findings_list, pairs, unjudged
from hauberk.report.markup import Markup, element
from hauberk.report.scan import by_severity, changed_lines, counted
from hauberk.report.scan_result import ScanResult
from hauberk.report.verdict import OUTCOME_WORDS, Tone
from hauberk.report.wording import number, plural

MAX_NAMED = 12

_DECISIONS = {"allow": "passed", "deny": "failed", "undecided": "not decided"}


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
            element(
                "section",
                element("h1", heading),
                _counts(result),
                _said(result),
                class_=f"verdict {tone}",
            ),
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
        grave = any(_is_grave(finding) for finding in result.findings)
        return plural(len(result.findings), "finding"), Tone.BAD if grave else Tone.CAUTION
    if not result.assessments:
        return "Nothing was assessed", Tone.CAUTION
    if any(item.outcome is Outcome.FAILED for item in result.assessments):
        return "Nothing found, but not everything could be judged", Tone.CAUTION
    return "Nothing found", Tone.GOOD


def _is_grave(finding: Finding) -> bool:
    return finding.level is Level.DEFECT and finding.severity.rank >= Severity.HIGH.rank


def _said(result: ScanResult) -> Markup | None:
    """What the scanner says of the scan itself, in words; what is not there is left out."""
    said = result.summary
    has_reviews = any(finding.level is Level.REVIEW for finding in result.findings)
    rows = [
        ("Scanned", _listed(said.get("paths", ()))),
        ("What it is", _kinds(said.get("kinds", {}))),
        ("No control looks at", _passed_over(said)),
        ("Result", _decided(said, has_reviews=has_reviews)),
        (
            "Changes",
            " ".join(line for one in said.get("changes", ()) for line in changed_lines(one)),
        ),
        ("Engines", _listed(said.get("engines", ()))),
        ("Credentials", said.get("secrets", "")),
    ]
    shown = [(name, text) for name, text in rows if text]
    return pairs(shown) if shown else None


def _listed(names: Sequence[object]) -> str:
    return ", ".join(map(str, names))


def _kinds(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{number(count)} x {kind}" for kind, count in kinds.items())


def _passed_over(said: Mapping[str, Any]) -> str:
    """Paths that were met and that nothing judges: an empty file, a link."""
    count = said.get("n_unjudged", 0)
    if not count:
        return ""
    first = list(said.get("unjudged", ()))[:MAX_NAMED]
    rest = f", and {plural(count - len(first), 'more path')}" if count > len(first) else ""
    return _listed(first) + rest


def _decided(said: Mapping[str, Any], *, has_reviews: bool) -> str:
    word = _DECISIONS.get(said.get("decision", ""), "")
    if not word:
        return ""
    text = f"{word}, exit code {said['exit_code']}"
    if (mildest := said.get("fail_on")) is None:
        return text
    worse = "" if mildest == Severity.CRITICAL else " or worse"
    text = f"{text}; a finding of {mildest}{worse} fails"
    return f"{text}, findings for review do not" if has_reviews else text


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
