"""Lists of containers and environments held against advisories."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest

from hauberk.controls.code.known_vulnerabilities import KnownVulnerabilities
from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding
from hauberk.errors import UnavailableError
from hauberk.methods.code.advisories import import_advisories, to_bytes


def record(name, package, ecosystem, fixed):
    events = [{"introduced": "0"}, {"fixed": fixed}]
    return {
        "id": name,
        "modified": "2999-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("osv")
    records = (
        record("PYSEC-1", "Pillow", "PyPI", "10.3.0"),
        record("DEBIAN-1", "openssl", "Debian:12", "3.0.13-1~deb12u1"),
        record("DEBIAN-2", "openssl", "Debian:11", "1.1.1w-0+deb11u1"),
        record("NPM-1", "pillow", "npm", "99"),
    )
    for one in records:
        (folder / f"{one['id']}.json").write_text(json.dumps(one))
    return to_bytes(import_advisories(folder))


def tree(**files):
    held = [
        SourceFile(name=name, path=Path(PurePosixPath(name)), text=text)
        for name, text in ((name.replace("__", "/"), text) for name, text in files.items())
    ]
    return CodeTree(name="t", root=Path("/"), files=lambda: iter(held))


def told(database, files):
    """Messages, and why packages were not checked, if some were not."""
    found, reason = [], ""
    try:
        for item in KnownVulnerabilities(database=database).check(tree(**files)):
            assert isinstance(item, Finding)
            found.append(item)
    except UnavailableError as error:
        reason = str(error)
    return found, reason


def bill(*urls):
    parts = [{"type": "library", "name": "x", "version": "1", "purl": url} for url in urls]
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": parts}, indent=1
    )


SPDX = json.dumps(
    {
        "spdxVersion": "SPDX-2.3",
        "packages": [
            {
                "name": "pillow",
                "versionInfo": "9.5.0",
                "externalRefs": [
                    {"referenceType": "purl", "referenceLocator": "pkg:pypi/pillow@9.5.0"}
                ],
            }
        ],
    }
)
COLUMNS = "Package    Version\n---------- -------\npillow     9.5.0\nsix        1.16.0\n"
STATUS = (
    "Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 3.0.9-1\n\n"
    "Package: gone\nStatus: deinstall ok config-files\nSource: openssl\nVersion: 3.0.9-1\n"
)
RELEASE = 'ID=debian\nVERSION_ID="12"\n'


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"sbom.json": bill("pkg:pypi/pillow@9.5.0")}, "PYSEC-1"),
        (
            {
                "image.cdx.json": bill(
                    "pkg:deb/debian/libssl3@3.0.9-1?distro=debian-12&upstream=openssl"
                )
            },
            "DEBIAN-1",
        ),
        (
            {"image.cdx.json": bill("pkg:deb/debian/openssl@1.1.1n-0%2Bdeb11u3?distro=debian-11")},
            "DEBIAN-2",
        ),
        ({"sbom.spdx.json": SPDX}, "PYSEC-1"),
        ({"pip-list.json": json.dumps([{"name": "Pillow", "version": "9.5.0"}])}, "PYSEC-1"),
        ({"build__pip_list.txt": COLUMNS}, "PYSEC-1"),
        ({"image-packages.txt": "six==1.16.0\nPillow==9.5.0\n"}, "PYSEC-1"),
        ({"root__var__lib__dpkg__status": STATUS, "root__etc__os-release": RELEASE}, "DEBIAN-1"),
    ],
)
def test_a_vulnerable_package_of_a_list_is_named(database, files, name):
    found, reason = told(database, files)
    assert [name in one.message for one in found] == [True]
    assert reason == ""


@pytest.mark.parametrize(
    "files",
    [
        {"sbom.json": bill("pkg:pypi/pillow@10.3.0", "pkg:npm/pillow@1.0.0")},
        {"image.cdx.json": bill("pkg:deb/debian/openssl@3.0.13-1~deb12u1?distro=debian-12")},
        {"pip-list.json": json.dumps([{"name": "Pillow", "version": "10.4.0"}])},
        {
            "root__var__lib__dpkg__status": STATUS.replace("3.0.9-1", "3.0.15-1"),
            "root__etc__os-release": RELEASE,
        },
    ],
)
def test_a_fixed_package_is_none(database, files):
    assert told(database, files) == ([], "")


@pytest.mark.parametrize(
    "files",
    [
        {"root__var__lib__dpkg__status": STATUS},
        {
            "root__var__lib__dpkg__status": STATUS,
            "root__etc__os-release": 'ID=debian\nVERSION_ID="10"\n',
        },
        {"root__lib__apk__db__installed": "P:libssl3\nV:3.1.0-r0\no:openssl\n\n"},
        {"image.cdx.json": bill("pkg:apk/alpine/openssl@3.1.0-r0?distro=alpine-3.18")},
    ],
)
def test_what_the_snapshot_does_not_know_is_told_as_not_checked(database, files):
    found, reason = told(database, files)
    assert found == []
    assert "were not checked" in reason


@pytest.mark.parametrize(
    "files",
    [
        {"settings.json": json.dumps([{"name": "a", "version": "1", "port": 3}])},
        {"package.json": json.dumps({"name": "web", "version": "1.0.0"})},
        {"deep.json": '[{"name": "version"' + "[" * 5_000},
        {
            "odd.cdx.json": json.dumps(
                {"bomFormat": "CycloneDX", "components": [3, {"purl": 4}, {"purl": "pkg:pypi/x"}]}
            )
        },
        {"notes.txt": "Pillow==9.5.0 is what we had"},
    ],
)
def test_other_files_are_no_lists(database, files):
    with pytest.raises(NotApplicable):
        list(KnownVulnerabilities(database=database).check(tree(**files)))


def test_the_line_of_a_package_is_told(database):
    text = bill("pkg:pypi/six@1.16.0", "pkg:pypi/pillow@9.5.0")
    (finding,), _ = told(database, {"sbom.json": text})
    assert (
        text.splitlines()[finding.location.line - 1].strip().startswith('"purl": "pkg:pypi/pillow')
    )


@pytest.mark.parametrize(
    "beside", [{}, {"pip-list.json": '[{"name": "six", "version": "1.16.0"}]'}]
)
def test_a_bill_that_breaks_off_is_told_as_not_checked(database, beside):
    found, reason = told(
        database, {"broken.cdx.json": '{"bomFormat": "CycloneDX", "components": [', **beside}
    )
    assert found == []
    assert "bills of materials were not checked" in reason
