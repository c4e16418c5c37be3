"""Pinned packages with known vulnerabilities: see `KnownVulnerabilities`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from hauberk.core.artifact import CodeTree
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import UnavailableError
from hauberk.methods.code.advisories import Advisories, from_bytes
from hauberk.methods.code.dependencies import Pin
from hauberk.methods.code.locked_pins import exact_pins
from hauberk.methods.code.package_lists import PYPI, UNNAMED, is_broken, listed_pins, release_of
from hauberk.methods.code.package_names import normal

MAX_AGE_DAYS = 30
_LOADERS = frozenset(
    {
        "torch",
        "tensorflow",
        "keras",
        "joblib",
        "numpy",
        "onnx",
        "onnxruntime",
        "safetensors",
        "mlflow",
    }
    | {"transformers", "scikit-learn", "pyyaml", "pillow", "h5py", "skops", "xgboost", "nltk"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVulnerabilities(Check[CodeTree]):
    """Pinned packages with known vulnerabilities.

    Exact versions in requirement and lock files, in bills of materials (CycloneDX, SPDX), in what
    ``pip list`` printed and in the lists of an unpacked image are held against a snapshot of
    advisories that ``hauberk advisories import`` made. Without a snapshot, with an old one, or with
    one that says nothing of a release of Debian that is listed, packages are not checked, and
    that is said: never clean.

    Limits:
        Ranges without a lock, packages that no file names, and what nobody has reported. Packages
        of Alpine and of other languages are not checked. Whether the code reaches the faulty part
        is not asked.

    Args:
        database: Bytes of the snapshot; empty for the one in the user's folder.
        max_age_days: Age from which on a snapshot is too old.

    References:
        Open Source Vulnerability format 1.6, evaluation.
    """

    title: ClassVar[str] = "Pinned packages with known vulnerabilities"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("TR-3"),
        ThreatId("RE-4"),
        ThreatId("EX-11"),
    )
    subject: ClassVar[type] = CodeTree
    optional: ClassVar[bool] = True

    database: bytes = b""
    max_age_days: int = MAX_AGE_DAYS

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield vulnerable pins, then the age of a snapshot that is too old.

        Raises:
            UnavailableError: There are pins and no snapshot, or a list cannot be read.
        """
        pins = list(_pins(subject))
        broken = [file.name for file in subject.files() if is_broken(file)]
        if not pins and not broken:
            raise NotApplicable("no file fixes a version")
        advisories = self._snapshot()
        known = advisories.ecosystems() | {PYPI}
        for path, pin in pins:
            found = advisories.of(pin.name, pin.version, pin.ecosystem)
            if found:
                yield _finding(path, pin, [item.id for item in found], found[0].fixed)
        age = advisories.age_days(datetime.now(UTC).date())
        if age > self.max_age_days:
            raise UnavailableError(
                f"the advisories are {age} days old",
                expected=f"at most {self.max_age_days} days",
                found=advisories.day,
                hint="hauberk advisories import OSV.zip",
            )
        if broken:
            raise UnavailableError(
                f"packages of {len(broken)} bills of materials were not checked",
                subject=broken[0],
                expected="JSON",
                found="a file that breaks off, or is none",
                hint="write it again",
            )
        if missing := sorted({pin.ecosystem for _, pin in pins} - known):
            count = sum(pin.ecosystem in missing for _, pin in pins)
            raise UnavailableError(
                f"{count} packages of {', '.join(missing[:5])} were not checked",
                expected="records about that release in the snapshot",
                found=", ".join(sorted(known - {PYPI})) or "records about packages of Python alone",
                hint="import an export that has them; of Alpine, and of a release that nothing "
                "names, packages are not checked",
            )

    def _snapshot(self) -> Advisories:
        if self.database:
            return from_bytes(self.database)
        path = advisories_file()
        if not path.is_file():
            raise UnavailableError(
                "known vulnerabilities were not checked: there is no snapshot of advisories",
                subject=str(path),
                found="nothing",
                hint="hauberk advisories import OSV.zip",
            )
        return from_bytes(path.read_bytes(), name=str(path))


def _pins(subject: CodeTree) -> Iterator[tuple[str, Pin]]:
    """Every package with one version; those of an unpacked image with its release."""
    told = list[tuple[str, Pin]]()
    releases: dict[str, str] = {}
    for file in subject.files():
        path = file.path.as_posix()
        if path.endswith(("etc/os-release", "usr/lib/os-release")):
            root = path.removesuffix("etc/os-release").removesuffix("usr/lib/os-release")
            releases[root] = release_of(file.text)
        told += [(file.name, pin) for pin in (*exact_pins(file), *listed_pins(file))]
    for name, pin in told:
        root = name.partition("var/lib/dpkg/")[0]
        is_named = pin.ecosystem == UNNAMED and bool(releases.get(root))
        yield name, replace(pin, ecosystem=releases[root]) if is_named else pin


def advisories_file() -> Path:
    """Where the snapshot of this user lies."""
    import os

    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "hauberk" / "advisories.json.gz"


def _finding(path: str, pin: Pin, ids: list[str], fixed: str) -> Finding:
    more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
    is_loader = normal(pin.name) in _LOADERS
    step = f"Move to {fixed} or later" if fixed else "Replace it: no version is free of it"
    loads = "; it reads model files or data" if is_loader else ""
    return Finding(
        message=f"{path}, line {pin.line}: {pin.name} {pin.version} has {ids[0]}{more}{loads}",
        path=path,
        severity=Severity.HIGH,
        level=Level.DEFECT,
        remedy=f"{step}, lock again, and test.",
        location=Location(line=pin.line),
        evidence=Evidence(
            statistic="advisories",
            value=float(len(ids)),
            facts={"ids": ", ".join(ids[:20]), "cwe": "CWE-1395"},
        ),
    )
