"""Known vulnerabilities of packages, from a snapshot that somebody imported.

The index is one file of JSON, compressed: package to its records, each with the ranges and
versions it affects, and the day of the newest record. OSV exports (a zip or a folder of JSON)
and the folder of the Python Packaging Advisory Database (YAML) are read.

References:
    Open Source Vulnerability format 1.6, "affected[].ranges" and its evaluation algorithm.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from hauberk.errors import ArtifactError, UsageError
from hauberk.formats.debian_versions import DebianVersion, debian_version
from hauberk.formats.versions import Version, version
from hauberk.formats.yaml_text import Node, read_yaml
from hauberk.methods.code.package_names import normal

MAX_RECORDS = 2_000_000
MAX_RECORD_BYTES = 4 << 20
SCHEMA = 1

_RELEASE = re.compile(r"Debian:\d{1,3}").fullmatch


@dataclass(frozen=True, slots=True)
class Advisory:
    """One record for one package: which versions it is about, and what fixes it."""

    id: str
    summary: str
    ranges: tuple[tuple[str, str, str], ...]
    versions: tuple[str, ...]

    def affects(self, wanted: Version | DebianVersion) -> bool:
        """Whether a version is one of those."""
        read: Any = debian_version if isinstance(wanted, DebianVersion) else version
        if any(read(known) == wanted for known in self.versions):
            return True
        return any(_within(wanted, entry, read) for entry in self.ranges)

    @property
    def fixed(self) -> str:
        """The first version without it, or nothing."""
        return next((entry[1] for entry in self.ranges if entry[1]), "")


def _within(wanted: Any, entry: tuple[str, str, str], read: Callable[[str], Any]) -> bool:
    introduced, fixed, last = (read(part) if part else None for part in entry)
    if introduced is not None and wanted < introduced:
        return False
    if fixed is not None and wanted >= fixed:
        return False
    return last is None or wanted <= last


@dataclass(slots=True)
class Advisories:
    """A snapshot of known vulnerabilities."""

    day: str
    packages: dict[str, list[Advisory]] = field(default_factory=dict)

    def of(self, name: str, wanted: str, ecosystem: str = "") -> list[Advisory]:
        """Records about one version of one package; two ids of one fault count once.

        Args:
            ecosystem: A release of Debian, as ``Debian:12``; empty for packages of Python.
        """
        parsed = debian_version(wanted) if ecosystem else version(wanted)
        if parsed is None:
            return []
        key = f"{ecosystem}/{name}" if ecosystem else normal(name)
        return [item for item in self.packages.get(key, ()) if item.affects(parsed)]

    def ecosystems(self) -> frozenset[str]:
        """Releases of Debian about which there are records."""
        return frozenset(key.partition("/")[0] for key in self.packages if "/" in key)

    def age_days(self, today: date) -> int:
        """Days since the newest record."""
        return (today - date.fromisoformat(self.day)).days


def import_advisories(source: Path) -> Advisories:
    """Read an export.

    Raises:
        UsageError: There is nothing of the kind at ``source``.
    """
    found = Advisories(day="1970-01-01")
    count = 0
    for record in _records(source):
        count += 1
        if count > MAX_RECORDS:
            raise UsageError("an export has too many records", subject=str(source), found="more")
        _take(found, record)
    if not found.packages:
        raise UsageError(
            "there are no advisories of packages of Python or Debian",
            subject=str(source),
            expected="an OSV zip or folder of JSON, or a folder of YAML records",
            found=f"{count} records",
        )
    return found


def _records(source: Path) -> Iterator[Mapping[str, Any]]:
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if (
                path.suffix in {".json", ".yaml", ".yml"}
                and path.stat().st_size <= MAX_RECORD_BYTES
            ):
                yield from _record(path.read_bytes(), path.suffix)
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                if info.filename.endswith(".json") and info.file_size <= MAX_RECORD_BYTES:
                    yield from _record(archive.read(info), ".json")
    else:
        raise UsageError(
            "advisories are imported from a zip or a folder", subject=str(source), found="neither"
        )


def _record(data: bytes, suffix: str) -> Iterator[Mapping[str, Any]]:
    text = data.decode("utf-8", "replace")
    try:
        if suffix == ".json":
            value = json.loads(text)
            yield from [value] if isinstance(value, dict) else []
        else:
            yield from (_plain(node) for node in read_yaml(text) if node.kind == "mapping")
    except (ValueError, RecursionError, ArtifactError):
        return  # One record that does not parse is none; the count tells.


def _plain(node: Node) -> Any:
    if node.kind == "mapping":
        return {key: _plain(value) for key, value in node.entries.items()}
    if node.kind == "sequence":
        return [_plain(item) for item in node.items]
    return node.text or ""


def _take(found: Advisories, record: Mapping[str, Any]) -> None:
    if record.get("withdrawn"):
        return
    day = str(record.get("modified") or record.get("published") or "")[:10]
    for affected in record.get("affected") or []:
        package = affected.get("package") if isinstance(affected, dict) else None
        ecosystem = str(package.get("ecosystem")) if isinstance(package, dict) else ""
        if not isinstance(package, dict) or not (ecosystem == "PyPI" or _RELEASE(ecosystem)):
            continue
        entry = Advisory(
            id=str(record.get("id", "")),
            summary=str(record.get("summary") or record.get("details") or "")[:160],
            ranges=tuple(_ranges(affected)),
            versions=tuple(str(item) for item in affected.get("versions") or []),
        )
        name = str(package.get("name", ""))
        key = normal(name) if ecosystem == "PyPI" else f"{ecosystem}/{name}"
        found.packages.setdefault(key, []).append(entry)
        found.day = max(found.day, day) if _is_day(day) else found.day


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _ranges(affected: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for item in affected.get("ranges") or []:
        if not isinstance(item, dict) or item.get("type") != "ECOSYSTEM":
            continue
        introduced = ""
        is_open = False
        for event in item.get("events") or []:
            if "introduced" in event:
                introduced, is_open = str(event["introduced"]), True
            elif "fixed" in event and is_open:
                yield introduced, str(event["fixed"]), ""
                is_open = False
            elif "last_affected" in event and is_open:
                yield introduced, "", str(event["last_affected"])
                is_open = False
        if is_open:
            yield introduced, "", ""


# Keeping -------------------------------------------------------------------------------


def to_bytes(advisories: Advisories) -> bytes:
    """The snapshot as one small file; equal snapshots give equal bytes."""
    packages = {
        name: [[a.id, a.summary, a.ranges, a.versions if not a.ranges else ()] for a in items]
        for name, items in sorted(advisories.packages.items())
    }
    data = {"schema": SCHEMA, "day": advisories.day, "packages": packages}
    return gzip.compress(json.dumps(data, separators=(",", ":")).encode(), mtime=0)


def from_bytes(data: bytes, *, name: str = "advisories") -> Advisories:
    """The snapshot that `to_bytes` made.

    Raises:
        ArtifactError: It is none.
    """
    try:
        plain = json.loads(gzip.decompress(data))
        packages = {
            package: [
                Advisory(i, s, tuple((a, b, c) for a, b, c in ranges), tuple(versions))
                for i, s, ranges, versions in items
            ]
            for package, items in plain["packages"].items()
        }
        return Advisories(day=date.fromisoformat(plain["day"]).isoformat(), packages=packages)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            "a file of advisories is damaged", subject=name, found=str(error)[:80]
        ) from error
