"""A source has the digest of its publisher's metadata; a database's answer is landed as bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
from types import SimpleNamespace

import pytest

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.lifecycle.data_engineering import acquisition
from hauberk.lifecycle.settings import load
from hauberk.trust.blobs import DirectoryBlobs

KEYS = ("acquisition", "raw")
DATA = b"x,y\n1,0\n"


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "raw.csv").write_bytes(DATA)
    (tmp_path / "hauberk.toml").write_text('[project]\nname = "p"\n')
    blobs = DirectoryBlobs(tmp_path / "blobs")
    return SimpleNamespace(settings=load(tmp_path), store=SimpleNamespace(blobs=blobs))


def described(shop, digest, name="raw.csv"):
    file = {"@type": "cr:FileObject", "@id": name, "contentUrl": name, "sha256": digest}
    text = json.dumps({"@type": "sc:Dataset", "distribution": [file]})
    (shop.settings.root / "meta.json").write_text(text)
    return acquisition.TABLE(uri="raw.csv", croissant="meta.json")


def test_the_digest_of_the_metadata_is_the_one_expected(shop):
    digest = hashlib.sha256(DATA).hexdigest()
    assert acquisition._declared(shop, KEYS, described(shop, digest)) == f"sha256:{digest}"


def test_metadata_and_lifecycle_file_have_to_agree(shop):
    table = dataclasses.replace(described(shop, "0" * 64), sha256="1" * 64)
    with pytest.raises(TrustError, match="disagree"):
        acquisition._declared(shop, KEYS, table)


def test_metadata_without_a_digest_vouch_for_nothing(shop):
    with pytest.raises(ArtifactError, match="no digest"):
        acquisition._declared(shop, KEYS, described(shop, ""))


def test_metadata_lie_in_the_project(shop):
    table = dataclasses.replace(described(shop, "0" * 64), croissant="../meta.json")
    with pytest.raises(UsageError, match="leaves the project"):
        acquisition._declared(shop, KEYS, table)


def test_an_answer_is_landed_with_the_state_that_was_asked(shop):
    base = sqlite3.connect(shop.settings.root / "a.db")
    base.execute("CREATE TABLE t AS SELECT 5 AS x")
    base.commit()
    base.close()
    table = acquisition.TABLE(uri="sqlite:a.db", query="SELECT x FROM t ORDER BY x")
    landed, snapshot = acquisition._bytes(shop, KEYS, table, None)
    assert b"".join(shop.store.blobs.open(landed.digest)) == b"x\n5\n"
    assert acquisition._command(landed, snapshot)[:3] == ("query", "sqlite:a.db", table.query)


@pytest.mark.parametrize(
    "table",
    [acquisition.TABLE(uri="sqlite:a.db"), acquisition.TABLE(uri="raw.csv", query="SELECT 1")],
)
def test_databases_and_only_they_take_a_query(shop, table):
    with pytest.raises(UsageError, match="needs a query"):
        acquisition._bytes(shop, KEYS, table, None)
