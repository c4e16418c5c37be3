"""A scan as SARIF 2.1.0 (OASIS standard), for code-scanning pages and other tools.

Rules are controls; threats, ATLAS techniques, OWASP entries and weaknesses are taxa that a
rule relates to (section 3.19). A fingerprint is made of the control, the path, and the
message with its numbers taken out, so that it survives edits elsewhere in the file; equal
ones are numbered in order (section 3.27.17).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from hauberk import __version__
from hauberk.catalogue import references
from hauberk.core.finding import Assessment, Finding, Level, Outcome, Severity
from hauberk.core.threat import Threat, ThreatId
from hauberk.report.json_pieces import json_pieces
from hauberk.report.markup import clipped
from hauberk.report.scan import place_of
from hauberk.report.scan_result import ScanResult

SCHEMA_URI = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
FINGERPRINT = "hauberkFinding/v1"
TAXONOMIES = {
    "threat": "Hauberk threats",
    "atlas": "MITRE ATLAS",
    "owasp_ml": "OWASP Machine Learning Security Top Ten",
    "owasp_llm": "OWASP Top 10 for LLM Applications",
    "nist": "NIST AI 100-2",
    "cwe": "CWE",
}
"""Frameworks by the name that the catalogue gives them."""

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
}
_SECURITY_SEVERITY = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.0",
    Severity.LOW: "2.0",
}
"""Middle of the bands that code-scanning pages cut this number into."""

Threats = Mapping[ThreatId, Threat]
Taxon = tuple[str, str]


def scan_sarif(result: ScanResult, *, threats: Threats | None = None) -> str:
    """A scan as a SARIF log with one run.

    Args:
        result: What the scanner found.
        threats: The catalogue that taxa are taken from; the shipped one by default.
    """
    return "".join(scan_sarif_pieces(result, threats=threats))


def scan_sarif_pieces(result: ScanResult, *, threats: Threats | None = None) -> Iterator[str]:
    """What `scan_sarif` gives, in pieces to be written one by one."""
    yield from json_pieces(_log(result, _catalogue() if threats is None else threats))
    yield "\n"


def _catalogue() -> Threats:
    from hauberk.catalogue import threats

    return threats()


def _log(result: ScanResult, threats: Threats) -> dict[str, Any]:
    """The SARIF log as a JSON value, with iterators in place of what may be long."""
    rules = _threats_of_rules(result)
    order = {control: i for i, control in enumerate(rules)}
    taxa = _taxa([threat for known in rules.values() for threat in known], threats)
    driver = {
        "name": "hauberk",
        "semanticVersion": __version__,
        "rules": [_rule(control, known, threats) for control, known in rules.items()],
        "supportedTaxonomies": [{"name": TAXONOMIES[name]} for name in taxa],
    }
    run = {
        "tool": {"driver": driver},
        "taxonomies": [_taxonomy(name, ids, threats) for name, ids in taxa.items()],
        "invocations": [_invocation(result)],
        "results": _results(result.findings, order),
        "columnKind": "unicodeCodePoints",
    }
    return {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}


# Rules and taxa ----------------------------------------------------------------------


def _threats_of_rules(result: ScanResult) -> dict[str, tuple[ThreatId, ...]]:
    """Every control that took part, with the threats that it or its findings name."""
    known: dict[str, dict[ThreatId, None]] = {}
    items: tuple[Assessment | Finding, ...] = (*result.assessments, *result.findings)
    for item in items:
        known.setdefault(item.control or "unnamed", {}).update(dict.fromkeys(item.threats))
    return {control: tuple(sorted(known[control])) for control in sorted(known)}


def _rule(control: str, known: Sequence[ThreatId], threats: Threats) -> dict[str, Any]:
    titles = [threats[threat].title for threat in known if threat in threats]
    text = "; ".join(titles) or control.rpartition("/")[2].replace("-", " ")
    return {
        "id": control,
        "name": "".join(part.capitalize() for part in re.split(r"[/-]", control)),
        "shortDescription": {"text": clipped(text, 200)},
        "fullDescription": {"text": f"Control {control} answers: {text}."},
        "relationships": [
            {
                "target": {"id": id_, "toolComponent": {"name": TAXONOMIES[name]}},
                "kinds": ["relevant"],
            }
            for name, ids in _taxa(known, threats).items()
            for id_ in ids
        ],
        "properties": {"tags": ["security", "machine-learning", *known]},
    }


def _taxa(known: Iterable[ThreatId], threats: Threats) -> dict[str, list[str]]:
    """Framework name to the ids in use, both sorted; only frameworks that have any."""
    taxa: dict[str, set[str]] = {name: set() for name in TAXONOMIES}
    for threat in known:
        taxa["threat"].add(threat)
        references = threats[threat].references if threat in threats else {}
        for name in taxa.keys() & references.keys():
            taxa[name].update(references[name])
    return {name: sorted(ids) for name, ids in taxa.items() if ids}


def _taxonomy(name: str, ids: Sequence[str], threats: Threats) -> dict[str, Any]:
    known = references()
    edition = known["editions"].get(name)
    titles = {str(threat.id): threat.title for threat in threats.values()}
    names = titles if name == "threat" else known.get(name, {})
    return {
        "name": TAXONOMIES[name],
        **({"fullName": edition} if edition else {}),
        "taxa": [_taxon(id_, names.get(id_), threats.get(ThreatId(id_))) for id_ in ids],
    }


def _taxon(id_: str, name: str | None, threat: Threat | None) -> dict[str, Any]:
    taxon: dict[str, Any] = {"id": id_}
    if name is not None:
        taxon["shortDescription"] = {"text": name}
    if threat is not None:
        taxon["properties"] = {"kind": threat.kind.value, "component": threat.component.value}
    return taxon


# Results -----------------------------------------------------------------------------


def _results(findings: Sequence[Finding], order: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for finding in findings:
        base = fingerprint(finding)
        seen[base] += 1
        yield _result(finding, order, f"{base}:{seen[base]}")


def fingerprint(finding: Finding) -> str:
    """Identity of a finding that does not move with lines, counts and measured values."""
    message = re.sub(r"[0-9]+(?:[.,][0-9]+)*", "#", finding.message)
    site = (finding.control, finding.path, *finding.location.inner, finding.location.field or "")
    parts = json.dumps([*site, message], ensure_ascii=True)
    return sha256(parts.encode()).hexdigest()[:32]


def _result(finding: Finding, order: Mapping[str, int], mark: str) -> dict[str, Any]:
    control = finding.control or "unnamed"
    review = finding.level is Level.REVIEW
    text = f"{finding.message} Next: {finding.remedy}" if finding.remedy else finding.message
    return {
        "ruleId": control,
        "ruleIndex": order[control],
        "level": "none" if review else _LEVELS[finding.severity],  # section 3.27.10
        "kind": "review" if review else "fail",
        "message": {"text": clipped(text)},
        "locations": [_location(finding)],
        "partialFingerprints": {FINGERPRINT: mark},
        "rank": round(100 * finding.confidence, 1),
        "properties": {
            "security-severity": _SECURITY_SEVERITY[finding.severity],
            "severity": finding.severity.value,
            "confidence": finding.confidence,
            "threats": list(finding.threats),
            **_weakness(finding),
        },
    }


def _weakness(finding: Finding) -> dict[str, Any]:
    """The rule and the weakness that the finding's evidence names."""
    facts = finding.evidence.facts
    found: dict[str, Any] = {key: facts[key] for key in ("rule", "sources") if key in facts}
    if facts.get("cwe", "").startswith("CWE-"):
        found["tags"] = [f"external/cwe/{facts['cwe'].lower()}"]
    return found


def _location(finding: Finding) -> dict[str, Any]:
    location = finding.location
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.path)}}
    region = _region(finding)
    if region:
        physical["region"] = region
    inside = place_of(finding)
    if not location.inner and location.field is None:
        return {"physicalLocation": physical}
    name = {"fullyQualifiedName": f"{finding.path}{inside}"}
    return {"physicalLocation": physical, "logicalLocations": [name]}


def _region(finding: Finding) -> dict[str, int]:
    location = finding.location
    if location.line is not None:
        region = {"startLine": location.line}
        if location.column is not None:
            region["startColumn"] = location.column
        if location.end_line is not None:
            region["endLine"] = location.end_line
        return region
    return {} if location.offset is None else {"byteOffset": location.offset}


def _uri(path: str) -> str:
    """A path as a URI reference; undecodable bytes keep their value as percent escapes."""
    raw = (
        path.encode("utf-8", "surrogateescape")
        if _escapable(path)
        else path.encode("utf-8", "backslashreplace")
    )
    quoted = quote(raw, safe="/-._~!$&'()*+,;=@")
    return f"file://{quoted}" if PurePath(path).is_absolute() else quoted


def _escapable(path: str) -> bool:
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _invocation(result: ScanResult) -> dict[str, Any]:
    """How the scan went; what could not be judged is said, never left out."""
    failed = (item for item in result.assessments if item.outcome is Outcome.FAILED)
    return {
        "executionSuccessful": True,
        "toolExecutionNotifications": map(_notification, failed),
    }


def _notification(item: Assessment) -> dict[str, Any]:
    reason = item.reason or "no reason was given"
    return {
        "level": "warning",
        "message": {"text": clipped(f"{item.control} could not judge {item.path}: {reason}")},
        "associatedRule": {"id": item.control or "unnamed"},
    }
