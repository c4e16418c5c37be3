"""Tables that are not what they should be: an error with its place, a gap, or a plain answer.

No row is ever lost: what cannot be read ends the scan of its file, and what can be read is
judged whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from hauberk.cli import main

GOOD = [f"{i * 7919 % 1009 / 10},{i % 5},{i * 31 % 2}" for i in range(60)]
HEADER = "a,b,y"
MAX_PEAK_BYTES = 700 << 20


def scanned(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict]:
    code = main(["scan", str(path), "--format", "json", *options])
    return code, json.loads(capsys.readouterr().out)


def said(document: dict) -> str:
    reasons = [item["reason"] or "" for item in document["assessments"]]
    return " ".join([item["message"] for item in document["findings"]] + reasons)


def with_row(place: int, row: str) -> str:
    return "\n".join([HEADER, *GOOD[:place], row, *GOOD[place:]]) + "\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("ragged.csv", with_row(20, "1,2,0,9"), ["Row 22", "4 fields", "3"]),
        ("short.csv", with_row(20, "1,2"), ["Row 22", "2 fields", "3"]),
        ("quote.csv", with_row(20, '"1,2,0'), ["Row 22"]),
        ("twice.csv", "a,a,y\n1,2,0\n2,3,1\n", ["'a'", "more than once"]),
        ("nul.csv", with_row(20, "1,\0,0"), ["binary data"]),
        ("wide.csv", "\0".join(with_row(20, "1,2,0")), ["UTF-16", "UTF-8"]),
        (
            "wide.csv",
            ",".join(f"c{i}" for i in range(100_000)) + "\n" + ",".join(["1"] * 100_000) + "\n",
            ["100000", "16384"],
        ),
        ("late.jsonl", '{"y": 1}\n' * 30 + "{]\n", ["Line 31"]),
        ("twice.jsonl", '{"y": 1}\n' * 30 + '{"y": 1, "y": 2}\n', ["Line 31", "twice"]),
        ("deep.jsonl", '{"y": ' + "[" * 90_000 + "]" * 90_000 + "}\n", ["Line 1"]),
        ("huge.jsonl", '{"y": 1}\n' * 30 + '{"y": 99999999999999999999}\n', ["Row 31", "'y'"]),
    ],
)
def test_malformed_text_is_refused_with_its_place(name, content, words, tmp_path, capsys):
    (tmp_path / name).write_text(content)
    code, document = scanned(tmp_path / name, capsys)
    assert code == 1
    assert [word for word in words if word not in said(document)] == []
    assert name in said(document)


def test_a_row_longer_than_the_bound_is_refused_by_the_rows_before_it(
    tmp_path, capsys, monkeypatch
):
    from hauberk.formats import delimited

    monkeypatch.setattr(delimited, "MAX_ROW_BYTES", 2_000)
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *GOOD * 9, f"1,{'a' * 6_000},0", *GOOD]))
    code, document = scanned(tmp_path / "x.csv", capsys)
    assert code == 1
    assert "at most 2000 bytes a row" in said(document)
    assert "after row" in said(document)


@pytest.mark.parametrize(("cut", "name"), [(-4, "tail"), (2_000, "middle"), (20, "head")])
def test_truncated_binaries_are_refused(cut, name, tmp_path, capsys):
    rows = {"x": np.arange(3_000) * 7919 % 3_001, "y": np.arange(3_000) % 2}
    parquet.write_table(pa.table(rows), tmp_path / f"{name}.parquet")
    np.savez_compressed(tmp_path / f"{name}.npz", X=rows["x"], y=rows["y"])
    for path in (tmp_path / f"{name}.parquet", tmp_path / f"{name}.npz"):
        path.write_bytes(path.read_bytes()[:cut])
        code, document = scanned(path, capsys)
        assert code == 1
        assert document["findings"][0]["path"] == str(path)


def test_arrays_of_objects_and_labels_of_another_length_are_refused(tmp_path, capsys):
    np.savez(tmp_path / "objects.npz", X=np.array([{"a": 1}] * 5, object), y=np.zeros(5))
    np.savez(tmp_path / "short.npz", X=np.zeros((30, 2)), y=np.zeros(29))
    code, document = scanned(tmp_path / "objects.npz", capsys)
    assert (code, "Python objects" in said(document)) == (1, True)
    code, document = scanned(tmp_path / "short.npz", capsys)
    assert (code, "one label for each of 30 rows" in said(document)) == (1, True)


def test_a_label_that_is_not_there_is_named_with_the_columns_that_are(tmp_path, capsys):
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *GOOD]))
    assert main(["scan", str(tmp_path / "x.csv"), "--label", "Y"]) == 2
    assert "a, b, y" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_a_label_column_without_a_label_is_not_called_clean(ending, tmp_path, capsys):
    path = tmp_path / f"x.{ending}"
    if ending == "npz":
        np.savez(path, X=np.random.default_rng(0).random((50, 2)), y=np.full(50, np.nan))
    else:
        path.write_text("\n".join([HEADER, *(row[:-1] for row in GOOD)]))
    code, document = scanned(path, capsys, "--label", "y")
    assert code == 3
    assert "no row has a label in column y" in said(document)


@pytest.mark.parametrize(
    "rows",
    [
        GOOD[:1],
        [row[:-1] + "1" for row in GOOD],
        [row if i % 4 else row[:-1] for i, row in enumerate(GOOD)],
        [row if i % 9 else "word" + row for i, row in enumerate(GOOD)],
        [row if i % 9 else f"{('nan', 'inf', '-inf')[i % 3]},{i},1" for i, row in enumerate(GOOD)],
        [f"{(1e300, -1e300, 1e38, 1.0)[i % 4]},{i % 3},{i // 30}" for i in range(60)],
        ["nan,,1", "NaN,,0"] * 30,
    ],
    ids=["one row", "one class", "labels missing", "mixed", "inf", "beyond 32 bits", "nothing"],
)
def test_odd_content_is_judged_without_a_control_that_breaks(rows, tmp_path, capsys):
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    _, document = scanned(tmp_path / "x.csv", capsys, "--label", "y")
    broken = [item for item in document["assessments"] if item["outcome"] == "failed"]
    assert document["assessments"]
    assert broken == []


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_every_row_of_every_encoding_is_profiled(encoding, tmp_path, capsys):
    rows = "\n".join([HEADER, *(row.replace(",3,", ",é,") for row in GOOD)]) + "\n"
    (tmp_path / "x.csv").write_bytes(rows.encode(encoding))
    assert main(["data", "profile", str(tmp_path / "x.csv")]) == 0
    assert "60" in capsys.readouterr().out


READ = """
import re, sys
from pathlib import Path
from hauberk.formats.tables import open_table
rows = sum(batch.num_rows for batch in open_table(Path(sys.argv[1])).read())
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())  # of this program alone
print(rows, peak[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in kilobytes there")
def test_a_small_file_of_one_long_text_many_times_is_read_in_bounded_memory(tmp_path):
    places = pa.array(np.zeros(4_000, np.int32))
    texts = pa.DictionaryArray.from_arrays(places, ["a" * 900_000])
    schema = pa.schema([("x", pa.string())])
    with parquet.ParquetWriter(tmp_path / "x.parquet", schema, compression="zstd") as writer:
        for start in range(0, 4_000, 100):
            part = texts.slice(start, 100).dictionary_decode()
            writer.write_table(pa.table([part], schema=schema), row_group_size=4_000)
    assert (tmp_path / "x.parquet").stat().st_size < 1 << 20
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "x.parquet")],
        check=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )
    n_rows, peak = map(int, done.stdout.split())
    assert n_rows == 4_000
    assert peak * 1_024 < MAX_PEAK_BYTES
