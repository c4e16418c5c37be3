"""Other scanners, called where somebody asked for them and they are installed.

Each is run over the folder without its configuration files and without a network, in a folder
of its own, and its SARIF is read and merged: one finding for each site, with its sources. An
engine that is asked for and does not answer leaves an assessment that failed, never silence.
Programs are taken from beside our own interpreter or from absolute folders of the search path,
never from what is scanned.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hauberk.core.finding import Assessment, Finding, Level, Outcome, Severity
from hauberk.errors import UsageError
from hauberk.scanner.narrowing import MAX_IMPORT_BYTES, of_run

TIMEOUT_S = 600.0
FALLBACK = (
    "credentials are looked for by Hauberk's own detector, the fallback where betterleaks is "
    "not asked (--engine betterleaks)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Another scanner.

    Attributes:
        package: How it is installed.
        words: Arguments, given the folder to scan and the file to write SARIF to.
        prints: Whether it prints the SARIF instead of writing the file.
        left_out: Rules of style that say nothing of safety.
        ceiling: The severity that its findings have at most: some call everything an error.
        mild: Rules that are low whatever the engine says.
    """

    name: str
    package: str
    words: Callable[[Path, Path], Sequence[str]]
    prints: bool = True
    left_out: frozenset[str] = frozenset()
    ceiling: Severity = Severity.HIGH
    mild: frozenset[str] = frozenset()


def _ruff(folder: Path, report: Path) -> Sequence[str]:
    del report
    select = ("check", "--isolated", "--no-cache", "--exit-zero", "--quiet", "--select", "S")
    return (*select, "--output-format", "sarif", "--", str(folder))


def _zizmor(folder: Path, report: Path) -> Sequence[str]:
    del report
    quiet = ("--offline", "--no-config", "--no-progress", "--no-exit-codes", "--quiet")
    return (*quiet, "--persona", "auditor", "--format", "sarif", str(folder))


def _betterleaks(folder: Path, report: Path) -> Sequence[str]:
    place = "git" if (folder / ".git").exists() else "dir"
    quiet = ("--no-banner", "--exit-code", "0", "--redact", "--report-format", "sarif")
    return (place, str(folder), *quiet, "--report-path", str(report))


ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine(
            name="betterleaks",
            package="betterleaks, from its releases",
            words=_betterleaks,
            prints=False,
        ),
        Engine(
            name="zizmor",
            package="pip install zizmor",
            words=_zizmor,
            left_out=frozenset(
                {
                    "zizmor/anonymous-definition",
                    "zizmor/concurrency-limits",
                    "zizmor/misfeature",
                    "zizmor/obfuscation",
                    "zizmor/stale-action-refs",
                    "zizmor/superfluous-actions",
                    "zizmor/undocumented-permissions",
                }
            ),
        ),
        Engine(
            name="ruff",
            package="pip install ruff",
            words=_ruff,
            ceiling=Severity.MEDIUM,
            mild=frozenset("S101 S105 S106 S107 S110 S112 S311 S403 S404 S603 S607".split()),  # noqa: SIM905 - a table of names
        ),
    )
}


def chosen(names: Sequence[str]) -> tuple[Engine, ...]:
    """The engines with these names; ``auto`` stands for those that are installed.

    Raises:
        UsageError: One is not known, or not installed.
    """
    found: dict[str, Engine] = {}
    for name in names:
        if name == "auto":
            found |= {key: one for key, one in ENGINES.items() if program(one)}
            continue
        engine = ENGINES.get(name)
        if engine is None or program(engine) is None:
            raise UsageError(
                f"the engine {name} is not " + ("known" if engine is None else "installed"),
                subject=f"--engine {name}",
                expected=f"auto, {', '.join(ENGINES)}",
                found="no such engine" if engine is None else "no program of that name",
                hint=engine.package if engine else "hauberk scan --help lists them",
            )
        found[name] = engine
    return tuple(found.values())


def program(engine: Engine) -> str | None:
    """Where the engine's program is: beside our interpreter, else in an absolute folder."""
    places = [
        str(Path(sys.executable).parent),
        *(
            part
            for part in os.environ.get("PATH", "").split(os.pathsep)
            if Path(part).is_absolute()
        ),
    ]
    return shutil.which(engine.name, path=os.pathsep.join(places))


def engine_assessments(
    engines: Sequence[Engine], roots: Sequence[Path], *, timeout_s: float = TIMEOUT_S
) -> Iterator[Assessment]:
    """What each engine says of each folder."""
    for root in roots:
        folder = root.resolve()
        for engine in engines if folder.is_dir() else ():
            where = program(engine)
            if where is None or Path(where).resolve().is_relative_to(folder):
                yield _failed(engine, root, "its program is not there, or lies in what is scanned")
            else:
                yield _asked(engine, where, folder, root, timeout_s)


def _asked(engine: Engine, where: str, folder: Path, root: Path, timeout_s: float) -> Assessment:
    with tempfile.TemporaryDirectory(prefix="hauberk-engine-") as scratch:
        report = Path(scratch) / "report.sarif"
        try:
            with report.open("wb") as file:
                done = subprocess.run(
                    (where, *engine.words(folder, report)),
                    cwd=scratch,
                    env=_environment(scratch),
                    stdin=subprocess.DEVNULL,
                    stdout=file if engine.prints else subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=timeout_s,
                    check=False,
                )
            if report.stat().st_size > MAX_IMPORT_BYTES:
                return _failed(engine, root, "its report is too large")
            runs = json.loads(report.read_text("utf-8-sig") or "null")["runs"]
            found = [of_run(run, root) for run in runs]
        except subprocess.TimeoutExpired:
            return _failed(engine, root, f"it took longer than {timeout_s:g} s")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if not _is_empty(engine, report):
                return _failed(engine, root, f"its report does not read: {type(error).__name__}")
            found = []
        if done.returncode not in (0, 1, 3):
            return _failed(engine, root, f"it ended with {done.returncode}")
    findings = tuple(
        _placed(item, engine, folder)
        for part in found
        for item in part.findings
        if item.evidence.facts.get("rule") not in engine.left_out
    )
    return Assessment(
        control=f"imported/{engine.name}",
        path=str(root),
        outcome=Outcome.FLAGGED if findings else Outcome.CLEAN,
        reason=f"{len(findings)} results of {engine.name}" if findings else "",
        findings=findings,
    )


def _is_empty(engine: Engine, report: Path) -> bool:
    """Whether nothing was written because there is no workflow; only zizmor does that."""
    return engine.name == "zizmor" and report.is_file() and report.stat().st_size == 0


def _environment(scratch: str) -> dict[str, str]:
    """Nothing of ours but where programs are; git asks no configuration and starts nothing."""
    git = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": "false",
        "GIT_CONFIG_KEY_1": "core.hooksPath",
        "GIT_CONFIG_VALUE_1": os.devnull,
    }
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": scratch,
        "XDG_CONFIG_HOME": scratch,
        "XDG_CACHE_HOME": scratch,
        "NO_COLOR": "1",
        **git,
    }


def _placed(finding: Finding, engine: Engine, folder: Path) -> Finding:
    """The finding by its path within the folder, not above the engine's ceiling."""
    path = _path_within(finding.path, folder)
    rule = finding.evidence.facts.get("rule", "")
    top = Severity.LOW if rule in engine.mild else engine.ceiling
    order = list(Severity)
    severity = min(finding.severity, top, key=order.index)
    message = finding.message.replace(finding.path, path, 1)
    is_style = severity is Severity.LOW
    return replace(
        finding,
        path=path,
        message=message,
        severity=severity,
        control=f"imported/{engine.name}",
        level=Level.REVIEW if is_style else finding.level,
    )


def _path_within(name: str, folder: Path) -> str:
    path = Path(unquote(urlsplit(name).path) if "://" in name else name)
    try:
        return path.relative_to(folder).as_posix() if path.is_absolute() else path.as_posix()
    except ValueError:
        return name


def _failed(engine: Engine, root: Path, why: str) -> Assessment:
    return Assessment(
        control=f"imported/{engine.name}",
        path=str(root),
        outcome=Outcome.FAILED,
        reason=f"{engine.name} was asked for and did not answer: {why}",
        findings=(),
    )


def detector_note(engines: Sequence[Engine]) -> dict[str, Any]:
    """What the summary says of engines: which were asked, and what stands in for the others."""
    names = [engine.name for engine in engines]
    secrets = "betterleaks and Hauberk's own detector" if "betterleaks" in names else FALLBACK
    return {"engines": ["hauberk", *names], "secrets": secrets}
