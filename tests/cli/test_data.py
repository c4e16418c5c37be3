"""`hauberk data`: versions from the command line, on real files."""

import json
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from hauberk.cli import main

ROWS = [f"{n},{n * 0.5},{n % 2}" for n in range(9_000)]


def write(path, rows):
    path.write_text("id,amount,label\n" + "\n".join(rows) + "\n")


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write(folder / "rows.csv", ROWS)
    assert main(["data", "add", "rows.csv", "--label", "label", "--tag", "gold"]) == 0
    return folder


@pytest.fixture
def two(project):
    rows = [*ROWS, "9000,1,1"]
    rows[8_500] = f"8500,{8500 * 0.5},1"
    del rows[20]
    write(project / "rows.csv", rows)
    assert main(["data", "add", "rows.csv", "-m", "second"]) == 0
    return project


def test_versions_are_listed_with_their_words(two, capsys):
    assert main(["data", "log", "rows"]) == 0
    printed = capsys.readouterr().out
    assert "rows@2" in printed
    assert "second" in printed
    assert "[gold]" in printed


def test_the_difference_says_rows_labels_and_columns(two, capsys):
    capsys.readouterr()
    assert main(["data", "diff", "rows", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["tables"]["rows.csv"]
    assert (found["added"], found["removed"], found["relabelled"]) == (1, 1, 1)
    assert found["columns"] == {"label": 1}
    assert found["edits"][0]["at"] == 8_499


def test_the_same_files_make_no_new_version(project, capsys):
    assert main(["data", "add", "rows.csv"]) == 0
    assert "already" in capsys.readouterr().out


def test_a_checkout_by_tag_gives_the_first_bytes(two, tmp_path):
    assert main(["data", "checkout", "rows@gold", str(tmp_path / "out")]) == 0
    write(tmp_path / "expected.csv", ROWS)
    assert (tmp_path / "out/rows.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_a_checkout_overwrites_nothing_unasked(two, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["data", "checkout", "rows", out]) == 0
    (tmp_path / "out/rows.csv").write_text("mine")
    assert main(["data", "checkout", "rows", out]) == 2
    assert (tmp_path / "out/rows.csv").read_text() == "mine"
    assert main(["data", "checkout", "rows", out, "--force"]) == 0
    assert main(["data", "verify", "rows", "--copy", out]) == 0
    (tmp_path / "out/extra").write_text("x")
    assert main(["data", "checkout", "rows", out, "--force"]) == 2
    assert "extra" in capsys.readouterr().err


def test_a_changed_row_of_a_copy_is_located(project, capsys):
    rows = list(ROWS)
    rows[8_900] = "8900,1.25,0"
    write(project / "rows.csv", rows)
    assert main(["data", "verify", "rows", "--copy", "rows.csv"]) == 1
    assert "column 'amount', rows 8192 to 16383" in capsys.readouterr().err


def test_a_changed_byte_in_the_store_is_located(project, capsys):
    blob = max((project / ".hauberk/blobs").rglob("*"), key=lambda path: path.stat().st_size)
    data = bytearray(blob.read_bytes())
    at = data.index(b"\n8800,") + 6
    data[at] = ord("9")
    blob.chmod(0o600)
    blob.write_bytes(data)
    assert main(["data", "verify", "rows"]) == 1
    assert "broken rows.csv: column 'amount', rows 8192" in capsys.readouterr().err
    assert main(["data", "checkout", "rows", "out"]) == 1
    assert not (project / "out").exists()
    assert main(["data", "add", "rows.csv", "--rewrite"]) == 0
    assert main(["data", "verify", "rows@1"]) == 0


def test_a_changed_tensor_is_named(project, capsys):
    np.savez("w.npz", first=np.zeros(9), second=np.ones(9))
    assert main(["data", "add", "w.npz"]) == 0
    np.savez("w.npz", first=np.zeros(9), second=np.full(9, 2.0))
    assert main(["data", "verify", "w", "--copy", "w.npz"]) == 1
    assert "changed w.npz: tensor 'second'" in capsys.readouterr().err


def test_a_folder_keeps_its_files_and_names_unsigned_ones(project, capsys):
    (project / "images/a").mkdir(parents=True)
    (project / "images/a/1.png").write_bytes(b"one")
    (project / "images/2.png").write_bytes(b"two")
    assert main(["data", "add", "images"]) == 0
    assert main(["data", "verify", "images", "--copy", "images"]) == 0
    (project / "images/a/3.png").write_bytes(b"three")
    (project / "images/2.png").unlink()
    assert main(["data", "verify", "images", "--copy", "images"]) == 1
    printed = capsys.readouterr().err
    assert "added a/3.png" in printed
    assert "removed 2.png" in printed


def _swap(project, change):
    with closing(sqlite3.connect(project / ".hauberk/pointers.sqlite")) as database:
        change(database)
        database.commit()


def test_a_pointer_moved_back_is_refused(two, capsys):
    log = json.loads(_records(two)[0])
    value = json.dumps({key: log[key] for key in ("envelope", "number", "version")})
    _swap(two, lambda db: db.execute("update pointers set value = ?", (value.encode(),)))
    assert main(["data", "verify", "rows"]) == 1
    assert "does not name the newest version" in capsys.readouterr().err


def _records(project):
    from hauberk.trust.store import Store

    log = Store.open(project, read_only=True).log
    return [record for record in log.records() if b"data-version" in record]


def test_a_pointer_left_behind_by_a_crash_is_repaired(two):
    log = json.loads(_records(two)[0])
    value = json.dumps({key: log[key] for key in ("envelope", "number", "version")})
    _swap(two, lambda db: db.execute("update pointers set value = ?", (value.encode(),)))
    assert main(["data", "repair", "rows"]) == 0
    assert main(["data", "verify", "rows"]) == 0


def test_an_older_copy_of_the_whole_store_is_refused(project, capsys):
    shutil.copytree(project / ".hauberk", project / "backup")
    write(project / "rows.csv", ROWS[:-1])
    assert main(["data", "add", "rows.csv"]) == 0
    shutil.rmtree(project / ".hauberk")
    (project / "backup").rename(project / ".hauberk")
    assert main(["data", "verify", "rows"]) == 1
    assert "older than" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["verify", "nothing"], 2),
        (["verify", "rows@7"], 2),
        (["verify", "rows@"], 2),
        (["verify", "../x"], 2),
        (["add", "missing.csv"], 2),
        (["add", "rows.csv", "--name", "Not A Name"], 2),
        (["add", "rows.csv", "--tag", "12"], 2),
        (["diff", "rows"], 2),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(project, words, code):
    assert main(["data", *words]) == code


def test_links_and_special_files_are_refused_by_name(project, capsys):
    (project / "d").mkdir()
    (project / "d/link").symlink_to("/etc/passwd")
    assert main(["data", "add", "d"]) == 1
    assert "link has no place" in capsys.readouterr().err


def test_a_broken_table_is_kept_as_bytes_and_said_so(project, capsys):
    (project / "bad.parquet").write_bytes(b"PAR1 is not everything PAR1")
    assert main(["data", "add", "bad.parquet"]) == 0
    assert "kept as bytes only" in capsys.readouterr().out


def test_a_name_may_stand_before_the_path_and_the_output_behind_a_flag(project, tmp_path):
    assert main(["data", "add", "loans", "rows.csv"]) == 0
    assert main(["data", "checkout", "loans", "--output", str(tmp_path / "o")]) == 0
    assert (tmp_path / "o/rows.csv").is_file()
    assert main(["data", "add", "loans", "rows.csv", "--name", "other"]) == 2


def test_a_single_file_is_followed_under_another_name(project, capsys):
    rows = list(ROWS)
    rows[30] = f"30,{30 * 0.5},1"
    write(project / "rows-2025.csv", rows)
    capsys.readouterr()
    assert main(["data", "add", "rows", "rows-2025.csv"]) == 0
    printed = capsys.readouterr().out
    assert "1 edited (1 of them relabelled)" in printed
    stored = int(printed.split("stored")[1].split()[0].replace(",", ""))
    assert stored < 3_000
    assert main(["data", "diff", "rows@1", "rows@2"]) == 0
    assert "row 30, column 'label'" in capsys.readouterr().out


def test_another_encoding_keeps_its_rows(project, capsys):
    from hauberk.formats.tables import open_table, write_table

    write_table(open_table(project / "rows.csv"), project / "rows.parquet")
    capsys.readouterr()
    assert main(["data", "add", "rows", "rows.parquet"]) == 0
    assert "the same rows in another encoding" in capsys.readouterr().out


def test_parquet_is_kept_by_rows_only_where_that_is_asked_for(project, capsys):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rng = np.random.default_rng(1)
    columns = {"age": rng.integers(0, 90, 9_000), "x": rng.normal(size=9_000)}

    def added(name, *words):
        parquet.write_table(pa.table(columns), project / name)
        assert main(["data", "add", name, "--name", "people", *words]) == 0
        columns["age"][rng.choice(9_000, 50)] += 900

    added("one.parquet")
    added("two.parquet", "--by-rows")
    added("three.parquet")
    capsys.readouterr()
    assert main(["data", "log", "people", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["datasets"]["people"]
    assert [one["needs"] for one in found] == [[], [f"pyarrow {pa.__version__}"], []]
    assert main(["data", "diff", "people@1", "people@2"]) == 0
    assert f"needs     pyarrow {pa.__version__}: kept by rows (people@2)" in capsys.readouterr().out
    assert main(["data", "checkout", "people@2", "out"]) == 0
    assert (project / "out/two.parquet").read_bytes() == (project / "two.parquet").read_bytes()
