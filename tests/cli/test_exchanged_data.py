"""Versions of data, their log and its witness, exchanged between projects, times, keys and forms.

The owner of the store exchanges what was signed once; the reader is a colleague with the owner's
root and no memory of what was there before, and a witness where the log is concerned.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hauberk.cli import main
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.store import Store

PARTS = ("object:", "rule:", "expected:", "found:", "next:")
NAME = "datasets/rows"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Three stores and what a reader has of them, in one folder that is copied for each test.

    Attributes:
        folder: With ``mine``, two versions; ``before``, its first; ``other``, another project's
            two; ``heads``, what a witness saw of ``mine``; ``witness.pub``, its key.
    """

    folder: Path

    @property
    def mine(self) -> Path:
        return self.folder / "mine"

    @property
    def store(self) -> Path:
        return self.mine / ".hauberk"

    def of(self, name: str) -> Path:
        return self.folder / name / ".hauberk"


def write_rows(project: Path, who: str, changed: int) -> None:
    rows = (f"{number},{who}{number % 7 + (number == changed)}\n" for number in range(500))
    (project / "rows.csv").write_text("id,label\n" + "".join(rows))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("exchanged")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CONFIG_HOME", str(folder / "owner"))
    witness = Ed25519PrivateKey.generate()
    (folder / "witness.pem").touch(0o600)
    (folder / "witness.pem").write_bytes(
        witness.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "witness.pub").write_bytes(
        witness.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    for name in ("mine", "other"):
        project = folder / name
        project.mkdir()
        (project / "hauberk.toml").write_text(f'[project]\nname = "{name}"\n')
        patch.chdir(project)
        for number in (1, 2):
            write_rows(project, name, number)
            assert main(["data", "add", "rows.csv"]) == 0
            if (name, number) == ("mine", 1):
                shutil.copytree(project, folder / "before")
        words = ["log", "witness", str(folder / f"{name}.heads")]
        assert main([*words, "--cosign", str(folder / "witness.pem")]) == 0
    patch.undo()
    shutil.rmtree(folder / "owner/hauberk/seen")
    return Stage(folder=folder)


@pytest.fixture
def stage(original: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    shutil.copytree(original.folder, tmp_path / "stage", symlinks=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "stage/owner"))
    monkeypatch.chdir(tmp_path / "stage/mine")
    return Stage(folder=tmp_path / "stage")


# What forgers do -------------------------------------------------------------------------


def exchange(name: str, source: str) -> Callable[[Stage], None]:
    def forge(stage: Stage) -> None:
        target = stage.store / name
        if target.is_dir():
            shutil.rmtree(target)
            shutil.copytree(stage.of(source) / name, target)
        else:
            target.write_bytes((stage.of(source) / name).read_bytes())

    return forge


def pointed(store: Path) -> dict[str, object]:
    with closing(sqlite3.connect(store / "pointers.sqlite")) as database:
        ((value,),) = database.execute("select value from pointers where name = ?", (NAME,))
    return json.loads(value)


def point(stage: Stage, value: bytes | None) -> None:
    with closing(sqlite3.connect(stage.store / "pointers.sqlite")) as database:
        if value is None:
            database.execute("delete from pointers")
        else:
            database.execute("update pointers set value = ? where name = ?", (value, NAME))
        database.commit()


def bring_blobs(stage: Stage, source: str) -> None:
    shutil.copytree(stage.of(source) / "blobs", stage.store / "blobs", dirs_exist_ok=True)


def point_at_other(stage: Stage) -> None:
    bring_blobs(stage, "other")
    point(stage, canonical_json(pointed(stage.of("other"))))


def point_at_before(stage: Stage) -> None:
    point(stage, canonical_json(pointed(stage.of("before"))))


def half(key: str, source: str) -> Callable[[Stage], None]:
    """One half of the pointer as it was, the other from elsewhere."""

    def forge(stage: Stage) -> None:
        bring_blobs(stage, source)
        found = pointed(stage.of(source))
        point(stage, canonical_json({**pointed(stage.store), key: found[key]}))

    return forge


def blob_of(stage: Stage, digest: object) -> Path:
    return Store.open(stage.mine).blobs.path(str(digest))


def replaced(key: str, source: str) -> Callable[[Stage], None]:
    """A blob's bytes replaced by a genuine one of the same kind, under its own name."""

    def forge(stage: Stage) -> None:
        bring_blobs(stage, source)
        target = blob_of(stage, pointed(stage.store)[key])
        genuine = blob_of(stage, pointed(stage.of(source))[key])
        target.chmod(0o600)
        target.write_bytes(genuine.read_bytes())

    return forge


def rewritten(key: str, change: Callable[[bytes], bytes]) -> Callable[[Stage], None]:
    """A blob in other words, under the name of those words, with the pointer at it."""

    def forge(stage: Stage) -> None:
        data = blob_of(stage, pointed(stage.store)[key]).read_bytes()
        digest = Store.open(stage.mine).blobs.put([change(data)])
        point(stage, canonical_json({**pointed(stage.store), key: digest}))

    return forge


def spaced(data: bytes) -> bytes:
    return json.dumps(json.loads(data), indent=1).encode()


def renumbered(data: bytes) -> bytes:
    return data.replace(b'"number":2', b'"number":3')


def orphaned(data: bytes) -> bytes:
    """The second version as if it were the first: its record of changes is gone."""
    return canonical_json({**json.loads(data), "parent": None, "number": 1, "changes": {}})


def relabelled(data: bytes) -> bytes:
    return canonical_json({**json.loads(data), "tags": ["gold"]})


def every_blob_cut(stage: Stage) -> None:
    for path in (stage.store / "blobs").glob("*/*"):
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1])


def whole_store(source: str) -> Callable[[Stage], None]:
    def forge(stage: Stage) -> None:
        shutil.rmtree(stage.store)
        shutil.copytree(stage.of(source), stage.store)

    return forge


def heads_file(change: Callable[[Stage], bytes]) -> Callable[[Stage], None]:
    def forge(stage: Stage) -> None:
        (stage.folder / "mine.heads").write_bytes(change(stage))

    return forge


def heads(stage: Stage, name: str = "mine.heads") -> bytes:
    return (stage.folder / name).read_bytes()


def without_cosignature(stage: Stage) -> bytes:
    lines = heads(stage).splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith("\u2014 witness".encode()))


def larger_head(stage: Stage) -> bytes:
    text = heads(stage)
    return text.replace(b"hauberk\n2\n", b"hauberk\n9\n")


def cosigned_by_log(stage: Stage) -> bytes:
    """The log's own line under the witness's name."""
    own = next(
        line for line in heads(stage).splitlines() if line.startswith(b"\xe2\x80\x94 hauberk")
    )
    return (
        without_cosignature(stage).rstrip(b"\n")
        + b"\n"
        + own.replace(b"hauberk", b"witness")
        + b"\n\n"
    )


DATA: dict[str, Callable[[Stage], None]] = {
    "pointers of another project": exchange("pointers.sqlite", "other"),
    "pointers of the version before": exchange("pointers.sqlite", "before"),
    "no pointers": lambda stage: point(stage, None),
    "the log of another project": exchange("log", "other"),
    "the log of the version before": exchange("log", "before"),
    "the name at another project's version": point_at_other,
    "the name at the version before": point_at_before,
    "the version of another project under this signature": half("version", "other"),
    "the signature of another project over this version": half("envelope", "other"),
    "the version before under this signature": half("version", "before"),
    "the signature before over this version": half("envelope", "before"),
    "the number before": half("number", "before"),
    "another project's document under this name": replaced("version", "other"),
    "the document before under this name": replaced("version", "before"),
    "another project's signature under this name": replaced("envelope", "other"),
    "the signature before under this name": replaced("envelope", "before"),
    "a document in other spacing": rewritten("version", spaced),
    "a document with another number": rewritten("version", renumbered),
    "a document without a past": rewritten("version", orphaned),
    "a document called gold": rewritten("version", relabelled),
    "a signature in other spacing": rewritten("envelope", spaced),
    "every blob cut": every_blob_cut,
    "the whole store of another project": whole_store("other"),
}
LOG: dict[str, Callable[[Stage], None]] = {
    "the log of another project": exchange("log", "other"),
    "the log of the version before": exchange("log", "before"),
    "the heads of another project": exchange("log/heads", "other"),
    "the whole store of another project": whole_store("other"),
    "the whole store as it was before": whole_store("before"),
    "a witness of another project": heads_file(lambda stage: heads(stage, "other.heads")),
    "a witness without its own line": heads_file(without_cosignature),
    "a witness that was emptied": heads_file(lambda _: b""),
    "a witness cut in half": heads_file(lambda stage: heads(stage)[: len(heads(stage)) // 2]),
    "a witness of a longer log": heads_file(larger_head),
    "the log's own line as the witness's": heads_file(cosigned_by_log),
}


def witnessed(stage: Stage) -> list[str]:
    witness = ["--witness", str(stage.folder / "mine.heads")]
    return ["log", "verify", *witness, "--witness-key", str(stage.folder / "witness.pub")]


def refuse(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    code = main(words)
    shown = capsys.readouterr()
    assert code == 1, (words, shown.out, shown.err)
    assert [part for part in PARTS if part not in shown.err] == []
    assert "Traceback" not in shown.err


def test_what_is_untouched_verifies(stage: Stage) -> None:
    assert main(["data", "verify", "rows"]) == 0
    assert main(["data", "checkout", "rows@2", str(stage.folder / "out")]) == 0
    assert main(witnessed(stage)) == 0


@pytest.mark.parametrize("name", DATA)
def test_an_exchange_of_data_is_refused(
    stage: Stage, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    DATA[name](stage)
    refuse(["data", "verify", "rows"], capsys)
    refuse(["data", "checkout", "rows", str(stage.folder / "out")], capsys)
    assert not (stage.folder / "out").exists()


@pytest.mark.parametrize("name", LOG)
def test_an_exchange_of_the_log_or_its_witness_is_refused(
    stage: Stage, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    LOG[name](stage)
    refuse(witnessed(stage), capsys)


def test_bytes_under_names_in_capitals_are_not_there(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (stage.store / "blobs").glob("*/*"):
        path.rename(path.with_name(path.name.upper()))
    assert main(["data", "verify", "rows"]) == 3
    assert "not in the store" in capsys.readouterr().err


def test_names_of_blobs_are_digests(original: Stage) -> None:
    """What the forgeries above rest on."""
    for path in (original.store / "blobs").glob("*/*"):
        assert digest_bytes(path.read_bytes()) == f"sha256:{path.name}"


def test_a_mistyped_path_makes_neither_keys_nor_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    before = set(tmp_path.iterdir())
    assert main(["data", "add", "row.csv"]) == 2
    assert "next:" in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == before


def test_a_row_that_was_doubled_is_told_in_one_place(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (stage.mine / "rows.csv").read_text().splitlines(keepends=True)
    (stage.mine / "rows.csv").write_text("".join([*rows[:78], rows[77], *rows[78:]]))
    assert main(["data", "verify", "rows", "--copy", "rows.csv"]) == 1
    said = capsys.readouterr().err
    assert "501 rows instead of 500; the batch from row 0 on is the first to differ" in said
    assert "column" not in said
