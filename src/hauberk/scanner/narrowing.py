"""What others found, what is known, and what a change touched: a scan's findings refined.

* ``--import-sarif`` adds what other scanners found. One site gives one finding: what stands on
  a line that a finding of ours stands on is added to that finding as a source.
* ``--diff`` keeps what stands on lines that changed since a commit, and commits since then.
* ``--allow`` takes out what a file allows with a reason, by control and path.
* ``--baseline`` takes out what a file of fingerprints knows; the outcome of the control stays.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.core.finding import (
    Assessment,
    Evidence,
    Finding,
    Level,
    Location,
    Outcome,
    Severity,
)
from hauberk.errors import UsageError
from hauberk.formats.source import ask
from hauberk.report.sarif import fingerprint

if TYPE_CHECKING:
    from hauberk.scanner.engines import Engine

MAX_IMPORT_BYTES = 256 << 20
BASELINE_SCHEMA = 1

_SEVERITIES = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """How the findings of a scan are refined.

    Attributes:
        imports: SARIF files of other scanners.
        engines: Other scanners to call.
        diff: A commit; only what changed since then is told. Empty for all.
        baseline: A file of fingerprints that are known.
        allow: A file of allowances: control, path with ``*``, reason, and a last day if wanted.
    """

    imports: tuple[Path, ...] = ()
    engines: tuple[Engine, ...] = ()
    diff: str = ""
    baseline: Path | None = None
    allow: Path | None = None


def narrowed(
    assessments: Sequence[Assessment],
    roots: Sequence[Path],
    wanted: Narrowing,
    left_out: Counter[str] | None = None,
) -> list[Assessment]:
    """Assessments with imports merged in and findings taken out.

    Args:
        left_out: Counts what is taken out, by why.

    Raises:
        UsageError: A file cannot be read, or the commit is none.
    """
    kept = list(assessments)
    counted: Counter[str] = Counter() if left_out is None else left_out
    for path in wanted.imports:
        kept = _merged(kept, _imported(path))
    if wanted.engines:
        from hauberk.scanner.engines import engine_assessments

        for item in engine_assessments(wanted.engines, roots):
            kept = _merged(kept, [item])
    if wanted.diff:
        touched = [changed_since(root, wanted.diff) for root in roots]
        kept = [
            _filtered(item, lambda f: _is_touched(f, touched), UNCHANGED, counted) for item in kept
        ]
    if wanted.allow is not None:
        allowed = read_allowances(wanted.allow)
        kept = [
            _filtered(item, lambda f: not _is_allowed(f, allowed), ALLOWED, counted)
            for item in kept
        ]
    if wanted.baseline is not None:
        known = read_baseline(wanted.baseline)
        kept = [
            _filtered(item, lambda f: fingerprint(f) not in known, KNOWN, counted) for item in kept
        ]
    return kept


UNCHANGED, ALLOWED, KNOWN = "in what did not change", "allowed by a file", "known to the baseline"
"""Why a finding is left out, as the report says it."""


def _filtered(item: Assessment, keep: Any, why: str, counted: Counter[str]) -> Assessment:
    findings = tuple(finding for finding in item.findings if keep(finding))
    if len(findings) == len(item.findings):
        return item
    left_out = len(item.findings) - len(findings)
    counted[why] += left_out
    reason = item.reason if findings else f"{left_out} findings left out: {why}"
    return replace(item, findings=findings, reason=reason)


# Baselines -----------------------------------------------------------------------------


def read_baseline(path: Path) -> frozenset[str]:
    """The fingerprints that a baseline knows.

    Raises:
        UsageError: It is no baseline.
    """
    data = _json(path)
    marks = data.get("fingerprints") if isinstance(data, dict) else None
    if not isinstance(marks, list):
        raise UsageError(
            "a baseline holds a list of fingerprints",
            subject=str(path),
            expected='{"schema": 1, "fingerprints": [...]}',
            found="none",
            hint="write one with --write-baseline FILE",
        )
    return frozenset(str(mark) for mark in marks)


def baseline_text(findings: Sequence[Finding]) -> str:
    """A baseline that knows ``findings``, sorted so that it reads well in a diff."""
    marks = sorted({fingerprint(finding) for finding in findings})
    return json.dumps({"schema": BASELINE_SCHEMA, "fingerprints": marks}, indent=1) + "\n"


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_IMPORT_BYTES:
            raise UsageError(
                "a file is too large to be read here",
                subject=str(path),
                expected=f"at most {MAX_IMPORT_BYTES} bytes",
                found=f"{path.stat().st_size} bytes",
            )
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            "a file of JSON cannot be read", subject=str(path), found=str(error)[:100]
        ) from error


def read_allowances(path: Path) -> tuple[tuple[str, str], ...]:
    """Pairs of control and path that a file allows with a reason.

    Raises:
        UsageError: It does not parse, or an entry lacks its reason.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("allow", [])
    except (OSError, ValueError) as error:
        raise UsageError(
            "a file of allowances cannot be read", subject=str(path), found=str(error)[:100]
        ) from error
    found = []
    for entry in entries:
        given = entry if isinstance(entry, dict) else {}
        control, pattern, reason = (given.get(key) for key in ("control", "path", "reason"))
        if not (control and pattern and isinstance(reason, str) and reason.strip()):
            raise UsageError(
                "an allowance names a control, a path and a reason",
                subject=str(path),
                expected='[[allow]] with control = "...", path = "...", reason = "..."',
                found=str(entry)[:100],
            )
        found.append((str(control), str(pattern)))
    return tuple(found)


def _is_allowed(finding: Finding, allowed: Sequence[tuple[str, str]]) -> bool:
    names = {finding.control, finding.evidence.facts.get("rule", "")}
    return any(
        control in names and fnmatch.fnmatchcase(finding.path, pattern)
        for control, pattern in allowed
    )


# Changes -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Changed:
    """Lines of files, and commits, that are new since a commit."""

    lines: dict[str, list[tuple[int, int]]]
    commits: frozenset[str]


def changed_since(root: Path, commit: str) -> Changed:
    """What changed in the work tree at ``root`` since it left ``commit``.

    Raises:
        UsageError: ``commit`` is none of the repository.
    """
    git = shutil.which("git")
    known = (
        ask(git, root, "rev-parse", "--verify", "-q", "--end-of-options", f"{commit}^{{commit}}")
        if git is not None
        else None
    )
    if git is None or known is None:
        raise UsageError(
            "--diff needs a commit of the repository",
            subject=str(root),
            expected="a branch, tag or commit",
            found=commit,
            hint="fetch the base branch first",
        )
    oid = known.decode().strip()
    base = (ask(git, root, "merge-base", oid, "HEAD") or known).decode().strip()
    words = ("diff", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--relative")
    listed = ask(git, root, *words, base, "--") or b""
    fresh = ask(git, root, "rev-list", "HEAD", f"^{oid}") or b""
    lines = _hunks(listed.decode("utf-8", "replace"))
    others = ask(git, root, "ls-files", "--others", "--exclude-standard", "-z") or b""
    for name in others.decode("utf-8", "replace").split("\0"):
        if name:
            lines[name] = [(1, 1 << 40)]
    return Changed(lines, frozenset(fresh.decode().split()))


def _hunks(text: str) -> dict[str, list[tuple[int, int]]]:
    lines: dict[str, list[tuple[int, int]]] = {}
    name = ""
    for line in text.split("\n"):
        if line.startswith("+++ "):
            name = line[4:].removeprefix("b/").strip('"')
        match = re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line)
        if match is not None and name:
            start, count = int(match[1]), int(match[2] or 1)
            lines.setdefault(name, []).append((start, start + max(count, 1) - 1))
    return lines


def _stands_in(finding: Finding, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a finding stands on a changed line, or one of the lines that it speaks for."""
    if finding.location.line is None:
        return True
    told = finding.evidence.facts.get("lines", "").split(", ")
    lines = {finding.location.line, *(int(line) for line in told if line.isdecimal())}
    return any(first <= line <= last for line in lines for first, last in spans)


def _is_touched(finding: Finding, touched: Sequence[Changed]) -> bool:
    commit = finding.evidence.facts.get("commit", "")
    for change in touched:
        if commit:
            if commit in change.commits:
                return True
            continue
        spans = next((s for name, s in change.lines.items() if _is_same(finding.path, name)), None)
        if spans is not None and _stands_in(finding, spans):
            return True
        past = finding.path.partition(":")[0]
        if ":" in finding.path and any(oid.startswith(past) for oid in change.commits):
            return True
    return False


def _is_same(path: str, name: str) -> bool:
    return path == name or path.endswith(f"/{name}")


# Imports -------------------------------------------------------------------------------


def _imported(path: Path) -> list[Assessment]:
    data = _json(path)
    runs = data.get("runs") if isinstance(data, dict) else None
    if not isinstance(runs, list):
        raise UsageError(
            "--import-sarif reads SARIF 2.1.0", subject=str(path), expected="runs", found="none"
        )
    return [of_run(run, path) for run in runs if isinstance(run, dict)]


def of_run(run: dict[str, Any], path: Path) -> Assessment:
    """What one run of a SARIF log found; ``path`` is the file or the folder that it is about."""
    driver = _dict(_dict(run.get("tool")).get("driver"))
    tool = re.sub(r"[^\w.-]+", "-", str(driver.get("name") or "unnamed")).lower()
    rules = driver.get("rules") if isinstance(driver.get("rules"), list) else []
    results = run.get("results") if isinstance(run.get("results"), list) else []
    findings = tuple(
        _of_result(result, tool, _dict(_rule(result, rules)))
        for result in results or []
        if isinstance(result, dict) and not result.get("suppressions")
    )
    outcome = Outcome.FLAGGED if findings else Outcome.CLEAN
    reason = f"{len(findings)} results of {tool}" if findings else ""
    return Assessment(
        control=f"imported/{tool}",
        path=str(path),
        outcome=outcome,
        reason=reason,
        findings=findings,
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _rule(result: dict[str, Any], rules: Any) -> Any:
    index, name = result.get("ruleIndex"), result.get("ruleId")
    if isinstance(index, int) and 0 <= index < len(rules):
        return rules[index]
    return next((rule for rule in rules if _dict(rule).get("id") == name), {})


def _of_result(result: dict[str, Any], tool: str, rule: dict[str, Any]) -> Finding:
    places = result.get("locations")
    place = _dict(
        _dict(places[0] if isinstance(places, list) and places else {}).get("physicalLocation")
    )
    uri = str(_dict(place.get("artifactLocation")).get("uri") or "unknown").removeprefix("file://")
    line = _dict(place.get("region")).get("startLine")
    level = str(
        result.get("level") or _dict(rule.get("defaultConfiguration")).get("level") or "warning"
    )
    name = str(result.get("ruleId") or "unnamed")
    text = str(_dict(result.get("message")).get("text") or name)[:500]
    return Finding(
        message=f"{uri}: {text}",
        path=uri,
        severity=_severity(rule, level),
        level=Level.REVIEW if result.get("kind") == "review" else Level.DEFECT,
        remedy=f"See rule {name} of {tool}.",
        control=f"imported/{tool}",
        confidence=0.5,
        location=Location(line=line if isinstance(line, int) and line > 0 else None),
        evidence=Evidence(statistic="imported", facts={"rule": name, "sources": tool}),
    )


def _severity(rule: dict[str, Any], level: str) -> Severity:
    given = _dict(rule.get("properties")).get("security-severity")
    try:
        score = float(given) if given is not None else None
    except (TypeError, ValueError):
        score = None
    if score is None:
        return _SEVERITIES.get(level, Severity.LOW)
    bounds = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))
    return next((severity for bound, severity in bounds if score >= bound), Severity.LOW)


def _merged(own: list[Assessment], imported: list[Assessment]) -> list[Assessment]:
    """One finding for each site: a second tool on the same line is a second source."""
    sites: dict[tuple[str, int | None], list[Finding]] = {}
    left: list[Assessment] = []
    known = [(f.path, f.location.line) for item in own for f in item.findings]
    for item in imported:
        fresh: list[Finding] = []
        for finding in item.findings:
            site = next(
                (
                    s
                    for s in known
                    if s[1] == finding.location.line and s[1] and _meets(s[0], finding.path)
                ),
                None,
            )
            if site is None:
                fresh.append(finding)
                known.append((finding.path, finding.location.line))
            else:
                sites.setdefault(site, []).append(finding)
        left.append(replace(item, findings=tuple(fresh)))
    return [*(_sourced(item, sites) for item in own), *left]


def _meets(own: str, other: str) -> bool:
    return own == other or own.endswith(f"/{other}") or other.endswith(f"/{own}")


def _sourced(item: Assessment, sites: dict[tuple[str, int | None], list[Finding]]) -> Assessment:
    if not sites:
        return item
    return replace(item, findings=tuple(_with_sources(f, sites) for f in item.findings))


def _with_sources(finding: Finding, sites: dict[tuple[str, int | None], list[Finding]]) -> Finding:
    others = sites.get((finding.path, finding.location.line), [])
    if not others:
        return finding
    tools = sorted({f"{o.control.rpartition('/')[2]}:{o.evidence.facts['rule']}" for o in others})
    facts = {**finding.evidence.facts, "sources": ", ".join(["hauberk", *tools])}
    return replace(
        finding,
        confidence=max(finding.confidence, 0.95),
        evidence=replace(finding.evidence, facts=facts),
    )
