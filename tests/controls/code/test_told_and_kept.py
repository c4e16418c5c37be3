"""People's data, told places, digests and known vulnerabilities."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from hauberk.controls.code.hidden_instructions import HiddenInstructions
from hauberk.controls.code.known_vulnerabilities import KnownVulnerabilities
from hauberk.controls.code.mismatched_artifacts import MismatchedArtifacts
from hauberk.controls.code.people_data import PeopleData
from hauberk.controls.code.told_places import ToldPlaces
from hauberk.core.finding import Outcome
from hauberk.engine import assess
from hauberk.formats.source import open_tree
from hauberk.methods.code.advisories import import_advisories, to_bytes
from hauberk.range.planted import single

PEOPLE = "name,email,ssn\n" + "".join(
    f"P{n},person{n}@mail-{n}.org,21{n}-45-678{n}\n" for n in range(1, 6)
)


def test_a_table_of_people_is_told():
    assert len(assess(PeopleData(), single("fixtures/c.csv", PEOPLE)).findings) == 1


def test_measurements_are_not_people():
    table = "id,a,b\n" + "".join(f"{n},{n}.5,{n * 7}\n" for n in range(50))
    assert not assess(PeopleData(), single("c.csv", table)).findings


def test_rows_of_people_in_an_output_are_told_at_their_cell():
    book = {"cells": [{"cell_type": "code", "source": "df", "outputs": [{"text": PEOPLE}]}]}
    found = assess(PeopleData(), single("a.ipynb", json.dumps(book))).findings
    assert [f.location.inner for f in found] == [("cell 1",)]


@pytest.mark.parametrize(
    "text",
    [
        "# tracking lives at http://mlflow.ml.internal:5000\n",
        "# ask Dana Miller for the password\n",
        "# see https://acme.atlassian.net/browse/ML-123\n",
        "URI = 's3://acme-risk-models/prod/'\n",
        "# old box: 10.12.7.3\n",
    ],
)
def test_inner_places_are_told_for_review(text):
    found = assess(ToldPlaces(), single("a.py", text)).findings
    assert [f.level.value for f in found] == ["review"]


@pytest.mark.parametrize(
    "text", ["URL = 'https://example.com/x'\n", "BIND = '0.0.0.0'\n", "# by the way\n"]
)
def test_ordinary_text_tells_nothing(text):
    assert not assess(ToldPlaces(), single("a.py", text)).findings


@pytest.mark.parametrize("form", ["SHA256SUMS", "manifest.json", "model.bin.dvc"])
def test_a_file_that_is_not_what_its_manifest_says_is_told(tmp_path, form):
    (tmp_path / "model.bin").write_bytes(b"swapped")
    digest = hashlib.sha256(b"honest").hexdigest()
    md5 = hashlib.md5(b"honest", usedforsecurity=False).hexdigest()
    texts = {
        "SHA256SUMS": f"{digest}  model.bin\n",
        "manifest.json": json.dumps({"files": [{"path": "model.bin", "sha256": digest}]}),
        "model.bin.dvc": f"outs:\n- md5: {md5}\n  path: model.bin\n",
    }
    (tmp_path / form).write_text(texts[form], "utf-8")
    found = assess(MismatchedArtifacts(), open_tree(tmp_path)).findings
    assert [f.path for f in found] == ["model.bin"]
    (tmp_path / "model.bin").write_bytes(b"honest")
    assert not assess(MismatchedArtifacts(), open_tree(tmp_path)).findings


RECORD = {
    "id": "X-1",
    "modified": "2099-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Some_Package"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.0"}, {"fixed": "2.3"}]}],
        }
    ],
}


@pytest.fixture
def database(tmp_path: Path) -> bytes:
    (tmp_path / "x.json").write_text(json.dumps(RECORD), "utf-8")
    return to_bytes(import_advisories(tmp_path))


@pytest.mark.parametrize(("pin", "count"), [("2.2.9", 1), ("2.3", 0), ("0.9", 0), ("1.0rc1", 0)])
def test_a_pin_inside_of_an_affected_range_is_told(database, pin, count):
    control = KnownVulnerabilities(database=database)
    found = assess(control, single("requirements.txt", f"some-package=={pin}\n")).findings
    assert len(found) == count


def test_an_old_snapshot_is_not_checked_and_never_clean(tmp_path):
    old = {**RECORD, "modified": "2020-01-01T00:00:00Z"}
    (tmp_path / "x.json").write_text(json.dumps(old), "utf-8")
    control = KnownVulnerabilities(database=to_bytes(import_advisories(tmp_path)))
    assessment = assess(control, single("requirements.txt", "other==1.0\n"))
    assert assessment.outcome is Outcome.FAILED
    assert "days old" in assessment.reason


def test_a_damaged_snapshot_is_not_checked():
    control = KnownVulnerabilities(database=b"nonsense")
    assert assess(control, single("requirements.txt", "a==1.0\n")).outcome is not Outcome.CLEAN


def test_a_submodule_whose_files_are_not_here_is_told_as_not_checked(tmp_path):
    text = '[submodule "inner"]\n\tpath = vendor/inner\n\turl = https://git.acme.test/inner.git\n'
    (tmp_path / ".gitmodules").write_text(text, "utf-8")
    (tmp_path / "vendor" / "inner").mkdir(parents=True)

    def told():
        findings = assess(HiddenInstructions(), open_tree(tmp_path)).findings
        return [f.message for f in findings if "vendor/inner was not checked" in f.message]

    assert len(told()) == 1
    (tmp_path / "vendor" / "inner" / "lib.py").write_text("x = 1\n", "utf-8")
    assert told() == []
