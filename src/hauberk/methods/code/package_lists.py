"""Packages that lists of containers and environments name, each with exactly one version.

Known are bills of materials (CycloneDX and SPDX in JSON, as scanners and builders of images write
them), what ``pip list`` and ``pip freeze`` print, and the lists that Debian and Alpine keep in an
unpacked image (``var/lib/dpkg/status``, ``lib/apk/db/installed``). Packages of Debian belong to a
release, which a bill says in a package URL and an image in ``etc/os-release`` beside.

References:
    Package URL specification 1.0. CycloneDX 1.6. SPDX 2.3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from hauberk.core.artifact import SourceFile
from hauberk.methods.code.dependency_rules import Pin
from hauberk.methods.expressions import expression

PYPI: Final = ""
UNNAMED: Final = "Debian"
"""Of a package of Debian whose release nothing says: it is not checked."""

_URL = expression(
    r"pkg:(?P<type>[a-z]+)/(?P<path>[^@?#]+)@(?P<version>[^?#]+)(?:\?(?P<more>[^#]*))?"
)
_LISTED = expression(
    r"(?i)(?:^|[/_.-])(?:pip[-_. ]?(?:list|freeze)|installed|packages)[\w.-]*\.(?:txt|log)$"
)
_FROZEN = expression(r"(?m)^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>\d[\w.!+-]*)\s*$")
_COLUMN = expression(
    r"(?m)^(?P<name>[A-Za-z0-9][\w.-]*)[ \t]+(?P<version>\d[\w.!+-]*)(?:[ \t]+\S+)*[ \t]*$"
)
_TITLE = expression(r"(?m)^Package\s+Version\b.*\n-{3,}[ -]+$")
_DPKG = expression(r"(?:^|/)var/lib/dpkg/(?:status|status\.d/[^/]+)$")
_APK = expression(r"(?:^|/)lib/apk/db/installed$")
_FIELD = expression(r"(?m)^(?P<key>Package|Status|Version|Source): ?(?P<value>[^\n]*)$")
_BILL = expression(r'"bomFormat"\s*:\s*"CycloneDX"|"spdxVersion"\s*:')
_KINDS = {"deb": "Debian", "apk": "Alpine"}


def listed_pins(file: SourceFile) -> Iterator[Pin]:
    """Packages of a list; nothing where the file is none."""
    path, text = file.path.as_posix(), file.text
    if path.endswith(".json"):
        yield from _json(text)
    elif _DPKG.search(path):
        yield from _dpkg(text)
    elif _APK.search(path):
        yield from _apk(text)
    elif _LISTED.search(path):
        form = _COLUMN if _TITLE.search(text) else _FROZEN
        for match in form.finditer(text):
            yield Pin(match["name"], match["version"], _line(text, match.start()))


def is_broken(file: SourceFile) -> bool:
    """Whether a file says that it is a bill of materials and cannot be read."""
    if not file.path.as_posix().endswith(".json") or not _BILL.search(file.text):
        return False
    try:
        json.loads(file.text)
    except (ValueError, RecursionError):
        return True
    return False


def release_of(text: str) -> str:
    r"""The ecosystem that an ``os-release`` names, as ``Debian:12``; empty for others.

    >>> release_of('ID=debian\nVERSION_ID="12"\n')
    'Debian:12'
    """
    told = dict(re.findall(r'(?m)^(ID|VERSION_ID)="?([\w.]+)"?\s*$', text))
    name = {"debian": "Debian", "alpine": "Alpine"}.get(told.get("ID", ""), "")
    return f"{name}:{told['VERSION_ID']}" if name and "VERSION_ID" in told else ""


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


# Bills of materials --------------------------------------------------------------------


def _json(text: str) -> Iterator[Pin]:
    if not _may_list(text):
        return
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    for name, version, url in _entries(data):
        pin = _by_url(url) if url else Pin(name, version, 1)
        if pin is not None and pin.name and pin.version:
            place = text.find(json.dumps(url)[1:-1] if url else f'"{name}"')
            yield Pin(pin.name, pin.version, _line(text, max(place, 0)), pin.ecosystem)


def _may_list(text: str) -> bool:
    return (
        '"CycloneDX"' in text
        or '"spdxVersion"' in text
        or (text.lstrip()[:1] == "[" and '"version"' in text and '"name"' in text)
    )


def _entries(data: Any) -> Iterator[tuple[str, str, str]]:
    """Name, version and package URL of each entry; without a URL it is a package of Python."""
    if isinstance(data, list):  # pip list --format=json
        if all(isinstance(item, dict) and {"name", "version"} <= item.keys() for item in data):
            for item in data:
                if item.keys() <= _OF_PIP:
                    yield str(item["name"]), str(item["version"]), ""
    elif isinstance(data, dict) and data.get("bomFormat") == "CycloneDX":
        yield from _components(data, depth=0)
    elif isinstance(data, dict) and isinstance(data.get("spdxVersion"), str):
        for item in _dicts(data.get("packages")):
            for reference in _dicts(item.get("externalRefs")):
                if reference.get("referenceType") == "purl":
                    yield "", "", str(reference.get("referenceLocator", ""))


_OF_PIP = {"name", "version", "latest_version", "latest_filetype", "location", "installer"} | {
    "editable_project_location"
}


def _components(data: Mapping[str, Any], depth: int) -> Iterator[tuple[str, str, str]]:
    for item in _dicts(data.get("components")):
        if isinstance(item.get("purl"), str):
            yield "", "", item["purl"]
        if depth < 8:
            yield from _components(item, depth + 1)


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _by_url(url: str) -> Pin | None:
    """The package that a URL names; of a binary package of Debian the source it was built from."""
    match = _URL.fullmatch(url)
    if match is None:
        return None
    name, version = unquote(match["path"]).rpartition("/")[2], unquote(match["version"])
    if match["type"] == "pypi":
        return Pin(name, version, 1)
    if match["type"] not in _KINDS:
        return None
    told = parse_qs(match["more"] or "")
    source = told.get("upstream", [name])[0]
    return Pin(source.partition("@")[0], version, 1, _ecosystem(match["type"], told))


def _ecosystem(kind: str, told: Mapping[str, list[str]]) -> str:
    name = _KINDS[kind]
    release = told.get("distro", [""])[0].rpartition("-")[2]
    return f"{name}:{release}" if release[:1].isdigit() else name


# Unpacked images -----------------------------------------------------------------------


def _dpkg(text: str) -> Iterator[Pin]:
    place = 0
    for block in text.split("\n\n"):
        told = {match["key"]: match["value"].strip() for match in _FIELD.finditer(block)}
        is_there = told.get("Status", "install ok installed").endswith(" installed")
        if is_there and "Package" in told and "Version" in told:
            source, _, version = told.get("Source", told["Package"]).partition(" ")
            line = _line(text, place)
            yield Pin(source, version.strip("()") or told["Version"], line, UNNAMED)
        place += len(block) + 2


def _apk(text: str) -> Iterator[Pin]:
    place = 0
    for block in text.split("\n\n"):
        told: dict[str, str] = dict(re.findall(r"(?m)^([PVo]):(.*)$", block))
        if "P" in told and "V" in told:
            yield Pin(told.get("o", told["P"]), told["V"], _line(text, place), "Alpine")
        place += len(block) + 2
