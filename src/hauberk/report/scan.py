"""What a scan says, as text for a terminal, as JSON for programs, as a page for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hauberk.core.codec import to_json
from hauberk.core.finding import Assessment, Finding, Level, Outcome, Severity
from hauberk.report.console import Console, Ink
from hauberk.report.scan_result import ScanResult
from hauberk.report.wording import plural

SCAN_SCHEMA = 1
_INDENT = 10
_INKS = {
    Severity.CRITICAL: Ink.BAD,
    Severity.HIGH: Ink.BAD,
    Severity.MEDIUM: Ink.CAUTION,
    Severity.LOW: Ink.QUIET,
}


# Text --------------------------------------------------------------------------------


def scan_text(result: ScanResult, *, colour: bool = False) -> str:
    """A scan for a terminal of 80 columns, worst findings first."""
    return "".join(scan_text_pieces(result, colour=colour))


def scan_text_pieces(result: ScanResult, *, colour: bool = False) -> Iterator[str]:
    """What `scan_text` gives, line by line, to be written as it is made."""
    console = Console(colour=colour)
    for line in _lines(console, result):
        yield f"{line}\n"


def _lines(console: Console, result: ScanResult) -> Iterator[str]:
    for finding in by_severity(result.findings):
        yield from _finding_lines(console, finding)
        yield ""
    has_unjudged = False
    for assessment in result.assessments:
        if assessment.outcome is Outcome.FAILED:
            has_unjudged = True
            yield from _unjudged_lines(console, assessment)
    if has_unjudged:
        yield ""
    yield from _closing(console, result)


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Findings with the worst first; within a severity, defects first, in their order."""
    return sorted(findings, key=lambda item: (-item.severity.rank, item.level is Level.REVIEW))


def _finding_lines(console: Console, finding: Finding) -> list[str]:
    word = finding.severity.value.upper().ljust(_INDENT)
    room = console.width - _INDENT
    place = console.ink(console.fit(f"{finding.path}{place_of(finding)}", room), Ink.STRONG)
    tail = [finding.control or "unnamed control", *finding.threats]
    if finding.level is Level.REVIEW:
        tail.append("for review")
    return [
        console.ink(word, _INKS[finding.severity]) + place,
        *console.wrap(finding.message, indent=_INDENT),
        *console.wrap(finding.remedy, indent=_INDENT, first=" " * (_INDENT - 3) + "-> "),
        *(console.ink(line, Ink.QUIET) for line in console.wrap(" · ".join(tail), indent=_INDENT)),
    ]


def place_of(finding: Finding) -> str:
    """Where in the object, as people write it: ``:12:3``, ``!inner``, ``[column]``."""
    location = finding.location
    inner = "".join(f"!{name}" for name in location.inner)
    line = f":{location.line}" if location.line is not None else ""
    column = f":{location.column}" if line and location.column is not None else ""
    offset = f"@{location.offset}" if location.offset is not None and not line else ""
    field = f"[{location.field}]" if location.field is not None else ""
    return inner + line + column + offset + field


def _unjudged_lines(console: Console, assessment: Assessment) -> list[str]:
    head = "NOT JUDGED "
    # What the error says in full stands in the other formats.
    reason = (assessment.reason or "no reason given").partition("; object: ")[0]
    reason = reason.removeprefix(f"{assessment.path} could not be assessed: ")
    text = f"{assessment.path} by {assessment.control}: {reason}"
    first, *rest = console.wrap(text, indent=len(head), first=head)
    return [console.ink(head, Ink.CAUTION) + first[len(head) :], *rest]


def _closing(console: Console, result: ScanResult) -> list[str]:
    counts = counted(result)
    severities = [f"{count} {name}" for name, count in counts["severities"].items() if count]
    outcomes = counts["assessments"]
    found = plural(len(result.findings), "finding")
    if severities:
        found += f" ({', '.join(severities)})"
    judged = (
        f"{plural(sum(outcomes.values()), 'assessment')}: {outcomes['clean']} clean, "
        f"{outcomes['flagged']} flagged, {outcomes['failed']} could not judge, "
        f"{outcomes['not_applicable']} not applicable"
    )
    nothing = [] if result.assessments else ["Nothing was assessed: this says nothing of safety."]
    left_out = result.summary.get("left_out") or {}
    if left_out:
        told = ", ".join(f"{count} {why}" for why, count in left_out.items())
        nothing.append(f"Left out: {told}.")
    count = result.summary.get("n_unjudged", 0)
    if count:
        nothing.append(f"{plural(count, 'path')} that no control looks at, links among them.")
    n_tables = result.summary.get("kinds", {}).get("JSON object of several tables", 0)
    if n_tables:
        nothing.append(
            f"{plural(n_tables, 'JSON object')} of several tables: not checked as data, only as "
            "text. Write each table to a file of its own and scan those."
        )
    for changed in result.summary.get("changes", ()):
        nothing += changed_lines(changed)
    if "secrets" in result.summary:
        engines = ", ".join(result.summary["engines"])
        nothing.append(f"Engines: {engines}; {result.summary['secrets']}.")
    return [line for text in (f"{found}.", f"{judged}.", *nothing) for line in console.wrap(text)]


def changed_lines(changed: Mapping[str, Any]) -> list[str]:
    """What one table changed since the version before, in words; rows count from 0."""
    pair = f"{changed['path']} since {changed['against']}"
    if "not_compared" in changed:
        return [f"{pair}: rows not compared, {changed['not_compared']}."]
    counts = (
        f"{pair}: {changed['added']:,} rows added, {changed['removed']:,} removed, "
        f"{changed['edited']:,} edited ({changed['relabelled']:,} of them relabelled), "
        f"{changed['kept']:,} kept."
    )
    lines = [counts]
    columns = [f"{name} ({count:,})" for name, count in changed["columns"].items()]
    columns += [f"{name} (new)" for name in changed["columnsAdded"]]
    columns += [f"{name} (gone)" for name in changed["columnsRemoved"]]
    if columns:
        lines.append(f"Columns: {', '.join(columns)}.")
    edits = changed["first_edits"]
    if edits:
        told = ", ".join(f"row {edit['row']} {edit['column']}" for edit in edits)
        lines.append(f"First edits: {told}.")
    lines += [
        f"First {word}: rows {', '.join(map(str, changed[f'first_{word}']))}."
        for word in ("added", "removed")
        if changed[f"first_{word}"]
    ]
    if changed["reordered"]:
        lines.append("The rows stand in another order.")
    if not changed["complete"]:
        lines.append("Too many rows changed to compare their cells: they were counted only.")
    return lines


# JSON --------------------------------------------------------------------------------


def scan_json(result: ScanResult) -> str:
    """A scan as JSON by ``scan.schema.json``, which ships beside this module."""
    return "".join(scan_json_pieces(result))


def scan_json_pieces(result: ScanResult) -> Iterator[str]:
    """What `scan_json` writes, in pieces to be written one by one.

    A folder of a million files has as many assessments, and gigabytes of JSON.
    """
    yield f'{{\n  "schema": {SCAN_SCHEMA}'
    lists = {"findings": map(_finding, result.findings)}
    lists |= {"assessments": map(_assessment, result.assessments)}
    for name, items in lists.items():
        yield f',\n  "{name}": ['
        end = ""
        for item in items:
            yield f"{',' if end else ''}\n{_indented(item, 4)}"
            end = "\n  "
        yield f"{end}]"
    summary = _indented({**result.summary, **counted(result)}, 2).lstrip()
    yield f',\n  "summary": {summary}\n}}\n'


def _indented(value: Any, width: int) -> str:
    text = json.dumps(to_json(value), indent=2, ensure_ascii=False)
    return " " * width + text.replace("\n", "\n" + " " * width)


def scan_document(result: ScanResult) -> dict[str, Any]:
    """The JSON value that `scan_json` writes.

    Numbers that JSON cannot carry become ``null``; lone surrogates of undecodable paths
    become their escape, so that the document is valid UTF-8 whatever was scanned.
    """
    document = {
        "schema": SCAN_SCHEMA,
        "findings": [_finding(finding) for finding in result.findings],
        "assessments": [_assessment(assessment) for assessment in result.assessments],
        "summary": {**result.summary, **counted(result)},
    }
    plain: dict[str, Any] = to_json(document)
    return plain


def counted(result: ScanResult) -> dict[str, Any]:
    """Counts of findings by severity and of assessments by outcome; every name is there."""
    severities = Counter(finding.severity for finding in result.findings)
    outcomes = Counter(assessment.outcome for assessment in result.assessments)
    return {
        "findings": len(result.findings),
        "severities": {item.value: severities[item] for item in reversed(Severity)},
        "assessments": {item.value: outcomes[item] for item in Outcome},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    location = {
        name: value
        for name, value in to_json(finding.location).items()
        if value is not None and value != []
    }
    names = ("control", "threats", "level", "severity", "confidence", "path")
    whole = to_json(finding)
    return {
        **{name: whole[name] for name in names},
        "location": location,
        **{name: whole[name] for name in ("message", "evidence", "remedy")},
    }


def _assessment(assessment: Assessment) -> dict[str, Any]:
    # Without its seconds: the same files give the same bytes, on any machine under any load.
    return {
        "control": assessment.control,
        "path": assessment.path,
        "outcome": assessment.outcome.value,
        "reason": assessment.reason,
        "threats": list(assessment.threats),
        "digest": assessment.subject_digest,
    }


# Page --------------------------------------------------------------------------------


def scan_html(result: ScanResult) -> str:
    """A scan as one self-contained page."""
    from hauberk.report.scan_page import page

    return page(result)
